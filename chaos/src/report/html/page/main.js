// Puts the page together, and lets it be looked at.

const stack = byId("stack"), cross_line = byId("cross"), span = byId("chosen-span"), tip = byId("tip");
let dragged = null;

function draw() {
  if (!timeline) return;
  view.width = Math.max(stack.clientWidth, 320);
  readColours();
  charts.forEach(drawChart);
  byId("reset").hidden = view.from === full.from && view.to === full.to;
}

function placeOf(event) {
  const box = stack.getBoundingClientRect();
  return event.clientX - box.left;
}

function hover(event) {
  const x = placeOf(event);
  cross_line.hidden = !inPlot(x);
  cross_line.style.left = `${x}px`;
  cross_line.classList.toggle("left", x > view.width - 90);
  cross_line.firstElementChild.textContent = moment(timeAt(x));
  if (dragged !== null) {
    span.hidden = false;
    span.style.left = `${Math.max(Math.min(x, dragged), GUTTER)}px`;
    span.style.width = `${Math.abs(Math.min(Math.max(x, GUTTER), right()) - dragged)}px`;
  }
  const chart = charts.find(({ canvas }) => canvas === event.target);
  const lines = chart && inPlot(x) && dragged === null ? chart.tip(x, event.offsetY, chart.height()) : null;
  showTip(event, lines);
}

function showTip(event, lines) {
  tip.hidden = !lines;
  if (!lines) return;
  tip.replaceChildren(...lines.map((line) => element("div", {}, line)));
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 16, window.innerWidth - width - 8))}px`;
  tip.style.top = `${event.clientY + 18 + height > window.innerHeight ? event.clientY - height - 12 : event.clientY + 18}px`;
}

function leave() {
  cross_line.hidden = true;
  tip.hidden = true;
}

function release(event) {
  if (dragged === null) return;
  const from = Math.min(dragged, placeOf(event)), to = Math.max(dragged, placeOf(event));
  dragged = null;
  span.hidden = true;
  if (to - from < 4) return;
  zoom(timeAt(Math.max(from, GUTTER)), timeAt(Math.min(to, right())));
  draw();
}

function seeAll() {
  zoom(full.from, full.to);
  draw();
}

function listen() {
  stack.addEventListener("mousemove", hover);
  stack.addEventListener("mouseleave", leave);
  stack.addEventListener("mousedown", (event) => {
    if (event.button === 0 && inPlot(placeOf(event))) dragged = placeOf(event);
  });
  window.addEventListener("mouseup", release);
  stack.addEventListener("dblclick", seeAll);
  byId("reset").addEventListener("click", seeAll);
  let width = 0;
  new ResizeObserver(() => {
    if (stack.clientWidth !== width) {
      width = stack.clientWidth;
      draw();
    }
  }).observe(stack);
}

// The system's choice, until another is made here.
function listenToTheme() {
  const button = byId("theme"), root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  const show = () => { button.textContent = dark() ? "☀ light" : "☾ dark"; };
  const change = () => { show(); draw(); };
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    change();
  });
  system.addEventListener("change", change);
  show();
}

showHeader();
showViolations();
showTables();
listenToTheme();
if (timeline) {
  byId("charts").hidden = false;
  cross_line.append(element("span"));
  addFaults();
  addNodes();
  addLatency();
  addThroughput();
  addChosen();
  draw();
  listen();
}
document.body.dataset.ready = "1";

// A chart: a title with its key, a canvas, and what lies behind and before every drawing.

const charts = [];
const FONT = "11.5px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key === "class") made.className = value; else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// `height` may depend on the view. `draw(context, height)` returns what it drew, which the canvas
// carries in its data attributes, and so does `above(context)`, which comes last; `tip(x, y)` the lines that explain a place.
function addChart(chart) {
  chart.title = element("div", { class: "title" }, element("b", {}, chart.name));
  chart.keys = element("span", { class: "line" });
  chart.title.append(chart.keys);
  chart.canvas = element("canvas", { id: chart.id });
  document.getElementById("stack").append(element("div", { class: "chart" }, chart.title, chart.canvas));
  charts.push(chart);
}

function key(text, colour) {
  const made = element("span", { class: "key" }, text);
  made.style.setProperty("--key", colour);
  return made;
}

function drawChart(chart) {
  const canvas = chart.canvas, scale = window.devicePixelRatio || 1;
  const height = chart.height();
  canvas.width = Math.round(view.width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  context.font = FONT;
  context.textBaseline = "middle";
  context.strokeStyle = colours.grid;
  context.lineWidth = 1;
  context.beginPath();
  for (const tick of ticks()) {
    const x = Math.round(xOf(tick.at)) + 0.5;
    context.moveTo(x, 0);
    context.lineTo(x, height);
  }
  context.stroke();
  clipped(context, height, () => drawWash(context, height));
  Object.assign(canvas.dataset, chart.draw(context, height));
  clipped(context, height, () => drawMarks(context, height));
  if (chart.above) Object.assign(canvas.dataset, chart.above(context));
  chart.keys.replaceChildren(...(chart.key?.() ?? []));
}

// Draws nothing outside the plot.
function clipped(context, height, draw) {
  context.save();
  context.beginPath();
  context.rect(GUTTER, 0, right() - GUTTER, height);
  context.clip();
  draw();
  context.restore();
}

// Every fault, shaded across.
function drawWash(context, height) {
  context.globalAlpha = Number(colours.wash);
  for (const band of timeline.bands) {
    const x = xOf(band.from_us), end = xOf(band.to_us ?? full.to);
    context.fillStyle = faultColour(band.planned);
    context.fillRect(x, 0, Math.max(end - x, 1.5), height);
  }
  context.globalAlpha = 1;
}

// Every violation, and the beginning of the healing at the end.
function drawMarks(context, height) {
  const heal = timeline.phases.find(([, phase]) => phase === "heal");
  context.lineWidth = 1;
  if (heal) line(context, heal[0], height, colours.good, [2, 3]);
  context.lineWidth = 1.5;
  for (const mark of timeline.marks) line(context, mark.at_us, height, colours.bad, [5, 3]);
}

function line(context, at, height, colour, dashes) {
  const x = Math.round(xOf(at)) + 0.5;
  context.strokeStyle = colour;
  context.setLineDash(dashes);
  context.beginPath();
  context.moveTo(x, 0);
  context.lineTo(x, height);
  context.stroke();
  context.setLineDash([]);
}

// A label left of the plot.
function label(context, text, y, colour = colours.faint) {
  context.fillStyle = colour;
  context.textAlign = "right";
  context.fillText(fit(context, text, GUTTER - 14), GUTTER - 8, y);
  context.textAlign = "left";
}

// As much of the text as has room.
function fit(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let length = text.length;
  while (length > 0 && context.measureText(`${text.slice(0, length)}…`).width > room) length--;
  return length > 0 ? `${text.slice(0, length)}…` : "";
}

// A line across with what it stands for.
function gridLine(context, text, y) {
  context.strokeStyle = colours.grid;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(GUTTER, Math.round(y) + 0.5);
  context.lineTo(right(), Math.round(y) + 0.5);
  context.stroke();
  label(context, text, y);
}

// Slanted lines: something is there, and does not work.
function hatch(context, x, y, width, height, colour) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.beginPath();
  for (let at = x - height - (x - height) % 6; at < x + width; at += 6) {
    context.moveTo(at, y + height);
    context.lineTo(at + height, y);
  }
  context.stroke();
  context.restore();
}

// Everything that is not drawn. All text of the run becomes text nodes, never markup.

const byId = (id) => document.getElementById(id);

function showHeader() {
  const tones = { pass: "good", violated: "bad", "could-not-run": "bad" };
  byId("verdict").textContent = data.word;
  byId("verdict").classList.add(tones[data.verdict] ?? "doubt");
  byId("plan").textContent = data.plan;
  byId("facts").textContent = data.facts.join(" · ");
  byId("reasons").append(...data.reasons.map((reason) => element("li", {}, reason)));
  byId("cards").append(...cards().map(([value, name, tone]) =>
    element("div", { class: "card" }, element("b", { class: tone ?? "" }, value), element("span", {}, name))));
}

function cards() {
  const { sent, acked, unknown, reads, latency, longest_gap_us, longest_gap_at_us } = data.traffic;
  const shown = [];
  if (sent > 0) shown.push([`${whole(acked)} / ${whole(sent)}`, "acknowledged", acked === sent ? "good" : "doubt"]);
  if (unknown > 0) shown.push([whole(unknown), "without an answer", "doubt"]);
  if (reads > 0) shown.push([whole(reads), "reads"]);
  if (latency) {
    shown.push([time(latency.p50_us), "latency p50"], [time(latency.p95_us), "latency p95"]);
    shown.push([time(latency.p99_us), "latency p99"], [time(latency.max_us), "latency max"]);
  }
  if (longest_gap_us !== null) shown.push([time(longest_gap_us), `longest gap with an answer owed, at ${moment(longest_gap_at_us)}`]);
  return shown;
}

function showViolations() {
  if (data.violations.length === 0) return;
  byId("violations").hidden = false;
  const groups = Map.groupBy(data.violations.keys(), (place) => data.violations[place].property);
  for (const [property, places] of groups) {
    const group = element("div", { class: "group" }, element("h3", { class: "bad" }, property), ...places.map(violation));
    byId("violations").append(group);
  }
  byId("violations").append(...data.more.map((more) => element("p", { class: "faint" }, more)));
}

function violation(place) {
  const { message, lines, at_us } = data.violations[place];
  const [first, ...others] = message;
  const made = element("div", { class: "violation" },
    element("p", {}, element("span", { class: "number" }, String(place + 1)), first), ...others.map((line) => element("p", {}, line)),
    ...lines.map((line) => element("p", { class: "detail" }, line)));
  if (at_us !== null && timeline) {
    const show = element("button", { type: "button" }, `show ${moment(at_us)}`);
    show.addEventListener("click", () => {
      zoom(at_us - 1e6, at_us + 1e6);
      draw();
      byId("charts").scrollIntoView({ block: "start" });
    });
    made.prepend(show);
  }
  return made;
}

function showTables() {
  byId("tables").append(...data.sheets.map((sheet) => {
    const side = (column) => sheet.right.includes(column) ? "right" : "";
    const head = element("tr", {}, ...sheet.header.map((name, column) => element("th", { class: side(column) }, name)));
    const rows = sheet.rows.map((row) => element("tr", {}, ...row.map((entry, column) =>
      element("td", { class: `${side(column)} ${entry.tone}` }, entry.text))));
    return element("section", {}, element("h2", {}, sheet.title), element("div", { class: "scroll" },
      element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))));
  }));
  byId("again").append(element("div", {}, "run again: ", element("code", {}, data.command)));
  if (data.run_dir) byId("again").append(element("div", {}, "run directory: ", element("code", {}, data.run_dir)));
}

// The strip of named faults, with the violations' flags above it and the time below.

const ROW = 19, FLAGS = 18, MOST_ROWS = 8;

// Puts each band into the first row where it and its name have room. What has no room in the last
// row shares it.
function rowsOfBands(context) {
  const ends = [];
  return timeline.bands.map((band) => {
    const text = `${band.fault}  ${band.planned}${namesTarget(band) ? "" : ` → ${band.target}`}`;
    const x = Math.max(xOf(band.from_us), GUTTER), end = Math.min(xOf(band.to_us ?? full.to), right());
    const shown = fit(context, text, Math.max(end - x - 8, 230));
    const width = context.measureText(shown).width + 10;
    const from = Math.min(x, right() - width);
    const visible = xOf(band.to_us ?? full.to) >= GUTTER && xOf(band.from_us) <= right();
    let row = 0;
    if (visible) {
      row = ends.findIndex((taken) => taken <= from);
      if (row < 0) row = Math.min(ends.length, MOST_ROWS - 1);
      ends[row] = Math.max(end, from + width) + 4;
    }
    return { band, row, x, end, from, shown, visible };
  });
}

const namesTarget = (band) => !band.target || band.planned.endsWith(band.target);

function faultRows() {
  const context = document.createElement("canvas").getContext("2d");
  context.font = FONT;
  const rows = rowsOfBands(context).filter((placed) => placed.visible).map((placed) => placed.row + 1);
  return Math.max(1, ...rows);
}

const flags = () => timeline.marks.length > 0 ? FLAGS : 0;

function drawFaults(context, height) {
  const placed = rowsOfBands(context).filter((band) => band.visible);
  label(context, "faults", flags() + ROW / 2);
  if (timeline.bands.length === 0) {
    context.fillStyle = colours.faint;
    context.fillText("none", GUTTER + 4, flags() + ROW / 2);
  }
  clipped(context, height, () => {
    for (const { band, row, x, end } of placed) {
      const y = flags() + row * ROW + 1, colour = faultColour(band.planned);
      const width = Math.max(end - x, 3);
      context.fillStyle = colour;
      context.globalAlpha = 0.34;
      context.fillRect(x, y, width, ROW - 3);
      context.globalAlpha = 1;
      context.fillRect(x, y, 3, ROW - 3);
      if (band.problem) hatch(context, x, y, width, ROW - 3, colours.doubt);
    }
    context.fillStyle = colours.text;
    for (const { row, from, shown } of placed) context.fillText(shown, from + 7, flags() + row * ROW + ROW / 2);
  });
  const shown = drawFlags(context);
  drawTimes(context, height - 9);
  return { bands: placed.length, violations: shown };
}

function drawFlags(context) {
  let shown = 0;
  context.textAlign = "center";
  for (const mark of timeline.marks) {
    const x = xOf(mark.at_us);
    if (x < GUTTER - 1 || x > right() + 1) continue;
    shown++;
    const text = String(mark.violation + 1), width = Math.max(context.measureText(text).width + 8, 16);
    context.fillStyle = colours.bad;
    context.beginPath();
    context.roundRect(x - width / 2, 0, width, 15, 7);
    context.fill();
    context.fillStyle = colours.panel;
    context.fillText(text, x, 8);
  }
  context.textAlign = "left";
  if (timeline.marks.length > 0) label(context, "violations", 8, colours.bad);
  return shown;
}

function drawTimes(context, y) {
  context.fillStyle = colours.faint;
  context.textAlign = "center";
  for (const tick of ticks()) {
    const x = xOf(tick.at), half = context.measureText(tick.text).width / 2;
    context.fillText(tick.text, Math.min(Math.max(x, GUTTER + half - 8), right() - half + MARGIN), y);
  }
  context.textAlign = "left";
}

function tipOfFaults(x, y) {
  const marks = timeline.marks.filter((mark) => Math.abs(xOf(mark.at_us) - x) < 9);
  if (y < flags() && marks.length > 0) {
    return marks.map((mark) => `${mark.violation + 1} ${data.violations[mark.violation].property}: ${data.violations[mark.violation].message[0]}`);
  }
  const context = document.createElement("canvas").getContext("2d");
  context.font = FONT;
  const found = rowsOfBands(context).find((placed) => {
    const top = flags() + placed.row * ROW;
    const end = Math.max(placed.end, placed.from + context.measureText(placed.shown).width + 10);
    return placed.visible && y >= top && y < top + ROW && x >= Math.min(placed.x, placed.from) && x <= end;
  });
  if (!found) return null;
  const { band } = found;
  const healed = band.to_us === null ? "never healed" : `to ${moment(band.to_us)}, for ${time(band.to_us - band.from_us)}`;
  return [
    `${band.fault} ${band.planned}`, band.target, band.effect,
    ...(band.problem ? [`did not bite: ${band.problem}`] : []), `from ${moment(band.from_us)} ${healed}`,
  ].filter(Boolean);
}

function addFaults() {
  addChart({
    id: "faults", name: "Faults", draw: drawFaults, tip: tipOfFaults,
    height: () => flags() + faultRows() * ROW + 22,
  });
}

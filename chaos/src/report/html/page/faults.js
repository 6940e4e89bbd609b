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

// Links are many, and stand in the tip.
const namesTarget = (band) => !band.target || band.target.includes("->") || band.planned.endsWith(band.target);

function faultRows() {
  const context = document.createElement("canvas").getContext("2d");
  context.font = FONT;
  const rows = rowsOfBands(context).filter((placed) => placed.visible).map((placed) => placed.row + 1);
  return Math.max(1, ...rows);
}

const flags = () => timeline.marks.length > 0 ? FLAGS : 0;

function drawFaults(context, height) {
  const placed = rowsOfBands(context).filter((band) => band.visible);
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
  drawTimes(context, height - 9);
  return { bands: placed.length };
}

// Flags that would cover each other are one.
function flagsInView(context) {
  const found = [];
  for (const mark of timeline.marks.toSorted((a, b) => a.at_us - b.at_us)) {
    const x = xOf(mark.at_us);
    if (x < GUTTER - 1 || x > right() + 1) continue;
    const last = found.at(-1);
    if (last && x - last.x < 26) last.marks.push(mark); else found.push({ x, marks: [mark] });
  }
  for (const flag of found) {
    const numbers = flag.marks.map((mark) => mark.violation + 1).sort((a, b) => a - b);
    flag.text = numbers.length > 2 ? `${numbers[0]} … ${numbers.at(-1)}` : numbers.join(" ");
    flag.width = Math.max(context.measureText(flag.text).width + 9, 16);
    flag.x = Math.max(Math.min(flag.x, right() + MARGIN - flag.width / 2), GUTTER - 6 + flag.width / 2);
  }
  return found;
}

function drawFlags(context) {
  const found = flagsInView(context);
  context.textAlign = "center";
  for (const { x, text, width } of found) {
    context.fillStyle = colours.bad;
    context.beginPath();
    context.roundRect(x - width / 2, 0, width, 15, 7);
    context.fill();
    context.fillStyle = colours.panel;
    context.fillText(text, x, 8);
  }
  context.textAlign = "left";
  if (timeline.marks.length > 0) label(context, "violations", 8, colours.bad);
  return { violations: found.reduce((sum, flag) => sum + flag.marks.length, 0) };
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
  const context = document.createElement("canvas").getContext("2d");
  context.font = FONT;
  const flag = y < flags() && flagsInView(context).find((flag) => Math.abs(flag.x - x) <= flag.width / 2 + 2);
  if (flag) {
    return flag.marks.map(({ violation }) => `${violation + 1} ${data.violations[violation].property}: ${data.violations[violation].message[0]}`);
  }
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
    id: "faults", name: "Faults", draw: drawFaults, above: drawFlags, tip: tipOfFaults,
    height: () => flags() + faultRows() * ROW + 22,
  });
}

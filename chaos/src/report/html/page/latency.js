// Every operation at the time when it was said: how long its answer took, on a logarithmic scale.
// Those without an answer have a strip of their own above.

const STRIP = 22;
const latencyRange = operations && rangeOfLatency();

function rangeOfLatency() {
  let low = Infinity, high = 0;
  operations.latency.forEach((latency, place) => {
    if (operations.fate[place] !== OK) return;
    low = Math.min(low, latency);
    high = Math.max(high, latency);
  });
  if (high === 0) return { low: 2, high: 6 };
  const from = Math.floor(Math.log10(low)), to = Math.ceil(Math.log10(high * 1.05));
  return { low: from, high: Math.max(to, from + 1) };
}

const unanswered = () => data.timeline.operations.fates.search(/[1245]/) >= 0;
const stripHeight = () => unanswered() ? STRIP : 0;

function latencyY(latency, height) {
  const { low, high } = latencyRange;
  const top = stripHeight() + 8, bottom = height - (hasGap() ? 28 : 8);
  return bottom - (Math.log10(latency) - low) / (high - low) * (bottom - top);
}

const yOfOperation = (place, height) => operations.fate[place] === OK
  ? latencyY(operations.latency[place], height)
  : operations.fate[place] === UNKNOWN ? STRIP / 2 - 3 : STRIP / 2 + 4;

function inView() {
  return [lowerBound(operations.said, view.from), lowerBound(operations.said, view.to + 1)];
}

function drawLatency(context, height) {
  for (let power = latencyRange.low; power <= latencyRange.high; power++) {
    gridLine(context, time(10 ** power).replace(/\.0+ /, " ").replace(/\.00 s/, " s"), latencyY(10 ** power, height));
  }
  if (stripHeight() > 0) label(context, "no answer", STRIP / 2);
  const [from, to] = inView();
  const counts = [0, 0, 0];
  clipped(context, height, () => {
    drawGap(context, height);
    for (const fate of [OK, UNKNOWN, FAILED]) counts[fate] = drawPoints(context, height, from, to, fate);
  });
  return { ok: counts[OK], unknown: counts[UNKNOWN], failed: counts[FAILED] };
}

// A point is drawn only so often at one place: more would change nothing but the time it takes.
function drawPoints(context, height, from, to, fate) {
  const many = to - from;
  const size = fate === OK ? many > 20000 ? 1.5 : many > 5000 ? 2.5 : 4 : 5;
  const columns = Math.ceil(view.width) + 1;
  const drawn = new Uint8Array(columns * (Math.ceil(height) + 1));
  context.fillStyle = colours[FATES[fate]];
  context.globalAlpha = fate === OK ? many > 5000 ? 0.5 : 0.8 : 0.95;
  let count = 0;
  for (let place = from; place < to; place++) {
    if (operations.fate[place] !== fate) continue;
    count++;
    const x = xOf(operations.said[place]), y = yOfOperation(place, height);
    const cell = Math.floor(y) * columns + Math.floor(x);
    if (drawn[cell] >= 4) continue;
    drawn[cell]++;
    if (fate === OK && size === 4) {
      context.beginPath();
      context.arc(x, y, many < 300 ? 3.5 : 2.4, 0, 7);
      context.fill();
    } else {
      context.fillRect(x - size / 2, y - size / 2, size, size);
    }
  }
  context.globalAlpha = 1;
  return count;
}

const hasGap = () => data.traffic.longest_gap_us !== null && data.traffic.longest_gap_at_us !== null;

// The longest time without an acknowledgement, as the check of it counts: while one was owed.
function drawGap(context, height) {
  if (!hasGap()) return;
  const from = data.traffic.longest_gap_at_us, length = data.traffic.longest_gap_us;
  const x = xOf(from), end = Math.max(xOf(from + length), x + 2), y = height - 8;
  if (end < GUTTER || x > right()) return;
  context.strokeStyle = context.fillStyle = colours.faint;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x, y - 4);
  context.lineTo(x, y + 4);
  context.moveTo(x, y);
  context.lineTo(end, y);
  context.moveTo(end, y - 4);
  context.lineTo(end, y + 4);
  context.stroke();
  const text = `longest gap with an answer owed: ${time(length)}`, width = context.measureText(text).width;
  if (end + 6 + width < right()) context.fillText(text, end + 6, y + 0.5);
  else context.fillText(text, x - 6 - width, y + 0.5);
}

function tipOfLatency(x, y, height) {
  const reach = 9;
  const first = lowerBound(operations.said, timeAt(x - reach)), last = lowerBound(operations.said, timeAt(x + reach) + 1);
  let best = -1, least = reach * reach;
  for (let place = first; place < last; place++) {
    const across = xOf(operations.said[place]) - x, along = yOfOperation(place, height) - y;
    const distance = across * across + along * along;
    if (distance < least) { least = distance; best = place; }
  }
  if (best < 0) return null;
  const fate = operations.fate[best];
  const who = lanes[operations.by[best]].node, text = operations.texts[best];
  const lines = [operations.read[best] ? `${who} reads` : text ? `${who}: ${text}` : who];
  lines.push(`${operations.read[best] ? "asked" : "said"} at ${moment(operations.said[best])}`);
  if (fate === OK) lines.push(`answered by s${operations.via[best]} after ${time(operations.latency[best])}`);
  if (fate === UNKNOWN) lines.push("never answered; it is in the log, or may be");
  if (fate === FAILED) lines.push(operations.read[best] ? "never answered" : "never answered, and in no log");
  return lines;
}

function addLatency() {
  addChart({
    id: "latency", name: "Latency", draw: drawLatency, tip: tipOfLatency,
    height: () => 230 + stripHeight(),
    key: () => {
      const meanings = ["ok", "unknown: no answer, but stored or perhaps stored", "failed: no answer, and not stored"];
      const { dataset } = document.getElementById("latency");
      return FATES.map((fate, place) => [Number(dataset[fate]), meanings[place], colours[fate]])
        .filter(([count], place) => place === OK || count > 0)
        .map(([count, meaning, colour]) => key(`${whole(count)} ${meaning}`, colour));
    },
  });
}

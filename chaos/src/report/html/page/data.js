// What the page was given, with its columns of differences summed up again.

const data = JSON.parse(document.getElementById("data").textContent);
const timeline = data.timeline;

const OK = 0, UNKNOWN = 1, FAILED = 2;
const FATES = ["ok", "unknown", "failed"];

function summed(differences) {
  const sums = new Float64Array(differences.length);
  let sum = 0;
  differences.forEach((difference, place) => { sums[place] = sum += difference; });
  return sums;
}

function readOperations(columns) {
  const count = columns.said_us.length;
  const fate = new Uint8Array(count), read = new Uint8Array(count);
  for (let place = 0; place < count; place++) {
    const digit = columns.fates.charCodeAt(place) - 48;
    fate[place] = digit % 3;
    read[place] = digit >= 3 ? 1 : 0;
  }
  const said = summed(columns.said_us);
  const latency = Float64Array.from(columns.latency_us);
  // When the answers came, for the throughput.
  const answered = said.map((at, place) => fate[place] === OK ? at + latency[place] : Infinity).sort();
  return { count, said, latency, answered, fate, read, by: columns.by, via: columns.via, texts: columns.texts };
}

const operations = timeline && readOperations(timeline.operations);
const chosen = timeline && timeline.chosen.map((steps) => ({ at: summed(steps.at_us), upto: summed(steps.upto) }));
const servers = timeline ? timeline.lanes.filter((lane) => lane.kind === "server").map((lane) => lane.node) : [];

// The first place whose value is not below.
function lowerBound(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

// What a replica had chosen at a time.
function chosenAt(steps, at) {
  const place = lowerBound(steps.at, at + 1) - 1;
  return place < 0 ? 0 : steps.upto[place];
}

// As the tables write lengths of time.
function time(us) {
  if (us < 1e3) return `${Math.round(us)} µs`;
  if (us < 1e5) return `${(us / 1e3).toFixed(1)} ms`;
  if (us < 1e6) return `${(us / 1e3).toFixed(0)} ms`;
  return `${(us / 1e6).toFixed(2)} s`;
}

const moment = (us) => `${(us / 1e6).toFixed(3)} s`;
const whole = (number) => number.toLocaleString("en-US");

// The stretch of time that all charts show, and the width that they share.

const GUTTER = 88, MARGIN = 14;
const full = { from: 0, to: timeline ? Math.max(timeline.end_us, 1000) : 1 };
const view = { from: full.from, to: full.to, width: 1000 };

const right = () => view.width - MARGIN;
const xOf = (at) => GUTTER + (at - view.from) / (view.to - view.from) * (right() - GUTTER);
const timeAt = (x) => view.from + (x - GUTTER) / (right() - GUTTER) * (view.to - view.from);
const inPlot = (x) => x >= GUTTER && x <= right();

// Shows from one time to another, but never less than a tenth of a millisecond.
function zoom(from, to) {
  const least = 100;
  const middle = (from + to) / 2, half = Math.max(to - from, least) / 2;
  view.from = Math.max(full.from, middle - half);
  view.to = Math.min(full.to, middle + half);
}

// 1, 2 or 5 times a power of ten, not below the value.
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= value * 0.999999) ?? 10 * power;
}

// The round moments in view, with as many decimals as they need.
function ticks() {
  const step = Math.max(nice((view.to - view.from) / ((right() - GUTTER) / 110)), 1);
  const decimals = Math.max(0, -Math.floor(Math.log10(step / 1e6) + 1e-9));
  const found = [];
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
    found.push({ at, text: `${(at / 1e6).toFixed(decimals)} s` });
  }
  return found;
}

let colours = {};

// The style sheet's colours, as they are now.
function readColours() {
  const style = getComputedStyle(document.documentElement);
  colours = new Proxy({}, {
    get(known, name) { return known[name] ??= style.getPropertyValue(`--${name}`).trim(); },
  });
}

const serverColour = (number) => colours[`s${(number - 1) % 9 + 1}`];

// What a fault does, by the first word of how it was planned.
function faultColour(planned) {
  const kinds = {
    kill: "kill", stop: "kill", restart: "kill", start: "kill", dead: "kill",
    pause: "pause", resume: "pause",
    partition: "cut", cut: "cut", isolate: "cut", flap: "cut",
    delay: "slow", drop: "slow", duplicate: "slow", reorder: "slow", mode: "slow",
  };
  return colours[kinds[planned.split(/[^a-z]/)[0]] ?? "other"];
}

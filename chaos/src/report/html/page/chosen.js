// How far each replica knew the log to be chosen, and below, how far it was behind the others: the
// more, the darker.

const BEHIND = 7;
const behindHeight = () => chosen.length > 1 ? chosen.length * BEHIND + 6 : 0;

function drawChosen(context, height) {
  const low = Math.min(...chosen.map((steps) => chosenAt(steps, view.from)));
  const high = Math.max(low + 1, ...chosen.map((steps) => chosenAt(steps, view.to)));
  const step = Math.max(nice((high - low) / 4), 1);
  const bottom = height - 24 - behindHeight();
  const y = (upto) => bottom - (upto - low) / (high - low) * (bottom - 10);
  for (let upto = Math.ceil(low / step) * step; upto <= high; upto += step) gridLine(context, whole(upto), y(upto));
  let drawn = 0;
  clipped(context, height, () => {
    chosen.forEach((steps, place) => {
      // Lines that run together stay visible: those drawn later are thinner.
      context.lineWidth = 1.5 + 2 * (chosen.length - 1 - place) / Math.max(chosen.length - 1, 1) * Math.min(chosen.length - 1, 2);
      context.strokeStyle = serverColour(place + 1);
      drawn += drawSteps(context, steps, y);
    });
  });
  drawTimes(context, height - 9);
  return { steps: drawn, behind: drawBehind(context, bottom + 6) };
}

function drawSteps(context, steps, y) {
  const from = Math.max(lowerBound(steps.at, view.from) - 1, 0), to = lowerBound(steps.at, view.to + 1);
  let upto = chosenAt(steps, view.from), last = xOf(view.from);
  context.beginPath();
  context.moveTo(last, y(upto));
  let drawn = 0;
  for (let place = from; place < to; place++) {
    const x = xOf(steps.at[place]);
    drawn++;
    // Several steps within a pixel are one.
    if (x - last < 0.3 && place + 1 < to) { upto = steps.upto[place]; continue; }
    context.lineTo(x, y(upto));
    upto = steps.upto[place];
    context.lineTo(x, y(upto));
    last = x;
  }
  context.lineTo(right(), y(upto));
  context.stroke();
  return drawn;
}

// The most slots that one was behind in view.
function drawBehind(context, top) {
  const left = GUTTER, columns = Math.floor(right() - left);
  const lags = chosen.map(() => new Float64Array(columns));
  let most = 0;
  for (let column = 0; column < columns; column++) {
    const at = timeAt(left + column + 0.5), known = chosen.map((steps) => chosenAt(steps, at)), front = Math.max(...known);
    known.forEach((upto, place) => {
      lags[place][column] = front - upto;
      most = Math.max(most, front - upto);
    });
  }
  if (behindHeight() > 0) label(context, "behind", top + chosen.length * BEHIND / 2);
  lags.forEach((lag, place) => {
    context.fillStyle = serverColour(place + 1);
    lag.forEach((slots, column) => {
      // One slot behind is what every replica is all the time, for a moment.
      if (slots < 2) return;
      context.globalAlpha = 0.15 + 0.85 * Math.log(slots) / Math.log(most);
      context.fillRect(left + column, top + place * BEHIND, 1, BEHIND - 2);
    });
  });
  context.globalAlpha = 1;
  return most;
}

function tipOfChosen(x) {
  const at = timeAt(x), known = chosen.map((steps) => chosenAt(steps, at)), most = Math.max(...known);
  return [
    `chosen index at ${moment(at)}`,
    ...known.map((upto, place) => `${servers[place]}: ${whole(upto)}${upto < most ? `, ${whole(most - upto)} behind` : ""}`),
  ];
}

function addChosen() {
  addChart({
    id: "chosen", name: "Chosen index of each replica", draw: drawChosen, tip: tipOfChosen,
    height: () => 160 + behindHeight(),
    key: () => servers.map((server, place) => key(server, serverColour(place + 1))),
  });
}

// How far each replica knew the log to be chosen.

function drawChosen(context, height) {
  const low = Math.min(...chosen.map((steps) => chosenAt(steps, view.from)));
  const high = Math.max(low + 1, ...chosen.map((steps) => chosenAt(steps, view.to)));
  const step = Math.max(nice((high - low) / 4), 1);
  const bottom = height - 24;
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
  return { steps: drawn };
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
    height: () => 168,
    key: () => servers.map((server, place) => key(server, serverColour(place + 1))),
  });
}

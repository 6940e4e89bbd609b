// How many operations a second were said and answered.

let rates = null;

// Wide enough that a part of the run with steady traffic is no comb.
function widthOfPart() {
  const [from, to] = inView();
  const shown = view.to - view.from;
  const fine = shown / ((right() - GUTTER) / 4);
  const full = shown / Math.max((to - from) / 3, 1);
  return nice(Math.min(Math.max(fine, full), shown / 10));
}

function countParts(sorted, first, width, parts) {
  const counts = new Float64Array(parts);
  for (let part = 0, place = lowerBound(sorted, first); part < parts; part++) {
    const end = lowerBound(sorted, first + (part + 1) * width);
    counts[part] = (end - place) / width * 1e6;
    place = end;
  }
  return counts;
}

function drawThroughput(context, height) {
  const width = widthOfPart(), first = Math.floor(view.from / width) * width;
  const parts = Math.ceil((view.to - first) / width);
  const answered = countParts(operations.answered, first, width, parts);
  const said = countParts(operations.said, first, width, parts);
  const most = nice(Math.max(1, ...answered, ...said));
  const bottom = height - 6, y = (rate) => bottom - rate / most * (bottom - 10);
  rates = { first, width, answered, said };
  for (const share of [0, 0.5, 1]) gridLine(context, rateText(most * share), y(most * share));
  clipped(context, height, () => {
    context.fillStyle = colours.ok;
    context.globalAlpha = 0.4;
    outline(context, answered, first, width, y);
    context.lineTo(xOf(first + parts * width), bottom);
    context.lineTo(xOf(first), bottom);
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = 1.5;
    context.strokeStyle = colours.ok;
    outline(context, answered, first, width, y);
    context.stroke();
    context.lineWidth = 1;
    context.strokeStyle = colours.said;
    outline(context, said, first, width, y);
    context.stroke();
  });
  return { parts };
}

function outline(context, counts, first, width, y) {
  context.beginPath();
  counts.forEach((count, part) => {
    const x = xOf(first + part * width);
    if (part === 0) context.moveTo(x, y(count)); else context.lineTo(x, y(count));
    context.lineTo(xOf(first + (part + 1) * width), y(count));
  });
}

const rateText = (rate) => `${rate >= 10 || rate === 0 ? whole(Math.round(rate)) : rate.toFixed(1)}/s`;

function tipOfThroughput(x) {
  const part = Math.floor((timeAt(x) - rates.first) / rates.width);
  if (!(part in rates.said)) return null;
  const from = rates.first + part * rates.width;
  return [
    `${rateText(rates.answered[part])} answered`, `${rateText(rates.said[part])} said`,
    `from ${moment(from)} for ${time(rates.width)}`,
  ];
}

function addThroughput() {
  addChart({
    id: "throughput", name: "Throughput", draw: drawThroughput, tip: tipOfThroughput,
    height: () => 110,
    key: () => [key("answered", colours.ok), key("said", colours.said)],
  });
}

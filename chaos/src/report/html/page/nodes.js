// A lane for each process: when it ran, was paused, was down; who led; where clients were.

const lanes = timeline ? timeline.lanes : [];
const laneHeight = (lane) => lane.kind === "server" ? 26 : lanes.length > 40 ? 12 : 18;
const MAJORITY = 14;

function laneTops() {
  let top = MAJORITY + 4;
  return lanes.map((lane) => { const at = top; top += laneHeight(lane); return at; });
}

function drawNodes(context, height) {
  let ups = 0, leads = 0, pauses = 0;
  drawMajority(context, height);
  const tops = laneTops();
  lanes.forEach((lane, place) => {
    const tall = laneHeight(lane), middle = tops[place] + tall / 2;
    const number = servers.indexOf(lane.node) + 1;
    const colour = number > 0 ? serverColour(number) : colours.faint;
    label(context, lane.node, middle, number > 0 ? colour : colours.text);
    clipped(context, height, () => {
      drawOut(context, lane, middle);
      for (const [from, to] of lane.up) {
        ups++;
        bar(context, from, to, middle, lane.kind === "server" ? 8 : 5, colour, lane.kind === "server" ? 0.38 : 0.3);
      }
      for (const stay of lane.joined) drawStay(context, stay, middle, tall);
      for (const lead of lane.leads) {
        leads++;
        drawLead(context, lane, lead, middle, colour);
      }
      for (const [from, to] of lane.paused) {
        pauses++;
        drawPause(context, from, to, middle, tall);
      }
      for (const [at] of lane.deaths) cross(context, xOf(at), middle);
    });
  });
  return { lanes: lanes.length, ups, leads, pauses, without: timeline.no_majority.length };
}

function drawMajority(context, height) {
  label(context, "majority", MAJORITY / 2);
  clipped(context, height, () => {
    bar(context, full.from, full.to, MAJORITY / 2, 3, colours.good, 0.7);
    for (const [from, to] of timeline.no_majority) {
      const x = xOf(from), width = Math.max(xOf(to) - x, 1.5);
      context.fillStyle = colours.bad;
      context.fillRect(x, 0, width, MAJORITY);
      if (width > 70) {
        context.fillStyle = colours.panel;
        context.fillText("no majority", Math.max(x, GUTTER) + 5, MAJORITY / 2 + 0.5);
      }
    }
  });
}

function bar(context, from, to, middle, tall, colour, alpha) {
  const x = xOf(from);
  context.globalAlpha = alpha;
  context.fillStyle = colour;
  context.fillRect(x, middle - tall / 2, Math.max(xOf(to) - x, 1), tall);
  context.globalAlpha = 1;
}

// Between two lives there is a thin line, so that the lane can still be followed. A client that left
// does not come again.
function drawOut(context, lane, middle) {
  lane.up.forEach(([, to], place) => {
    const next = lane.up[place + 1]?.[0] ?? full.to;
    if (to >= next || (lane.kind === "client" && place + 1 === lane.up.length)) return;
    const x = xOf(to), end = xOf(next);
    context.strokeStyle = context.fillStyle = colours.kill;
    context.lineWidth = 1;
    context.setLineDash([2, 4]);
    context.beginPath();
    context.moveTo(x, Math.round(middle) + 0.5);
    context.lineTo(end, Math.round(middle) + 0.5);
    context.stroke();
    context.setLineDash([]);
    context.fillRect(x - 1, middle - 7, 2.5, 14);
    if (end - x > 44) context.fillText("down", Math.max(x, GUTTER) + 6, middle - 7);
  });
}

function drawLead(context, lane, lead, middle, colour) {
  const x = xOf(lead.from_us), end = xOf(lead.to_us);
  const known = lead.superseded_us === null ? end : xOf(lead.superseded_us);
  context.fillStyle = colour;
  context.fillRect(x, middle - 8, Math.max(known - x, 2), 16);
  if (known < end) {
    hatch(context, known, middle - 8, end - known, 16, colour);
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.strokeRect(known, middle - 7.5, end - known, 15);
  }
  const paused = lane.paused.find(([from, to]) => to > lead.from_us && from < lead.to_us);
  const from = Math.max(x, GUTTER), room = Math.min(known, paused ? xOf(paused[0]) : known, right()) - from - 10;
  const text = room > 130 ? `leads with ballot ${lead.ballot}` : "leads";
  if (room > context.measureText(text).width) {
    context.fillStyle = colours.panel;
    context.fillText(text, from + 6, middle + 0.5);
  }
}

function drawPause(context, from, to, middle, tall) {
  const x = xOf(from), width = Math.max(xOf(to) - x, 2), height = tall - 8;
  context.fillStyle = colours.panel;
  context.fillRect(x, middle - height / 2, width, height);
  hatch(context, x, middle - height / 2, width, height, colours.pause);
  context.strokeStyle = colours.pause;
  context.lineWidth = 1;
  context.strokeRect(x + 0.5, middle - height / 2 + 0.5, width - 1, height - 1);
  if (width > 60) {
    const text = "paused", left = Math.max(x, GUTTER) + 6;
    context.fillStyle = colours.panel;
    context.fillRect(left - 3, middle - 6, context.measureText(text).width + 6, 12);
    context.fillStyle = colours.pause;
    context.fillText(text, left, middle + 0.5);
  }
}

// A client wears the colour of the server that it is at.
function drawStay(context, stay, middle, tall) {
  const x = xOf(stay.from_us), end = xOf(stay.to_us), number = servers.indexOf(stay.server) + 1;
  context.fillStyle = number > 0 ? serverColour(number) : colours.faint;
  const thick = Math.min(10, tall - 4);
  context.fillRect(x, middle - thick / 2, Math.max(end - x, 1), thick);
  const from = Math.max(x, GUTTER);
  if (tall >= 18 && Math.min(end, right()) - from > 30) {
    context.fillStyle = colours.panel;
    context.font = FONT.replace("11.5px", "9.5px");
    context.fillText(`at ${stay.server}`, from + 4, middle + 0.5);
    context.font = FONT;
  }
  if (stay.left !== null) {
    context.fillStyle = colours.unknown;
    context.fillRect(end - 1, middle - 7, 2.5, 14);
  }
}

function cross(context, x, middle) {
  context.strokeStyle = colours.bad;
  context.lineWidth = 3;
  context.beginPath();
  context.moveTo(x - 6, middle - 6);
  context.lineTo(x + 6, middle + 6);
  context.moveTo(x + 6, middle - 6);
  context.lineTo(x - 6, middle + 6);
  context.stroke();
}

const holds = ([from, to], at) => from <= at && at < to;

function tipOfNodes(x, y) {
  const at = timeAt(x);
  if (y < MAJORITY) {
    const without = timeline.no_majority.find((span) => holds(span, at));
    return without
      ? ["no majority of servers can exchange messages", `from ${moment(without[0])} for ${time(without[1] - without[0])}`]
      : ["a majority of servers can exchange messages"];
  }
  const tops = laneTops();
  const place = tops.findIndex((top, place) => y >= top && y < top + laneHeight(lanes[place]));
  if (place < 0) return null;
  const lane = lanes[place], lines = [lane.node];
  const death = lane.deaths.find(([died]) => Math.abs(xOf(died) - x) < 8);
  if (death) lines.push(`died at ${moment(death[0])}: ${death[1]}`);
  const up = lane.up.find((span) => holds(span, at)), paused = lane.paused.find((span) => holds(span, at));
  if (!up) {
    const again = lane.up.find(([from]) => from > at);
    lines.push(again ? `down, runs again at ${moment(again[0])}` : "down");
  } else if (paused) {
    lines.push(`paused from ${moment(paused[0])} for ${time(paused[1] - paused[0])}`);
  } else {
    lines.push("up");
  }
  for (const lead of lane.leads.filter((lead) => holds([lead.from_us, lead.to_us], at))) {
    lines.push(`leads with ballot ${lead.ballot} from ${moment(lead.from_us)} for ${time(lead.to_us - lead.from_us)}`);
    if (lead.superseded_us !== null && lead.superseded_us <= at) lines.push("another leads by now, with a higher ballot");
  }
  const stay = lane.joined.findLast((stay) => stay.from_us <= at);
  if (stay && at < stay.to_us) lines.push(`at ${stay.server} since ${moment(stay.from_us)}`);
  if (stay && stay.left !== null && Math.abs(xOf(stay.to_us) - x) < 8) lines.push(`leaves ${stay.server}: ${stay.left}`);
  if (lane.sessions > 1) lines.push(`${lane.sessions} sessions`);
  return lines;
}

function addNodes() {
  addChart({
    id: "nodes", name: "Nodes", draw: drawNodes, tip: tipOfNodes,
    height: () => MAJORITY + 8 + lanes.reduce((sum, lane) => sum + laneHeight(lane), 0),
  });
}

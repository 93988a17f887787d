// Messages, from where they were sent to where they arrived or were lost.

const messageShown = (message) => filter.visible[message.sent] || (message.ended !== null && filter.visible[message.ended]);

// Where a message begins and ends in the picture.
function arrow(message) {
  const x1 = pxOf(message.sent), y1 = centreOf(message.sent);
  if (message.ended !== null) {
    const receiver = message.fate === "dropped" ? lanes.headOf.get(message.receiver) : null;
    const y2 = receiver ? (y1 + receiver.y + receiver.height / 2) / 2 : centreOf(message.ended);
    return [x1, y1, Math.max(pxOf(message.ended), x1 + 1), y2];
  }
  const receiver = lanes.headOf.get(message.receiver);
  return [x1, y1, x1 + 30, receiver ? y1 + Math.sign(receiver.y - y1) * 24 : y1];
}

// Where many arrows are in view, they are faint and without heads: what counts then is where there are many.
const ARROWS_CLEAR = 300;

function drawMessages(pen) {
  const seen = new Set(), arrows = [];
  for (const message of run.messages) {
    if (!messageShown(message)) continue;
    const [x1, y1, x2, y2] = arrow(message);
    if (x2 < 0 || x1 > view.width || (y1 < view.top && y2 < view.top) || Math.min(y1, y2) > view.top + view.height) continue;
    const key = ((Math.round(x1) * 4096 + Math.round(x2)) * 2048 + (y1 % 2048)) * 2048 + (y2 % 2048) + (message.fate === "dropped" ? 0.25 : 0);
    if (seen.has(key)) continue;
    seen.add(key);
    arrows.push([x1, y1, x2, y2, message.fate]);
  }
  drawnArrows = arrows.length;
  const clear = arrows.length < ARROWS_CLEAR, alpha = clear ? 0.75 : Math.max(0.12, (0.6 * ARROWS_CLEAR) / arrows.length);
  for (const each of arrows) drawArrow(pen, ...each, clear, alpha);
}

function drawArrow(pen, x1, y1, x2, y2, fate, clear, alpha) {
  const lost = fate === "dropped";
  pen.strokeStyle = pen.fillStyle = lost ? colours.faults : colours.messages;
  pen.globalAlpha = lost ? 0.75 : alpha;
  pen.setLineDash(fate === "delivered" ? [] : [4, 3]);
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
  if (lost) drawCross(pen, x2, y2, 4);
  else if (clear) drawHead(pen, x2, y2, Math.atan2(y2 - y1, x2 - x1));
}

function drawHead(pen, x, y, angle) {
  pen.beginPath();
  pen.moveTo(x, y);
  for (const side of [-0.4, 0.4]) pen.lineTo(x - 8 * Math.cos(angle + side), y - 8 * Math.sin(angle + side));
  pen.fill();
}

function drawCross(pen, x, y, size) {
  pen.lineWidth = 2;
  pen.beginPath();
  pen.moveTo(x - size, y - size);
  pen.lineTo(x + size, y + size);
  pen.moveTo(x + size, y - size);
  pen.lineTo(x - size, y + size);
  pen.stroke();
  pen.lineWidth = 1;
}

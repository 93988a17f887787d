// What lasts: tasks, operations, and the stretches in which a host is not up.

function drawRow(pen, row) {
  for (const span of run.spans) if (span.host === row.host) drawSpan(pen, row, span);
  if (row.kind === "task") for (const task of row.tasks) drawTask(pen, row, task);
  if (row.kind === "client") for (const operation of row.operations) drawOperation(pen, row, operation);
}

// Runs from a to b, cut to what is in view; null when it is outside.
function stretch(a, b, smallest = 1) {
  const left = Math.max(pxOf(a), -4), right = Math.min(Math.max(pxOf(b), pxOf(a) + smallest), view.width + 4);
  return right < 0 || left > view.width ? null : [left, right - left];
}

function drawSpan(pen, row, span) {
  const at = stretch(span.first, span.last, 2);
  if (!at) return;
  pen.save();
  pen.fillStyle = colours[span.state];
  pen.fillRect(at[0], row.y, at[1], row.height);
  pen.beginPath();
  pen.rect(at[0], row.y, at[1], row.height);
  pen.clip();
  pen.strokeStyle = colours["line-strong"];
  pen.globalAlpha = 0.55;
  pen.lineWidth = 1;
  pen.beginPath();
  for (let x = at[0] - (at[0] % 8) - row.height; x < at[0] + at[1]; x += 8) {
    pen.moveTo(x, row.y + row.height);
    pen.lineTo(x + row.height, row.y);
  }
  pen.stroke();
  pen.globalAlpha = 1;
  if (row.kind === "head" && at[1] > 50) label(pen, span.state, at[0] + 6, row.y + row.height / 2, at[1] - 10, colours.ink);
  pen.restore();
}

function label(pen, text, x, y, width, colour) {
  const room = Math.floor(width / 5.6);
  if (room < 3) return;
  pen.fillStyle = colour;
  pen.textAlign = "left";
  pen.fillText(text.length > room ? `${text.slice(0, room - 1)}…` : text, x, y, width);
}

function drawTask(pen, row, task) {
  const at = stretch(task.first, task.last, 3);
  if (!at) return;
  const own = selection.index >= 0 && run.task[selection.index] === task.serial;
  pen.fillStyle = colours.task;
  pen.beginPath();
  pen.roundRect(at[0], row.y + 2.5, at[1], row.height - 5, 3);
  pen.fill();
  if (own) { pen.strokeStyle = colours.accent; pen.lineWidth = 1; pen.stroke(); }
}

// Its name, over the ticks of its steps, which it must not be mixed up with.
function nameTask(pen, row, task) {
  const at = stretch(task.first, task.last, 3);
  if (!at || at[1] <= 44) return;
  const left = Math.max(at[0], 0) + 7, name = shortName(task.serial), room = at[0] + at[1] - left - 5, y = row.y + row.height / 2;
  pen.fillStyle = colours.task;
  pen.fillRect(left - 3, row.y + 4, Math.min(room, pen.measureText(name).width) + 6, row.height - 8);
  label(pen, name, left, y, room, colours["ink-soft"]);
}

const OUTCOME_EDGES = { ok: "operations", fail: "hosts", info: "story" };

function drawOperation(pen, row, operation) {
  const at = stretch(operation.invoked, operation.ended ?? run.count - 1, 4);
  if (!at || !filter.visible[operation.invoked]) return;
  pen.fillStyle = colours[`op-${operation.outcome}`];
  pen.beginPath();
  pen.roundRect(at[0], row.y + 2.5, at[1], row.height - 5, 4);
  pen.fill();
  pen.strokeStyle = at[1] > 6 ? colours[OUTCOME_EDGES[operation.outcome]] : colours.paper;
  pen.globalAlpha = 0.6;
  pen.lineWidth = 1;
  pen.setLineDash(operation.ended === null ? [3, 3] : []);
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
  const text = `${operation.name} ${operation.outcome === "ok" ? "" : `${operation.outcome} `}${operation.asked} ⇒ ${operation.result}`;
  if (at[1] > 30) label(pen, text, Math.max(at[0], 0) + 7, row.y + row.height / 2, at[1] - 12, colours.ink);
}

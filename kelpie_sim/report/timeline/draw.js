// The picture: lanes, life of tasks, operations, messages and records. Only what is in view is drawn, and of records
// that fall on the same pixel of a lane only one, so that a hundred thousand of them cost no more than what can be seen.

const base = document.getElementById("base"), over = document.getElementById("over");
const colours = {};
const FAULT = CATEGORIES.indexOf("faults"), STORY = CATEGORIES.indexOf("story"), MARK = CATEGORIES.indexOf("marks");
const QUIET = new Set(["steps", "births", "run", "other"].map((name) => CATEGORIES.indexOf(name)));
const layers = [[], [], []];
for (let i = 0; i < run.count; i++) layers[run.category[i] === FAULT ? 2 : QUIET.has(run.category[i]) ? 0 : 1].push(i);
const flags = [...layers[1].filter((i) => [STORY, MARK].includes(run.category[i])), ...layers[2]].sort((a, b) => a - b);
let drawnArrows = 0, drawMs = 0;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["paper", "raised", "sunken", "line", "line-strong", "ink", "ink-soft", "ink-faint", "accent", "match", "bad",
    "op-ok", "op-fail", "op-info", "task", "down", "paused", "sans", ...CATEGORIES])
    colours[name] = style.getPropertyValue(`--${name}`).trim();
}

function context(canvas) {
  const ratio = window.devicePixelRatio || 1, pen = canvas.getContext("2d");
  const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  pen.font = `11px ${colours.sans}`;
  pen.textBaseline = "middle";
  return pen;
}

function draw() {
  const started = performance.now(), pen = context(base), rows = rowsInView();
  const marks = ticks();
  drawGround(pen, rows, marks);
  pen.save();
  pen.beginPath();
  pen.rect(0, AXIS_HEIGHT, view.width, view.height - AXIS_HEIGHT);
  pen.clip();
  pen.translate(0, -view.top);
  for (const row of rows) drawRow(pen, row);
  drawFaultLines(pen);
  drawMessages(pen);
  drawRecords(pen, layers[0], 0);
  for (const row of rows) if (row.kind === "task") for (const task of row.tasks) nameTask(pen, row, task);
  drawRecords(pen, layers[1], 1);
  drawRecords(pen, layers[2], 2);
  drawFlags(pen);
  pen.restore();
  drawAxis(pen, marks);
  drawMs = performance.now() - started;
}

const rowsInView = () => lanes.rows.filter((row) => row.y + row.height > view.top + AXIS_HEIGHT && row.y < view.top + view.height);

function drawGround(pen, rows, marks) {
  pen.fillStyle = colours.paper;
  pen.fillRect(0, 0, view.width, view.height);
  for (const row of rows) {
    const y = row.y - view.top;
    if (row.kind === "head") { pen.fillStyle = colours.sunken; pen.fillRect(0, y, view.width, row.height); }
    pen.fillStyle = colours.line;
    pen.fillRect(0, y + row.height - 0.5, view.width, 0.5);
  }
  pen.fillStyle = colours.line;
  for (const mark of marks) pen.fillRect(Math.round(mark.x), AXIS_HEIGHT, 0.5, view.height);
}

function drawAxis(pen, marks) {
  pen.fillStyle = colours.raised;
  pen.fillRect(0, 0, view.width, AXIS_HEIGHT);
  pen.fillStyle = colours.line;
  pen.fillRect(0, AXIS_HEIGHT - 1, view.width, 1);
  pen.fillStyle = colours["ink-soft"];
  pen.textAlign = "left";
  for (const mark of marks) {
    pen.fillRect(Math.round(mark.x), AXIS_HEIGHT - 8, 1, 8);
    pen.fillText(mark.text, mark.x + 4, AXIS_HEIGHT / 2 - 1);
  }
}

function drawFaultLines(pen) {
  const inView = layers[2].filter((i) => filter.visible[i] && pxOf(i) >= 0 && pxOf(i) <= view.width);
  pen.strokeStyle = colours.faults;
  pen.lineWidth = 1;
  pen.globalAlpha = inView.length < 80 ? 0.35 : 0.1;
  pen.setLineDash([2, 4]);
  pen.beginPath();
  let before = -2;
  for (const i of inView) {
    const x = pxOf(i);
    if (x - before < 1) continue;
    pen.moveTo(x, AXIS_HEIGHT);
    pen.lineTo(x, lanes.height);
    before = x;
  }
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
  if (run.failed === null || pxOf(run.failed) < 0 || pxOf(run.failed) > view.width) return;
  pen.fillStyle = colours.bad;
  pen.fillRect(pxOf(run.failed) - 1, 0, 2, lanes.height + view.height);
}

// What is selected and what the pointer is on, over the picture.
function drawOver() {
  const pen = context(over), i = selection.index;
  if (selection.hover >= 0 && selection.hover !== i) ring(pen, selection.hover, colours["ink-faint"]);
  if (i < 0) return;
  const x = pxOf(i);
  pen.fillStyle = colours.accent;
  pen.fillRect(Math.round(x), 0, 1, view.height);
  const message = run.messageAt.get(i);
  if (message) {
    const [x1, y1, x2, y2] = arrow(message);
    pen.strokeStyle = colours.accent;
    pen.lineWidth = 2.5;
    pen.beginPath();
    pen.moveTo(x1, y1 - view.top);
    pen.lineTo(x2, y2 - view.top);
    pen.stroke();
  }
  ring(pen, i, colours.accent);
}

function ring(pen, i, colour) {
  const y = centreOf(i) - view.top;
  if (y < AXIS_HEIGHT) return;
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.arc(pxOf(i), y, 8, 0, 7);
  pen.stroke();
}

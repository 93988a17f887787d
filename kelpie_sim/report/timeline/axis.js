// Where a record lies from left to right, and which stretch of the run is in view.
// Three axes: a place per record, virtual time to scale, and virtual time with its idle stretches squeezed.

const SQUEEZE_PER_DECADE = 3; // places that each further power of ten of idle microseconds takes

const places = {};
const view = { axis: "squeezed", x: placesOf("squeezed"), from: 0, to: 1, top: 0, width: 1, height: 1 };

function placesOf(axis) {
  if (places[axis]) return places[axis];
  const x = new Float64Array(run.count);
  for (let i = 0; i < run.count; i++) {
    const idle = i ? run.time[i] - run.time[i - 1] : 0;
    if (axis === "order") x[i] = i;
    else if (axis === "time") x[i] = run.time[i];
    else x[i] = i ? x[i - 1] + 1 + (idle > 0 ? SQUEEZE_PER_DECADE * Math.log10(1 + idle / 1e3) : 0) : 0;
  }
  return (places[axis] = x);
}

const extent = () => Math.max(1, view.x[run.count - 1] ?? 0);
const px = (x) => ((x - view.from) / (view.to - view.from)) * view.width;
const pxOf = (i) => px(view.x[i]);
const xAt = (pixel) => view.from + (pixel / view.width) * (view.to - view.from);

// The first record at or right of x.
function recordFrom(x) {
  let low = 0, high = run.count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (view.x[middle] < x) low = middle + 1; else high = middle;
  }
  return low;
}

function setView(from, to) {
  const margin = extent() * 0.02, smallest = view.axis === "time" ? 100 : 6;
  const width = Math.min(Math.max(to - from, smallest), extent() + 2 * margin);
  const start = Math.min(Math.max(from, -margin), extent() + margin - width);
  view.from = start;
  view.to = start + width;
}

function fitView() {
  setView(-Infinity, Infinity);
  const margin = extent() * 0.02;
  view.from = -margin;
  view.to = extent() + margin;
}

function zoomView(factor, pixel = view.width / 2) {
  const x = xAt(pixel), width = (view.to - view.from) * factor;
  setView(x - (pixel / view.width) * width, x + (1 - pixel / view.width) * width);
}

function panView(pixels) {
  const x = (pixels / view.width) * (view.to - view.from);
  setView(view.from + x, view.to + x);
}

function setAxis(axis) {
  // What was in the middle stays in the middle, with as many records around it.
  const first = recordFrom(view.from), last = Math.max(first, recordFrom(view.to) - 1);
  const whole = first === 0 && last >= run.count - 1;
  view.axis = axis;
  view.x = placesOf(axis);
  if (whole || !run.count) fitView();
  else {
    const from = view.x[first], to = view.x[Math.min(last, run.count - 1)], margin = (to - from) * 0.02;
    setView(from - margin, to + margin);
  }
}

// Bring a record into view: as little movement as shows it, across and down.
function revealAcross(i) {
  const x = view.x[i], width = view.to - view.from, margin = width * 0.04;
  if (x < view.from + margin || x > view.to - margin) setView(x - width / 2, x + width / 2);
}

function revealDown(i) {
  const row = lanes.rows[lanes.rowOf[i]], room = view.height - row.height - 12;
  if (row.y - view.top < AXIS_HEIGHT + 4) view.top = row.y - AXIS_HEIGHT - 4;
  else if (row.y - view.top > room) view.top = row.y - room;
  clampTop();
}

function clampTop() {
  view.top = Math.max(0, Math.min(view.top, lanes.height - view.height + 12));
}

// The marks of the axis: where, and what is written there.
function ticks() {
  return view.axis === "time" ? evenTicks() : recordTicks();
}

function evenTicks() {
  const wanted = ((view.to - view.from) / view.width) * 120, power = 10 ** Math.floor(Math.log10(wanted));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= wanted) ?? 10), marks = [];
  const digits = Math.max(0, Math.min(9, 9 - Math.floor(Math.log10(step))));
  for (let x = Math.max(0, Math.ceil(view.from / step) * step); x <= Math.min(view.to, extent()); x += step)
    marks.push({ x: px(x), text: `${(x / 1e9).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })} s` });
  return marks;
}

function recordTicks() {
  const marks = [];
  let free = -Infinity, before = null;
  for (let pixel = 0; pixel < view.width; pixel += 24) {
    const i = recordFrom(xAt(pixel));
    if (i >= run.count || i === before) continue;
    const at = pxOf(i);
    if (at < free || at > view.width - 40) continue;
    marks.push({ x: at, text: view.axis === "order" ? `#${i.toLocaleString("en")} · ${timeText(i, 3)} s` : `${timeText(i, 6)} s` });
    free = at + (view.axis === "order" ? 150 : 130);
    before = i;
  }
  return marks;
}

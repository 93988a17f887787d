// What the reader does: pointer, wheel, keys, buttons.

const changes = { list: true, scroll: false };
let frame = 0;

// Draw once per frame, however much has changed.
function refresh({ list: alsoList = false } = {}) {
  changes.list ||= alsoList;
  frame ||= requestAnimationFrame(paint);
}

function paint() {
  frame = 0;
  view.width = base.clientWidth;
  view.height = base.clientHeight;
  clampTop();
  draw();
  drawOver();
  drawOverview();
  showLabels();
  if (changes.list) { showList(); showWhere(); showFound(); }
  changes.list = changes.scroll = false;
  writePlace();
}

function select(i, { across = true, down = true } = {}) {
  if (i < 0 || i >= run.count) return;
  selection.index = i;
  if (across) revealAcross(i);
  if (down) revealDown(i);
  showDetails();
  changes.scroll = true;
  refresh({ list: true });
}

function unselect() {
  selection.index = -1;
  showDetails();
  refresh({ list: true });
}

function fold(group) {
  group.collapsed = !group.collapsed;
  layLanes();
  refresh();
}

const step = (forward) => select(neighbour(filter.shown, selection.index, forward));
const stepMatch = (forward) => {
  const next = neighbour(filter.matches, selection.index, forward);
  select(next >= 0 ? next : forward ? filter.matches[0] ?? -1 : filter.matches[filter.matches.length - 1] ?? -1);
};

function toFailure() {
  if (run.failed === null) return;
  if (!filter.visible[run.failed]) clearFilter();
  select(run.failed);
}

function clearFilter() {
  filter.hidden.clear();
  filter.host = "";
  filter.only = false;
  applyFilter();
}

function applyFilter() {
  search();
  for (const button of byId("kinds").children) button.setAttribute("aria-pressed", String(!filter.hidden.has(button.dataset.kind)));
  byId("host").value = filter.host;
  byId("only").setAttribute("aria-pressed", String(filter.only));
  if (byId("search").value !== filter.query) byId("search").value = filter.query;
  refresh({ list: true });
}

function useAxis(axis) {
  setAxis(axis);
  for (const button of byId("axes").children) button.setAttribute("aria-pressed", String(button.dataset.axis === axis));
  refresh();
}

function unfold() {
  lanes.unfolded = !lanes.unfolded;
  byId("unfold").setAttribute("aria-pressed", String(lanes.unfolded));
  layLanes();
  refresh();
}

// --- pointer

function recordAt(x, y) {
  const row = y > AXIS_HEIGHT ? rowAt(y + view.top) : null;
  if (!row) return -1;
  let best = -1, nearest = 9;
  for (let i = recordFrom(xAt(x - 9)); i < run.count && pxOf(i) <= x + 9; i++) {
    if (lanes.rowOf[i] !== row.index || !filter.visible[i]) continue;
    const away = Math.abs(pxOf(i) - x) - (QUIET.has(run.category[i]) ? 0 : 3);
    if (away < nearest) { nearest = away; best = i; }
  }
  if (best >= 0) return best;
  if (row.kind === "client") return row.operations.find((o) => pxOf(o.invoked) <= x && x <= pxOf(o.ended ?? run.count - 1))?.invoked ?? -1;
  return messageAtPoint(x, y);
}

function messageAtPoint(x, y) {
  let best = -1, nearest = 5;
  for (const message of run.messages) {
    if (!messageShown(message)) continue;
    const [x1, y1, x2, y2] = arrow(message), top = y + view.top;
    if (x < x1 - 5 || x > x2 + 5) continue;
    const away = Math.abs((y2 - y1) * x - (x2 - x1) * top + x2 * y1 - y2 * x1) / Math.hypot(y2 - y1, x2 - x1);
    if (away < nearest) { nearest = away; best = message.sent; }
  }
  return best;
}

const pointOf = (event) => { const box = over.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };

function showTip(i, x, y) {
  const tip = byId("tip");
  tip.hidden = i < 0;
  if (i < 0) return;
  tip.replaceChildren(element("b", { textContent: kindOf(i) }), ` ${timeText(i, 6)} s`, element("div", { className: "text", textContent: textOf(i).slice(0, 400) }));
  tip.style.left = `${Math.max(4, Math.min(x + 14, view.width - tip.offsetWidth - 6))}px`;
  tip.style.top = `${y + 16 + tip.offsetHeight > view.height ? y - tip.offsetHeight - 10 : y + 16}px`;
}

function listenToPointer() {
  let drag = null;
  over.addEventListener("pointerdown", (event) => { drag = { at: pointOf(event), moved: false }; over.setPointerCapture(event.pointerId); });
  over.addEventListener("pointermove", (event) => {
    const [x, y] = pointOf(event);
    if (drag) {
      const [before, above] = drag.at;
      drag.moved ||= Math.hypot(x - before, y - above) > 3;
      if (!drag.moved) return;
      over.classList.add("dragging");
      panView(before - x);
      view.top += above - y;
      drag.at = [x, y];
      refresh();
      return;
    }
    const hover = recordAt(x, y);
    if (hover !== selection.hover) { selection.hover = hover; drawOver(); }
    showTip(hover, x, y);
  });
  over.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) select(recordAt(...pointOf(event)), { across: false, down: false });
    drag = null;
    over.classList.remove("dragging");
  });
  over.addEventListener("pointerleave", () => { selection.hover = -1; showTip(-1); drawOver(); });
  for (const target of [over, byId("labels")]) target.addEventListener("wheel", (event) => turn(event, target === over), { passive: false });
}

function turn(event, zooms) {
  event.preventDefault();
  const unit = event.deltaMode === 1 ? 16 : 1;
  if (!zooms || event.shiftKey) view.top += (event.deltaY || event.deltaX) * unit;
  else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) panView(event.deltaX * unit);
  else zoomView(1.0016 ** (event.deltaY * unit), pointOf(event)[0]);
  refresh();
}

function listenToOverview() {
  const move = (event) => { const half = (view.to - view.from) / 2, x = miniX(event); setView(x - half, x + half); refresh(); };
  mini.addEventListener("pointerdown", (event) => { mini.setPointerCapture(event.pointerId); move(event); });
  mini.addEventListener("pointermove", (event) => { if (event.buttons) move(event); });
}

// --- keys

const KEYS = {
  ArrowRight: () => step(true), ArrowLeft: () => step(false),
  ArrowDown: () => select(sameTask(selection.index, true)), ArrowUp: () => select(sameTask(selection.index, false)),
  Home: () => select(filter.shown[0] ?? -1), End: () => select(filter.shown[filter.shown.length - 1] ?? -1),
  "]": () => select(nearestOf("faults", selection.index, true)), "[": () => select(nearestOf("faults", selection.index, false)),
  f: toFailure, n: () => stepMatch(true), N: () => stepMatch(false), "/": () => byId("search").focus(),
  "+": () => scale(1 / 1.5), "=": () => scale(1 / 1.5), "-": () => scale(1.5), 0: () => { fitView(); refresh(); },
  a: () => { panView(-view.width / 4); refresh(); }, d: () => { panView(view.width / 4); refresh(); },
  Escape: unselect, w: () => { view.top -= 80; refresh(); }, s: () => { view.top += 80; refresh(); },
  1: () => useAxis("order"), 2: () => useAxis("time"), 3: () => useAxis("squeezed"), u: unfold, "?": () => byId("help").showModal(),
};

// Around what is selected, if it is in view.
function scale(factor) {
  const at = selection.index < 0 ? -1 : pxOf(selection.index);
  zoomView(factor, at >= 0 && at <= view.width ? at : view.width / 2);
  refresh();
}

function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    const within = event.target.closest?.("input, select");
    if (within || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  byId("search").addEventListener("keydown", (event) => {
    if (event.key === "Enter") stepMatch(!event.shiftKey);
    else if (event.key === "Escape") { if (event.target.value) { filter.query = ""; applyFilter(); } else over.focus(); }
  });
}

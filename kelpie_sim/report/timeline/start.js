// The page comes to life: head, buttons, the place in the address, and what tests may read.

function showHead() {
  document.title = `${run.scenario} · seed ${run.seed}`;
  byId("title").append(run.scenario, element("span", { textContent: `  seed ${run.seed}` }));
  const verdict = element("span", { className: `chip verdict ${run.finding ? "failed" : "passed"}`, textContent: run.finding ? `failed: ${run.finding.kind}` : "went well" });
  const fired = run.faults.filter(([, , count]) => count).map(([kind, , count]) => `${kind} ${count}`);
  const facts = [[run.count.toLocaleString("en"), "records"], [run.steps.toLocaleString("en"), "steps"], [spanText(run.virtual_ns), "of virtual time"],
    [run.messages.length.toLocaleString("en"), "messages"], [run.operations.length.toLocaleString("en"), "operations"], [fired.join(", ") || "none", "faults fired"]];
  byId("facts").append(verdict, ...facts.map(([value, name]) => element("span", {}, element("b", { textContent: value }), ` ${name}`)),
    element("span", { textContent: `Python ${run.python}`, title: `digest ${run.digest}` }));
  if (!run.finding) return;
  byId("finding").hidden = false;
  byId("finding").querySelector(".message").textContent = run.finding.message;
  byId("finding").querySelector(".command").textContent = run.reproduce;
}

function showTools() {
  const counts = new Map();
  for (let i = 0; i < run.count; i++) counts.set(categoryOf(i), (counts.get(categoryOf(i)) ?? 0) + 1);
  for (const kind of CATEGORIES.filter((name) => counts.has(name))) {
    const button = element("button", { type: "button", className: "kind", title: `Show or hide ${kind}` }, element("i"), kind, element("small", { textContent: counts.get(kind).toLocaleString("en") }));
    button.dataset.kind = kind;
    button.setAttribute("style", `--colour: var(--${kind})`);
    button.addEventListener("click", () => { if (!filter.hidden.delete(kind)) filter.hidden.add(kind); applyFilter(); });
    byId("kinds").append(button);
  }
  byId("host").append(element("option", { value: "", textContent: "all" }), ...lanes.groups.filter((group) => group.kind === "host").map((group) => element("option", { value: String(group.host), textContent: group.title })));
  showLegend();
}

function showLegend() {
  const rows = [["steps", "a task ran one step (thin line)"], ["births", "a task was started (dot)"], ["messages", "an arrow from host to host; dashed with a cross: dropped"],
    ["operations", "a bar from the question to the answer: green ok, amber failed, violet nobody knows"], ["faults", "a diamond, and a dotted line through all lanes"],
    ["hosts", "a triangle: start, crash, pause; the hatched stretch: down or paused"], ["story", "what the scenario told"], ["marks", "sometimes-points and buggify sites"], ["disk", "what was done to a disk"], ["other", "records of the program itself"]];
  for (const [kind, text] of rows) {
    const swatch = element("span", { className: "chip", textContent: kind });
    swatch.style.borderColor = swatch.style.color = `var(--${kind})`;
    byId("legend").append(element("dt", {}, swatch), element("dd", { textContent: text }));
  }
}

function listenToTools() {
  const click = (id, action) => byId(id).addEventListener("click", action);
  click("to-failure", toFailure);
  click("find-next", () => stepMatch(true));
  click("find-back", () => stepMatch(false));
  click("only", () => { filter.only = !filter.only; applyFilter(); });
  click("zoom-in", () => scale(1 / 1.5));
  click("zoom-out", () => scale(1.5));
  click("fit", KEYS[0]);
  click("unfold", unfold);
  click("first", KEYS.Home);
  click("last", KEYS.End);
  click("back", KEYS.ArrowLeft);
  click("forth", KEYS.ArrowRight);
  click("task-back", KEYS.ArrowUp);
  click("task-forth", KEYS.ArrowDown);
  click("help-open", KEYS["?"]);
  for (const button of byId("axes").children) button.addEventListener("click", () => useAxis(button.dataset.axis));
  byId("search").addEventListener("input", (event) => { filter.query = event.target.value; applyFilter(); });
  byId("host").addEventListener("change", (event) => { filter.host = event.target.value; applyFilter(); });
  list.addEventListener("scroll", () => refresh({ list: true }));
  list.addEventListener("click", (event) => select(Number(event.target.closest(".row")?.dataset.record ?? -1)));
  new ResizeObserver(() => refresh({ list: true })).observe(base);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); refresh(); });
  addEventListener("hashchange", () => { if (location.hash !== written) readPlace(); });
}

// --- the place in the address: #r=17&axis=order&from=0&to=40&q=crash&hide=steps,births&host=1

let written = "", writing = 0;

function writePlace() {
  clearTimeout(writing);
  writing = setTimeout(() => {
    const place = new URLSearchParams();
    if (selection.index >= 0) place.set("r", selection.index);
    place.set("axis", view.axis);
    place.set("from", +view.from.toPrecision(12));
    place.set("to", +view.to.toPrecision(12));
    if (filter.query) place.set("q", filter.query);
    if (filter.only) place.set("only", 1);
    if (filter.hidden.size) place.set("hide", [...filter.hidden].join(","));
    if (filter.host !== "") place.set("host", filter.host);
    written = `#${place}`;
    history.replaceState(null, "", written);
  }, 120);
}

function readPlace() {
  const place = new URLSearchParams(location.hash.slice(1));
  filter.query = place.get("q") ?? "";
  filter.only = place.has("only");
  filter.hidden = new Set((place.get("hide") ?? "").split(",").filter((name) => CATEGORIES.includes(name)));
  filter.host = place.get("host") ?? "";
  applyFilter();
  fitView();
  const axis = place.get("axis");
  useAxis(["order", "time", "squeezed"].includes(axis) ? axis : "squeezed");
  if (place.has("from") && place.has("to")) setView(Number(place.get("from")), Number(place.get("to")));
  const i = place.has("r") ? Number(place.get("r")) : run.failed ?? -1;
  if (Number.isInteger(i) && i >= 0 && i < run.count) select(i, { across: place.has("r") && !place.has("from"), down: place.has("r") });
  else { showDetails(); refresh({ list: true }); }
}

function expose() {
  const reader = {
    get records() { return run.count; },
    get visible() { return filter.shown.length; },
    get messages() { return run.messages.filter(messageShown).length; },
    get arrowsDrawn() { return drawnArrows; },
    get dropped() { return run.messages.filter((message) => message.fate === "dropped").length; },
    get operations() { return run.operations.length; },
    get faults() { return layers[2].length; },
    get lanes() { return lanes.rows.map((row) => `${row.kind} ${row.label}`); },
    get matches() { return Array.from(filter.matches); },
    get selected() { return selection.index; },
    get failed() { return run.failed; },
    get axis() { return view.axis; },
    get view() { return [view.from, view.to]; },
    get drawMs() { return drawMs; },
    record: (i) => ({ kind: kindOf(i), time: timeText(i), task: run.task[i], host: hostName(run.host[i]), text: textOf(i) }),
    place: (i) => ({ x: pxOf(i), y: centreOf(i) - view.top }),
  };
  Object.defineProperty(window, "timeline", { value: Object.freeze(reader) });
}

function start() {
  readColours();
  lanes.groups = makeGroups();
  layLanes();
  view.width = base.clientWidth;
  view.height = base.clientHeight;
  showHead();
  showTools();
  listenToTools();
  listenToPointer();
  listenToOverview();
  listenToKeys();
  readPlace();
  expose();
}

start();

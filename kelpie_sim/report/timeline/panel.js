// The panel beside the picture: the selected record in full, and the list of records around it.

const selection = { index: -1, hover: -1 };
const ROW_HEIGHT = 22;
const byId = (id) => document.getElementById(id);
const details = byId("details"), list = byId("list");

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const colourOf = (i) => `--colour: var(--${categoryOf(i)})`;

function goTo(i, text) {
  const button = element("button", { className: "go", type: "button", textContent: text ?? `#${i}` });
  button.addEventListener("click", () => select(i));
  return button;
}

function showDetails() {
  const i = selection.index;
  if (i < 0) {
    details.replaceChildren(...summary());
    return;
  }
  const head = element("h2", {}, element("i"), kindOf(i));
  head.setAttribute("style", colourOf(i));
  details.replaceChildren(head, ...failure(i), facts(i), ...related(i), ...fieldList(i));
  details.scrollTop = 0;
}

// Of the run as a whole, while no record is selected.
function summary() {
  const faults = run.faults.map(([kind, matched, fired]) => [kind, `fired ${fired} of ${matched}`]), options = Object.entries(run.options);
  const parts = [element("h2", {}, "The run"), definitions([["again", element("code", { textContent: run.reproduce })], ["digest", element("code", { textContent: run.digest })]])];
  if (faults.length) parts.push(element("h3", { textContent: "Faults" }), definitions(faults));
  if (options.length) parts.push(element("h3", { textContent: "Options" }), definitions(options));
  parts.push(element("p", { className: "soft", textContent: "Click a record, or step through them with the arrow keys." }));
  return parts;
}

function failure(i) {
  if (i !== run.failed || !run.finding) return [];
  const box = element("div", { className: "failure" }, element("b", { textContent: "The run failed here" }),
    element("pre", { textContent: run.finding.message }));
  if (run.finding.traceback) {
    const fold = element("details", {}, element("summary", { textContent: "Traceback" }), element("pre", { textContent: run.finding.traceback }));
    box.append(fold);
  }
  return [box];
}

function definitions(pairs) {
  const made = element("dl");
  for (const [name, value] of pairs) made.append(element("dt", { textContent: name }), element("dd", {}, ...[value].flat()));
  return made;
}

function facts(i) {
  const idle = i ? run.time[i] - run.time[i - 1] : 0, task = run.tasks.get(run.task[i]);
  const pairs = [
    ["time", `${timeText(i)} s${idle > 0 ? `  (${spanText(idle)} after the one before)` : ""}`],
    ["step", run.step[i].toLocaleString("en")],
    ["host", hostName(run.host[i])],
    ["task", task ? `${taskName(task.serial)} (${task.serial}${task.host !== run.host[i] ? `, of ${hostName(task.host)}` : ""})` : "none: the loop itself"],
  ];
  if (task) pairs.push(["its life", [goTo(task.first), " to ", goTo(task.last), task.parent ? `, started by ${taskName(task.parent)}` : ""]]);
  return definitions(pairs);
}

function related(i) {
  const message = run.messageAt.get(i), operation = run.operationAt.get(i);
  if (message) {
    const pairs = [["what", message.what], ["to", message.receiver], ["sent", goTo(message.sent)]];
    if (message.ended === null) pairs.push(["then", "on its way when the run ended"]);
    else pairs.push([message.fate, [goTo(message.ended), `  after ${spanText(run.time[message.ended] - run.time[message.sent])}${message.why ? `: ${message.why}` : ""}`]]);
    return [element("h3", { textContent: "Message" }), definitions(pairs)];
  }
  if (!operation) return [];
  const pairs = [["client", operation.process], ["asked", [goTo(operation.invoked), ` ${operation.name}`]]];
  pairs.push(["arguments", pretty(operation.asked)]);
  if (operation.ended === null) pairs.push(["then", "nobody was told anything"]);
  else pairs.push([operation.outcome, [goTo(operation.ended), ` after ${spanText(run.time[operation.ended] - run.time[operation.invoked])}`]], ["result", pretty(operation.result)]);
  return [element("h3", { textContent: "Operation" }), definitions(pairs)];
}

function pretty(value) {
  let text = String(value);
  if (/^\s*[[{]/.test(text)) try { text = JSON.stringify(JSON.parse(text), null, 1); } catch { /* Not JSON: shown as it is. */ }
  return element("pre", { textContent: text });
}

function fieldList(i) {
  const fields = fieldsOf(i), names = FIELD_NAMES[kindOf(i)] ?? [];
  if (!fields.length) return [];
  return [element("h3", { textContent: "Fields" }), definitions(fields.map((field, n) => [names[n] ?? `${n + 1}`, pretty(field)]))];
}

// --- the list

function showList() {
  const shown = filter.shown, spacer = list.firstElementChild ?? list.appendChild(element("div"));
  spacer.style.height = `${shown.length * ROW_HEIGHT}px`;
  if (changes.scroll) scrollListTo(selection.index);
  const first = Math.max(0, Math.floor(list.scrollTop / ROW_HEIGHT) - 4);
  const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW_HEIGHT) + 8);
  const rows = [spacer];
  for (let n = first; n < last; n++) rows.push(listRow(shown[n], n));
  list.replaceChildren(...rows);
}

function listRow(i, n) {
  const row = element("div", { className: "row" });
  row.classList.toggle("selected", i === selection.index);
  row.classList.toggle("failed", i === run.failed);
  row.style.top = `${n * ROW_HEIGHT}px`;
  row.setAttribute("role", "listitem");
  if (i === selection.index) row.setAttribute("aria-current", "true");
  const what = element("span", { className: "what" }, element("b", { textContent: kindOf(i) }), ` ${textOf(i).slice(0, 200)}`);
  what.setAttribute("style", colourOf(i));
  row.append(element("span", { className: "time", textContent: timeText(i, 6) }), element("span", { className: "soft", textContent: hostName(run.host[i]) }), what);
  row.dataset.record = i;
  return row;
}

function scrollListTo(i) {
  const place = placeAfter(filter.shown, i - 1) * ROW_HEIGHT, room = list.clientHeight - ROW_HEIGHT;
  if (place < list.scrollTop + ROW_HEIGHT || place > list.scrollTop + room - ROW_HEIGHT) list.scrollTop = place - room / 2;
}

function showWhere() {
  const i = selection.index;
  byId("where").textContent = i < 0 ? `${filter.shown.length.toLocaleString("en")} records` : `${(i + 1).toLocaleString("en")} of ${run.count.toLocaleString("en")}`;
}

function showFound() {
  const all = filter.matches.length, at = filter.isMatch[selection.index] ? placeAfter(filter.matches, selection.index) : 0;
  byId("found").textContent = filter.query.trim() ? (all ? `${at ? `${at} of ` : ""}${all.toLocaleString("en")} found` : "none found") : "";
  for (const id of ["find-back", "find-next"]) byId(id).disabled = !all;
}

// --- the names of the lanes

function showLabels() {
  const corner = element("div", { className: "corner", textContent: "virtual time" }), rows = [corner];
  for (const row of rowsInView()) {
    const made = element("div", { className: `lane ${row.kind}`, title: row.kind === "task" ? row.tasks.slice(0, 20).map((task) => taskName(task.serial)).join(", ") : row.label });
    made.style.top = `${row.y - view.top}px`;
    made.style.height = `${row.height}px`;
    if (row.kind === "head" && row.group.kind !== "story") made.append(foldButton(row.group));
    else if (row.kind === "head") made.style.paddingLeft = "24px";
    made.append(element("span", { textContent: row.label }));
    if (row.kind === "head" && row.group.items.length) made.append(element("small", { textContent: countText(row.group) }));
    rows.push(made);
  }
  byId("labels").replaceChildren(...rows);
}

const countText = (group) => { const n = group.items.length, noun = group.kind === "clients" ? "client" : "task"; return `${n} ${noun}${n === 1 ? "" : "s"}`; };

function foldButton(group) {
  const button = element("button", { type: "button", textContent: group.collapsed ? "▸" : "▾" });
  button.setAttribute("aria-expanded", String(!group.collapsed));
  button.setAttribute("aria-label", `Lanes of ${group.title}`);
  button.addEventListener("click", () => fold(group));
  return button;
}

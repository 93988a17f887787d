// Which lane each record is drawn in. Groups of lanes: the story, the clients, then the hosts, each with its tasks.
// A task that has finished folds away: its lane goes to the next task that needs one.

const HEAD_HEIGHT = 26, TASK_HEIGHT = 19, CLIENT_HEIGHT = 24, STORY_HEIGHT = 44, AXIS_HEIGHT = 30, GROUP_GAP = 6;

const lanes = {
  groups: [],
  rows: [],
  height: 0,
  unfolded: false,
  rowOf: new Int32Array(run.count), // index into rows, by record
  taskRow: new Map(),
  operationRow: new Map(),
  headOf: new Map(), // where arrows to a host end: its head, or the lane of a client that has no tasks
};

// Put stretches into as few rows as go without overlap, in the order of their starts.
function pack(stretches, first, last) {
  const ends = [], rows = [];
  for (const stretch of stretches) {
    let row = ends.findIndex((end) => end < first(stretch));
    if (row < 0) row = ends.length;
    ends[row] = last(stretch);
    (rows[row] ??= []).push(stretch);
  }
  return rows;
}

function makeGroups() {
  const groups = [{ key: "story", title: "Story", kind: "story", collapsed: false, items: [] }];
  const byProcess = new Map();
  for (const operation of run.operations) {
    if (!byProcess.has(operation.process)) byProcess.set(operation.process, []);
    byProcess.get(operation.process).push(operation);
  }
  const byHost = run.hosts.map(() => []);
  for (const task of run.tasks.values()) byHost[task.host].push(task);
  const isHost = (name) => byHost[run.hosts.indexOf(name)]?.length > 0;
  // A client that runs on a host of its own has its operations there.
  const apart = [...byProcess].filter(([process]) => !isHost(process));
  if (apart.length) groups.push({ key: "clients", title: "Clients", kind: "clients", collapsed: false, items: apart });
  const used = new Set(run.host);
  run.hosts.forEach((name, host) => {
    if (!used.has(host) || (byProcess.has(name) && !isHost(name))) return;
    const items = byHost[host].sort((a, b) => a.first - b.first), operations = byProcess.get(name) ?? [];
    groups.push({ key: `host ${name}`, title: hostName(host), kind: "host", host, collapsed: false, items, operations });
  });
  return groups;
}

function layLanes() {
  lanes.rows = [];
  lanes.taskRow.clear();
  lanes.operationRow.clear();
  lanes.headOf.clear();
  let y = AXIS_HEIGHT;
  const add = (row) => { row.y = y; row.index = lanes.rows.length; lanes.rows.push(row); y += row.height; return row; };
  for (const group of lanes.groups) {
    const height = group.kind === "story" ? STORY_HEIGHT : HEAD_HEIGHT;
    group.head = add({ group, kind: "head", label: group.title, height, host: group.host });
    if (group.host !== undefined) lanes.headOf.set(run.hosts[group.host], group.head);
    if (!group.collapsed) addRows(group, add);
    y += GROUP_GAP;
  }
  lanes.height = y;
  placeRecords();
}

function addRows(group, add) {
  if (group.kind === "clients") {
    for (const [process, operations] of group.items) lanes.headOf.set(process, addOperations(group, process, operations, add));
  } else if (group.kind === "host") {
    if (group.operations.length) addOperations(group, "operations", group.operations, add);
    const rows = lanes.unfolded ? group.items.map((task) => [task]) : pack(group.items, (t) => t.first, (t) => t.last + 1);
    for (const items of rows) {
      const label = items.length > 1 ? `${items.length} tasks` : shortName(items[0].serial);
      const row = add({ group, kind: "task", label, height: TASK_HEIGHT, tasks: items, host: group.host });
      for (const task of items) lanes.taskRow.set(task.serial, row);
    }
  }
}

function addOperations(group, name, operations, add) {
  const rows = pack(operations, (o) => o.invoked, (o) => o.ended ?? run.count);
  const added = rows.map((items, n) => add({ group, kind: "client", label: n ? "" : name, height: CLIENT_HEIGHT, operations: items, host: group.host }));
  for (const row of added) for (const operation of row.operations) lanes.operationRow.set(operation, row);
  return added[0];
}

function placeRecords() {
  const story = lanes.groups[0].head.index, clients = lanes.groups.find((group) => group.kind === "clients")?.head.index;
  const heads = run.hosts.map((name) => lanes.headOf.get(name)?.index ?? clients ?? story);
  const isStory = CATEGORIES.indexOf("story"), isOperation = CATEGORIES.indexOf("operations");
  const isHost = CATEGORIES.indexOf("hosts");
  for (let i = 0; i < run.count; i++) {
    const category = run.category[i];
    let row = heads[run.host[i]];
    if (category === isStory) row = story;
    else if (category === isOperation) row = lanes.operationRow.get(run.operationAt.get(i))?.index ?? headOfOperation(i) ?? row;
    else if (category !== isHost && run.tasks.get(run.task[i])?.host === run.host[i]) row = lanes.taskRow.get(run.task[i])?.index ?? row;
    lanes.rowOf[i] = row;
  }
}

// When its lanes are folded.
function headOfOperation(i) {
  const process = run.operationAt.get(i)?.process;
  return (lanes.headOf.get(process) ?? lanes.groups.find((group) => group.kind === "clients")?.head)?.index;
}

const centreOf = (i) => { const row = lanes.rows[lanes.rowOf[i]]; return row.y + row.height / 2; };

function rowAt(y) {
  let low = 0, high = lanes.rows.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (lanes.rows[middle].y <= y) low = middle; else high = middle - 1;
  }
  const row = lanes.rows[low];
  return row && y >= row.y && y < row.y + row.height ? row : null;
}

// The run's data, unpacked into columns that are quick to go through, and how its values are written.
// A record is one entry of the trace: a step of a task, the birth of one, or what the program and the world recorded.

const CATEGORIES = ["steps", "births", "messages", "operations", "faults", "hosts", "story", "disk", "marks", "other", "run"];
const FIELD_NAMES = {
  "net send": ["packet", "from", "to", "what", "bytes", "content", "begins"],
  "net deliver": ["packet"],
  "net drop": ["packet", "why"],
  "op invoke": ["operation", "client", "name", "arguments"],
  "op ok": ["operation", "result"],
  "op fail": ["operation", "error"],
  "op info": ["operation", "error"],
  fault: ["number", "kind", "at"],
  "host start": ["host", "life"],
  "host crash": ["host", "life"],
  "host exit": ["host", "life"],
  "host pause": ["host", "life"],
  "host resume": ["host", "life"],
  "host reformat": ["host", "life"],
  "net cut": ["from", "to", "until ns"],
  "net control": ["what", "near", "way", "far"],
  scenario: ["scenario", "options"],
  born: ["name"],
  story: ["text"],
  sometimes: ["name"],
  buggify: ["site"],
};

function unpack(data) {
  const packed = data.entries, count = packed.kind.length;
  const run = {
    ...data.run, count, hosts: data.hosts, kinds: packed.kinds, failed: data.failed,
    kind: Uint16Array.from(packed.kind), step: new Float64Array(count), task: Int32Array.from(packed.task),
    host: Uint16Array.from(packed.host), time: new Float64Array(count), seconds: new Float64Array(count),
    nanos: new Int32Array(count), category: new Uint8Array(count), fields: packed.fields,
  };
  const categories = packed.kinds.map(([, category]) => CATEGORIES.indexOf(category));
  let step = 0, seconds = 0, nanos = 0;
  for (let i = 0; i < count; i++) {
    run.step[i] = step += packed.step[i];
    // Kept in two parts: nanoseconds of a whole year are more than a number holds exactly.
    seconds += Math.floor(packed.time[i] / 1e9);
    nanos += ((packed.time[i] % 1e9) + 1e9) % 1e9;
    if (nanos >= 1e9) { nanos -= 1e9; seconds += 1; }
    run.seconds[i] = seconds;
    run.nanos[i] = nanos;
    run.time[i] = seconds * 1e9 + nanos;
    run.category[i] = categories[run.kind[i]];
  }
  run.tasks = new Map(data.tasks.map(([serial, name, host, first, last, parent]) =>
    [serial, { serial, name, host, first, last, parent }]));
  run.messages = data.messages.map(([sent, ended, what, bytes, fate, why, receiver, content]) =>
    ({ sent, ended, what: `${what} ${bytes} B${content ? ` ${JSON.stringify(content)}` : ""}`, fate, why, receiver }));
  run.operations = data.operations.map(([process, name, asked, invoked, ended, outcome, result]) =>
    ({ process, name, asked, invoked, ended, outcome, result }));
  run.spans = data.spans.map(([host, state, first, last]) => ({ host, state, first, last: last ?? count - 1 }));
  run.messageAt = endsOf(run.messages, (message) => [message.sent, message.ended]);
  run.operationAt = endsOf(run.operations, (operation) => [operation.invoked, operation.ended]);
  return run;
}

// Which thing begins or ends at a record.
function endsOf(things, ends) {
  const found = new Map();
  for (const thing of things)
    for (const end of ends(thing)) if (end !== null) found.set(end, thing);
  return found;
}

const run = unpack(JSON.parse(document.getElementById("run").textContent));

const kindOf = (i) => run.kinds[run.kind[i]][0];
const categoryOf = (i) => CATEGORIES[run.category[i]];
const fieldsOf = (i) => run.fields[i] ?? [];
const hostName = (host) => run.hosts[host] || "the world";

function taskName(serial) {
  const task = run.tasks.get(serial);
  if (!task) return serial ? `task ${serial}` : "the loop";
  const host = `${run.hosts[task.host]}/`;
  return task.host && task.name.startsWith(host) ? task.name.slice(host.length) : task.name;
}

// For where there is little room: the end of a dotted name tells most.
function shortName(serial) {
  const name = taskName(serial);
  if (name.length <= 28) return name;
  return name.split(".").filter((part) => part !== "<locals>").slice(-2).join(".");
}

function timeText(i, digits = 9) {
  const fraction = String(run.nanos[i]).padStart(9, "0").slice(0, digits);
  return `${run.seconds[i].toLocaleString("en")}.${fraction}`;
}

function spanText(ns) {
  if (ns < 1e3) return `${ns} ns`;
  if (ns < 1e6) return `${+(ns / 1e3).toPrecision(3)} µs`;
  if (ns < 1e9) return `${+(ns / 1e6).toPrecision(3)} ms`;
  if (ns < 60e9) return `${+(ns / 1e9).toPrecision(3)} s`;
  if (ns < 3600e9) return `${+(ns / 60e9).toPrecision(3)} min`;
  return `${+(ns / 3600e9).toPrecision(3)} h`;
}

// A record in a few words, without its kind.
function textOf(i) {
  const fields = fieldsOf(i), message = run.messageAt.get(i), operation = run.operationAt.get(i);
  switch (kindOf(i)) {
    case "net send": return `${fields[1]} → ${fields[2]}: ${message.what}`;
    case "net deliver": return message ? `${message.receiver} gets ${message.what}` : `packet ${fields[0]}`;
    case "net drop": return message ? `${message.what} to ${message.receiver}: ${message.why}` : `packet ${fields[0]}`;
    case "op invoke": return `${operation.process}: ${operation.name} ${operation.asked}`;
    case "op ok": case "op fail": case "op info":
      return operation ? `${operation.process}: ${operation.name} ${operation.result}` : fields.join(" ");
    case "fault": return `${fields[1]} at ${fields[2]}`;
    case "step": return taskName(run.task[i]);
    default: return fields.join(" ") || kindOf(i);
  }
}

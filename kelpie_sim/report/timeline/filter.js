// Which records are shown, and which of them the search finds.
// A search is words that must all be there; `kind:`, `host:` and `task:` look at that alone.

const filter = {
  hidden: new Set(),
  host: "",
  query: "",
  only: false,
  visible: new Uint8Array(run.count).fill(1),
  shown: new Int32Array(0), // the records that are shown, in order
  matches: new Int32Array(0),
  isMatch: new Uint8Array(run.count),
};
const haystacks = new Array(run.count);

function haystack(i) {
  return (haystacks[i] ??= `${kindOf(i)} ${fieldsOf(i).join(" ")} ${taskName(run.task[i])} ${hostName(run.host[i])}`.toLowerCase());
}

function testOf(word) {
  const [, key, value] = /^(kind|host|task):(.+)$/.exec(word) ?? [];
  if (key === "kind") return (i) => kindOf(i).startsWith(value) || categoryOf(i).startsWith(value);
  if (key === "host") return (i) => hostName(run.host[i]).toLowerCase() === value;
  if (key === "task") return (i) => String(run.task[i]) === value || taskName(run.task[i]).toLowerCase() === value;
  return (i) => haystack(i).includes(word);
}

function search() {
  const words = filter.query.toLowerCase().split(/\s+/).filter(Boolean), tests = words.map(testOf);
  filter.isMatch.fill(0);
  if (tests.length) for (let i = 0; i < run.count; i++) if (tests.every((test) => test(i))) filter.isMatch[i] = 1;
  sift();
}

function sift() {
  const hidden = Uint8Array.from(CATEGORIES, (name) => (filter.hidden.has(name) ? 1 : 0));
  const host = filter.host === "" ? -1 : Number(filter.host), narrow = filter.only && filter.query.trim() !== "";
  const shown = [], matches = [];
  for (let i = 0; i < run.count; i++) {
    const seen = !hidden[run.category[i]] && (host < 0 || run.host[i] === host || touchesHost(i, host)) && (!narrow || filter.isMatch[i]);
    filter.visible[i] = seen ? 1 : 0;
    if (!seen) continue;
    shown.push(i);
    if (filter.isMatch[i]) matches.push(i);
  }
  filter.shown = Int32Array.from(shown);
  filter.matches = Int32Array.from(matches);
}

// A message concerns both its ends.
function touchesHost(i, host) {
  return run.messageAt.get(i)?.receiver === run.hosts[host] && kindOf(i) === "net send";
}

// The place of the first of `sorted` that comes after a record.
function placeAfter(sorted, i) {
  let low = 0, high = sorted.length;
  while (low < high) { const middle = (low + high) >> 1; if (sorted[middle] <= i) low = middle + 1; else high = middle; }
  return low;
}

// The nearest of `sorted` after (or before) a record; -1 when there is none.
function neighbour(sorted, i, forward) {
  return (forward ? sorted[placeAfter(sorted, i)] : sorted[placeAfter(sorted, i - 1) - 1]) ?? -1;
}

function sameTask(i, forward) {
  const step = forward ? 1 : -1;
  for (let j = i + step; j >= 0 && j < run.count; j += step)
    if (run.task[j] === run.task[i] && run.host[j] === run.host[i] && filter.visible[j]) return j;
  return -1;
}

function nearestOf(category, i, forward) {
  const wanted = CATEGORIES.indexOf(category), step = forward ? 1 : -1;
  for (let j = i + step; j >= 0 && j < run.count; j += step)
    if (run.category[j] === wanted && filter.visible[j]) return j;
  return -1;
}

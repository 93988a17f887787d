// Records as marks in their lanes, and in words in the lane of the story.

function drawRecords(pen, layer, depth) {
  const last = new Map(), from = xAt(-8), to = xAt(view.width + 8), apart = depth === 0 ? 1.5 : 2.5;
  let low = 0, high = layer.length;
  while (low < high) { const middle = (low + high) >> 1; if (view.x[layer[middle]] < from) low = middle + 1; else high = middle; }
  for (let n = low; n < layer.length; n++) {
    const i = layer[n], x = view.x[i];
    if (x > to) break;
    const row = lanes.rows[lanes.rowOf[i]];
    if (!filter.visible[i] || row.y > view.top + view.height || row.y + row.height < view.top) continue;
    const at = px(x), match = filter.isMatch[i], key = (row.index * 16 + run.category[i]) * 2 + match;
    if (at - (last.get(key) ?? -99) < (match ? 6 : apart)) continue;
    last.set(key, at);
    drawMarker(pen, i, at, row);
  }
}

function drawMarker(pen, i, x, row) {
  const category = CATEGORIES[run.category[i]], y = row.y + row.height / 2;
  pen.fillStyle = pen.strokeStyle = colours[category];
  switch (category) {
    case "steps": pen.fillRect(x - 0.75, y - 4, 1.5, 8); break;
    case "births": pen.beginPath(); pen.arc(x, y, 2.6, 0, 7); pen.fill(); break;
    case "faults": drawDiamond(pen, x, y, 7); break;
    case "hosts": drawTriangle(pen, x, y, kindOf(i)); break;
    case "marks": drawDiamond(pen, x, y, 4.5); break;
    case "story": pen.fillRect(x - 1, row.y + 4, 2, row.height - 8); break;
    case "operations": if (row.kind === "head") pen.fillRect(x - 1, row.y + 6, 2, row.height - 12); break; // Else it is a bar.
    default: pen.fillRect(x - 2, y - 2.5, 4, 5);
  }
  if (!filter.isMatch[i]) return;
  pen.strokeStyle = colours.match;
  pen.lineWidth = 2;
  pen.strokeRect(x - 5, y - 8, 10, 16);
  pen.lineWidth = 1;
}

function drawDiamond(pen, x, y, size) {
  pen.beginPath();
  pen.moveTo(x, y - size);
  pen.lineTo(x + size, y);
  pen.lineTo(x, y + size);
  pen.lineTo(x - size, y);
  pen.fill();
}

function drawTriangle(pen, x, y, kind) {
  const up = ["host start", "host resume"].includes(kind) ? -1 : 1;
  pen.beginPath();
  pen.moveTo(x, y + up * 5);
  pen.lineTo(x - 5, y - up * 4);
  pen.lineTo(x + 5, y - up * 4);
  pen.fill();
}

// In the story's lane: faults, marks and the story in words, where there is room for them.
function drawFlags(pen) {
  const row = lanes.groups[0].head, free = [-1, -1];
  if (row.y + row.height < view.top) return;
  for (const i of flags) {
    const x = pxOf(i);
    if (!filter.visible[i] || x < -300 || x > view.width) continue;
    const level = run.category[i] === FAULT || run.category[i] === MARK ? 0 : 1, y = row.y + 12 + level * 20;
    pen.fillStyle = colours[CATEGORIES[run.category[i]]];
    if (run.category[i] !== STORY) drawDiamond(pen, x, y, 4);
    if (x < free[level]) continue;
    const text = textOf(i), next = nextFlag(i, level), room = Math.min(260, next - x - 14);
    if (room > 30) label(pen, text, x + 7, y, room, colours[CATEGORIES[run.category[i]]]);
    free[level] = x + Math.min(room, text.length * 6) + 8;
  }
}

function nextFlag(i, level) {
  const levelOf = (j) => (run.category[j] === STORY ? 1 : 0);
  for (let n = placeAfter(flags, i); n < flags.length; n++)
    if (levelOf(flags[n]) === level && filter.visible[flags[n]]) return pxOf(flags[n]);
  return Infinity;
}

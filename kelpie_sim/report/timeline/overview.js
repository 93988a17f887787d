// The strip below: the whole run in small, the view as a window in it.

const mini = document.getElementById("mini");

function drawOverview() {
  const pen = context(mini), width = mini.clientWidth, height = mini.clientHeight;
  const columns = new Uint32Array(Math.ceil(width) + 1), place = (i) => (view.x[i] / extent()) * (width - 12) + 6;
  let most = 1;
  for (const i of filter.shown) { const n = ++columns[Math.round(place(i))]; if (n > most) most = n; }
  pen.fillStyle = colours.steps;
  columns.forEach((n, x) => { if (n) { const tall = 4 + (height - 26) * Math.sqrt(n / most); pen.fillRect(x, height - 8 - tall, 1, tall); } });
  for (const [layer, colour, top, size] of [[filter.matches, colours.match, 4, 6], [layers[2], colours.faults, 4, 9]]) {
    pen.fillStyle = colour;
    for (const i of layer) if (filter.visible[i]) pen.fillRect(place(i) - 1, top, 2, size);
  }
  if (run.failed !== null) { pen.fillStyle = colours.bad; pen.fillRect(place(run.failed) - 1, 0, 2, height); }
  const x1 = (view.from / extent()) * (width - 12) + 6, x2 = (view.to / extent()) * (width - 12) + 6;
  pen.fillStyle = colours.accent;
  pen.globalAlpha = 0.12;
  pen.fillRect(x1, 0, Math.max(3, x2 - x1), height);
  pen.globalAlpha = 1;
  pen.strokeStyle = colours.accent;
  pen.strokeRect(x1 + 0.5, 1, Math.max(3, x2 - x1), height - 2);
  if (selection.index >= 0) { pen.fillStyle = colours.accent; pen.fillRect(place(selection.index), 0, 1.5, height); }
}

const miniX = (event) => ((event.clientX - mini.getBoundingClientRect().left - 6) / (mini.clientWidth - 12)) * extent();

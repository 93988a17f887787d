"""The page at /docs: it reads /openapi.json and shows it. It is whole in itself, and asks nobody else for anything."""

CONTENT_TYPE = "text/html; charset=utf-8"
# Nothing may be loaded from anywhere but this server, whatever a name in the document says.
HEADERS = {
    "content-type": CONTENT_TYPE,
    "content-security-policy": "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Kelpie: the API</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; }
h2 { margin: 2rem 0 .3rem; border-bottom: 1px solid var(--line); }
details > :not(summary) { margin-left: 1.2rem; }
summary { cursor: pointer; padding: .15rem 0; }
code, pre, .method { font-family: ui-monospace, monospace; font-size: 13px; }
pre { background: var(--soft); padding: .6rem; overflow: auto; max-height: 30rem; }
.method { display: inline-block; width: 4.5rem; font-weight: bold; }
.later { opacity: .5; }
table { border-collapse: collapse; }
td { padding: .1rem .8rem .1rem 0; vertical-align: top; }
input { font: inherit; width: 100%; padding: .4rem; box-sizing: border-box; }
</style>
<h1 id="title">Kelpie</h1>
<p id="told"></p>
<input id="filter" type="search" placeholder="Find an operation" aria-label="Find an operation">
<main id="operations"></main>
<h2>Shapes</h2>
<div id="shapes"></div>
<script>
const make = (tag, props = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), props);
  element.append(...children);
  return element;
};
const fold = (head, fill) => {
  const details = make("details", {}, make("summary", {}, ...head));
  details.addEventListener("toggle", () => details.childElementCount > 1 || details.append(...fill()));
  return details;
};
const code = (value) => make("pre", { textContent: JSON.stringify(value, null, 2) });
const typed = (schema) => {
  const name = schema.$ref?.split("/").pop();
  if (name) return make("a", { href: "#" + name, textContent: name });
  const kinds = schema.anyOf || schema.oneOf || schema.allOf;
  if (kinds) return make("span", {}, ...kinds.flatMap((one, i) => (i ? [" | ", typed(one)] : [typed(one)])));
  if (schema.items) return make("span", {}, "list of ", typed(schema.items));
  const words = schema.enum ?? [schema.const ?? schema.type ?? "anything"].flat();
  return make("code", { textContent: words.join(" | ") });
};
const cell = (...children) => make("td", {}, ...children);
const named = (name, required) => cell(make("code", { textContent: name + (required ? " *" : "") }));
const table = (rows) => make("table", {}, ...rows.map((cells) => make("tr", {}, ...cells)));
const fields = (schema) => table(Object.entries(schema.properties).map(([name, field]) =>
  [named(name, schema.required?.includes(name)), cell(typed(field))]));
const parts = (operation) => {
  const shown = [];
  if (operation.parameters?.length)
    shown.push(make("h4", { textContent: "Parameters" }), table(operation.parameters.map((one) =>
      [named(one.name, one.required), cell(one.in), cell(typed(one.schema))])));
  for (const [kind, content] of Object.entries(operation.requestBody?.content ?? {}))
    shown.push(make("h4", { textContent: "Body, " + kind }), make("p", {}, typed(content.schema)));
  const kinds = (answer) =>
    Object.entries(answer.content ?? {}).flatMap(([kind, one]) => [typed(one.schema), " ", kind]);
  shown.push(make("h4", { textContent: "Answers" }), table(Object.entries(operation.responses).map(([status, answer]) =>
    [cell(status), cell(answer.description), cell(...kinds(answer))])));
  return shown;
};
const show = (api) => {
  document.getElementById("title").textContent = `${api.info.title} ${api.info.version}`;
  document.getElementById("told").textContent = api.info.description;
  const groups = {};
  for (const [path, methods] of Object.entries(api.paths))
    for (const [method, operation] of Object.entries(methods)) {
      const later = operation.responses["200"] ? "" : "later";
      const verb = make("span", { className: "method", textContent: method.toUpperCase() });
      const words = ` ${operation.operationId}: ${operation.summary}`;
      const row = fold([verb, make("code", { textContent: path }), words], () => parts(operation));
      row.className = later;
      row.dataset.words = `${method} ${path} ${operation.operationId} ${operation.summary}`.toLowerCase();
      (groups[operation.tags[0]] ??= []).push(row);
    }
  document.getElementById("operations").append(...Object.keys(groups).sort().map((tag) =>
    make("section", {}, make("h2", { textContent: tag }), ...groups[tag])));
  document.getElementById("shapes").append(...Object.entries(api.components.schemas).map(([name, schema]) => {
    const row = fold([make("code", { textContent: name }), " " + (schema.description ?? "")],
      () => [schema.properties ? fields(schema) : code(schema)]);
    row.id = name;
    return row;
  }));
  document.getElementById("filter").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\\s+/);
    for (const row of document.querySelectorAll("#operations details"))
      row.hidden = !words.every((word) => row.dataset.words.includes(word));
  });
  const open = () => { const row = document.getElementById(location.hash.slice(1)); if (row) row.open = true; };
  addEventListener("hashchange", open);
  open();
};
const place = location.pathname.replace(/\\/*docs\\/*$/, "/openapi.json");
fetch(place).then((answer) => answer.json()).then(show, (error) => {
  document.getElementById("told").textContent = `The document could not be read: ${error}`;
});
</script>
</html>
"""

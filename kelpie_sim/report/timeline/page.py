"""Styles, scripts and data put together: pages that need no other file and ask no network for anything.

The browser is told so as well: the page's own policy forbids it to load what is not in the file.
"""

import json
from functools import cache
from html import escape
from importlib.resources import files

from kelpie_sim.outcome import Outcome
from kelpie_sim.report.timeline.document import Json, document_of

STYLES = ("base.css", "timeline.css")
# In the order in which they run: each uses those before it.
SCRIPTS = (
    "unpack.js",
    "lanes.js",
    "axis.js",
    "filter.js",
    "bars.js",
    "arrows.js",
    "marks.js",
    "draw.js",
    "overview.js",
    "panel.js",
    "steer.js",
    "start.js",
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def timeline_page(outcome: Outcome, reproduce: str = "") -> str:
    """Return the timeline of a run that kept its entries; `reproduce` is the command that runs it again."""
    command = reproduce or f"kelpie-sim replay {outcome.scenario} {outcome.seed}"
    data = f'<script type="application/json" id="run">{embedded(document_of(outcome, command))}</script>'
    scripts = "\n".join(asset(name) for name in SCRIPTS)
    body = f'{asset("timeline.html")}{data}\n<script>(() => {{\n"use strict";\n{scripts}\n}})();</script>'
    return page(f"{outcome.scenario} with seed {outcome.seed}", body, STYLES)


def page(title: str, body: str, styles: tuple[str, ...]) -> str:
    """Return a whole page around a body."""
    style = "\n".join(asset(name) for name in styles)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def embedded(data: Json) -> str:
    """Return data as JSON that may stand within a script element, whatever text is in it."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def asset(name: str) -> str:
    """Return one of the files that pages are made of."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")

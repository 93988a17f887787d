"""The diff of two runs as a page: what both share, then the two runs in columns from their first difference on."""

from html import escape

from kelpie_sim.faults import NS_PER_SECOND
from kelpie_sim.outcome import Outcome
from kelpie_sim.report.diff import QUIET, RunDiff, Side, compare
from kelpie_sim.report.story import WORLD, StoryLine
from kelpie_sim.report.timeline.page import page

STYLES = ("base.css", "diff.css")
CONTEXT_LINES = 20
AFTER_LINES = 5_000


def diff_page(diff: RunDiff, *, context: int = CONTEXT_LINES, after: int = AFTER_LINES) -> str:
    """Return the page of a diff, with so many lines before the parting and after it."""
    shown = compare(diff, context=context, after=after)
    name = f"{diff.failing.scenario} with seed {diff.failing.seed}"
    common = "".join(_line(line) for line in shown.common)
    columns = _column("failing", diff.failing, shown.failing) + _column("passing", diff.passing, shown.passing)
    body = (
        f"<header><h1>{escape(name)} <span>beside a run that went well</span></h1>"
        f"<p>The runs are the same for {diff.index:,} entries. What never happens in the other run is marked.</p>"
        '<label><input type="checkbox" id="quiet"> Show steps and births</label></header>\n'
        f'<section class="common" aria-label="The same in both"><h2>The same in both</h2><ol>{common}</ol></section>\n'
        f"<main>{columns}</main>"
    )
    return page(f"{name}: diff", body, STYLES)


def _column(name: str, outcome: Outcome, side: Side) -> str:
    lines = "".join(
        _line(line, alone=alone, first=number == 0)
        for number, (line, alone) in enumerate(zip(side.lines, side.alone, strict=True))
    )
    finding = outcome.finding
    verdict = f"failed: {finding.kind}" if finding else "went well"
    state = "failed" if finding else "passed"
    end = f'<p class="end">{escape(finding.message)}</p>' if finding else '<p class="end">The run went well.</p>'
    facts = f"{outcome.steps:,} steps, {outcome.virtual_ns / NS_PER_SECOND:.6f} s"
    return (
        f'<section class="{state}" aria-label="{name}"><h2><span class="chip verdict {state}">{escape(verdict)}</span> '
        f'<span class="soft">{facts}</span></h2><ol>{lines}</ol>{end}</section>'
    )


def _line(line: StoryLine, *, alone: bool = False, first: bool = False) -> str:
    names = (
        line.category,
        "quiet" if line.category in QUIET else "",
        "alone" if alone else "",
        "first" if first else "",
    )
    kinds = " ".join(name for name in names if name)
    host = escape(line.host or WORLD)
    mark = '<abbr title="never happens in the other run">✱</abbr>' if alone else ""
    return (
        f'<li class="{kinds}"><span class="time">{line.time_ns / NS_PER_SECOND:.6f}</span>'
        f'<span class="host">{host}</span><span class="text">{mark}{escape(line.text)}</span></li>'
    )

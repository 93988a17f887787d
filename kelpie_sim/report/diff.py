"""A failing and a passing run, side by side, from the first thing that differs.

The closer the two runs, the more it tells: of several passing runs the one that goes along with the failing run for
longest is taken. What comes after the parting is two different runs, so it is not matched line by line; what never
happens on the other side at all is marked.
"""

from collections.abc import Iterable, Iterator
from itertools import zip_longest

import attrs

from kelpie_sim.outcome import Outcome
from kelpie_sim.report.reading import Reading, category_of, read_run
from kelpie_sim.report.story import StoryLine, line_of, task_name
from kelpie_sim.report.text import cut
from kelpie_sim.trace import Entry, Field

CONTEXT_LINES = 8
AFTER_LINES = 60
WIDTH = 160
# What tells how the loop went on rather than what the program did.
QUIET = ("steps", "births")


@attrs.frozen(kw_only=True)
class RunDiff:
    """Two runs and where they part: their first `index` entries are the same, those about the run itself left out."""

    failing: Outcome
    passing: Outcome
    index: int


@attrs.frozen(kw_only=True)
class Side:
    """One of the two runs from the parting on; `alone` tells of each line whether it never happens in the other run."""

    lines: tuple[StoryLine, ...]
    alone: tuple[bool, ...]


@attrs.frozen(kw_only=True)
class Comparison:
    """What there is to show of a diff: the last lines that both runs share, and both sides from there."""

    common: tuple[StoryLine, ...]
    failing: Side
    passing: Side


def diff_runs(failing: Outcome, passing: Outcome) -> RunDiff | None:
    """Return where two runs that kept their entries part; None if they never do."""
    a, b = _program(failing), _program(passing)
    index = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return None if index == len(a) == len(b) else RunDiff(failing=failing, passing=passing, index=index)


def closest(failing: Outcome, candidates: Iterable[Outcome]) -> RunDiff | None:
    """Return the diff with the run that went well and parts last; None if no candidate went well."""
    diffs = (diff_runs(failing, each) for each in candidates if not each.failed)
    return max((diff for diff in diffs if diff is not None), key=lambda diff: diff.index, default=None)


def compare(diff: RunDiff, *, context: int = CONTEXT_LINES, after: int | None = None) -> Comparison:
    """Return what there is to show: so many common lines, so many after them on each side, or all."""
    a, b = read_run(diff.failing), read_run(diff.passing)
    a_indices, b_indices = _indices(a), _indices(b)
    start = max(0, diff.index - context)
    return Comparison(
        common=tuple(line_of(a, index) for index in a_indices[start : diff.index]),
        failing=_side(a, b, a_indices[diff.index :][:after]),
        passing=_side(b, a, b_indices[diff.index :][:after]),
    )


def diff_text(diff: RunDiff, *, context: int = CONTEXT_LINES, after: int = AFTER_LINES, width: int = WIDTH) -> str:
    """Return the diff for a terminal: the common lines, then the failing run to the left, the passing to the right.

    Steps and births after the parting are left out, except the very first.
    """
    shown = compare(diff, context=context)
    left, right = _loud(shown.failing)[:after], _loud(shown.passing)[:after]
    column = (width - 3) // 2
    head = (
        f"{diff.failing.scenario} with seed {diff.failing.seed} parts from a run that went well at entry {diff.index}"
    )
    rows = (f"{_cell(a, column):<{column}} | {_cell(b, column)}".rstrip() for a, b in zip_longest(left, right))
    common = [cut(f"  {line}", width) for line in shown.common]
    title = f"{'failing':<{column}} | went well"
    return "\n".join((head, "the same in both:", *common, title, *rows, *_ends(diff, column)))


def _program(outcome: Outcome) -> tuple[Entry, ...]:
    return tuple(entry for entry in outcome.entries if category_of(entry.kind) != "run")


def _indices(reading: Reading) -> tuple[int, ...]:
    return tuple(n for n, entry in enumerate(reading.entries) if category_of(entry.kind) != "run")


def _side(reading: Reading, other: Reading, indices: tuple[int, ...]) -> Side:
    elsewhere = {_content(other, entry) for entry in other.entries}
    return Side(
        lines=tuple(line_of(reading, index) for index in indices),
        alone=tuple(_content(reading, reading.entries[index]) not in elsewhere for index in indices),
    )


def _content(reading: Reading, entry: Entry) -> tuple[str, str, tuple[Field, ...]]:
    """Return what an entry says whenever it happens."""
    return entry.kind, task_name(reading, entry.serial), entry.fields


def _loud(side: Side) -> list[tuple[StoryLine, bool]]:
    pairs = list(zip(side.lines, side.alone, strict=True))
    return pairs[:1] + [(line, alone) for line, alone in pairs[1:] if line.category not in QUIET]


def _cell(pair: tuple[StoryLine, bool] | None, column: int) -> str:
    if pair is None:
        return ""
    line, alone = pair
    return cut(f"{'*' if alone else ' '} {line}", column)


def _ends(diff: RunDiff, column: int) -> Iterator[str]:
    finding = diff.failing.finding
    message = cut(f"FAILED: {finding.message}".partition("\n")[0], column) if finding else ""
    yield f"{message:<{column}} | went well"
    yield "* never happens in the other run"

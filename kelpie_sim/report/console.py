"""What a person sees: progress while a campaign runs, the table at its end, and the account of a failure.

The account of a failure starts with the one line that reproduces it. Tables are drawn by rich, which is loaded only
when needed: a replay should start at once.
"""

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from kelpie_sim.determinism import Divergence
from kelpie_sim.faults import NS_PER_SECOND, FaultReport
from kelpie_sim.outcome import Outcome
from kelpie_sim.report.artifacts import Artifacts
from kelpie_sim.tally import CampaignResult, Found, Progress, Row

if TYPE_CHECKING:
    from rich.table import Table

PLAIN_PROGRESS_SECONDS = 5.0
STORY_LINES_MAX = 60
TABLE_WIDTH = 160


Reporter = Callable[[Progress], None]


def make_line(outcome: Outcome, *, strategy: str = "") -> str:
    """Return the command that replays a run from the command line; `strategy` found it, unless it is the scenario's."""
    found_by = f" STRATEGY={strategy}" if strategy else ""
    return f"make replay SCENARIO={outcome.scenario} SEED={outcome.seed}{found_by}"


def pytest_line(outcome: Outcome, test: str, *, strategy: str = "") -> str:
    """Return the command that replays a run as the test that found it, by `strategy` unless it is the test's own."""
    found_by = f" --dst-strategy {strategy}" if strategy else ""
    return f"DST_SEED={outcome.seed} pytest {shlex.quote(test)}{found_by}"


def failure_report(
    outcome: Outcome,
    *,
    reproduce: str,
    artifacts: Artifacts | None = None,
    seeds: int = 1,
    shrunk: str = "",
    story: tuple[str, ...] | None = None,
) -> str:
    """Return the account of a failed run; its first line reproduces it.

    `shrunk` says what became of the run when it was made smaller; `story` is told in place of the run's own.
    """
    finding = outcome.finding
    if finding is None:
        raise ValueError(f"seed {outcome.seed} of {outcome.scenario} did not fail")
    sections = (
        (reproduce,),
        _field("finding", f"{finding.kind}" + (f", in {seeds} seeds" if seeds > 1 else "")),
        _field("signature", finding.signature),
        _field("message", finding.message),
        _field("options", _assignments(outcome.options)),
        _field("faults", _faults(outcome.faults)),
        _field("run", f"{outcome.steps} steps, {outcome.virtual_ns / NS_PER_SECOND:.6f} s, Python {outcome.python}"),
        _field("shrunk", shrunk),
        *(_field(name, _from_here(path)) for name, path in _files(artifacts)),
        _story(outcome.story if story is None else story),
        ("traceback", *(f"  {line}" for line in finding.traceback.splitlines())) if finding.traceback else (),
    )
    return "\n".join(line for section in sections for line in section)


def _files(artifacts: Artifacts | None) -> Iterator[tuple[str, Path]]:
    """Yield the files of a failure, as far as there are any."""
    if artifacts is None:
        return
    yield "trace", artifacts.trace
    yield "timeline", artifacts.timeline
    if artifacts.history is not None:
        yield "history", artifacts.history
    yield "seed file", artifacts.seed


def _from_here(path: Path) -> str:
    """Return a path as short as can be, from where the reader is."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _field(name: str, text: str) -> tuple[str, ...]:
    first, *rest = text.splitlines() or [""]
    return (f"{name:<10} {first}", *(f"{'':<10} {line}" for line in rest)) if text else ()


def _story(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return the last lines of a story, numbered as in the whole."""
    skipped = max(0, len(lines) - STORY_LINES_MAX)
    numbered = [f"  {number:>3}. {line}" for number, line in enumerate(lines, 1)][skipped:]
    before = (f"  ... {skipped} lines before",) if skipped else ()
    return ("story", *before, *numbered) if lines else ()


def _assignments(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _faults(reports: tuple[FaultReport, ...]) -> str:
    return ", ".join(f"{report.kind} fired {report.fired} of {report.matched}" for report in reports)


def divergence_report(divergence: Divergence) -> str:
    """Return the account of a seed that was not one run."""
    head = f"{divergence.scenario} with seed {divergence.seed} diverges on the rung {divergence.rung!r}"
    if divergence.index is None:
        return f"{head}; with traces kept the two agreed"
    return f"{head} at record {divergence.index}\n  here  {divergence.here}\n  there {divergence.there}"


def found_title(found: Found) -> str:
    """Return a line that tells a failure apart from others in a list."""
    finding = found.outcome.finding
    return f"{found.outcome.scenario}: {finding.signature if finding else ''} ({found.seeds} seeds)"


@contextmanager
def showing_progress(stream: TextIO | None = None) -> Iterator[Reporter]:
    """Show progress while the body runs: a bar on a terminal, a plain line now and then anywhere else."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield _plain_progress(stream)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task("seeds", total=None)
        yield lambda at: bar.update(
            task, total=at.seeds_all, completed=at.seeds_done, description=f"seeds, {at.findings} findings"
        )


def _plain_progress(stream: TextIO) -> Reporter:
    shown_at = -PLAIN_PROGRESS_SECONDS

    def show(at: Progress) -> None:
        nonlocal shown_at
        now = time.monotonic()
        if at.seeds_done == at.seeds_all or now - shown_at >= PLAIN_PROGRESS_SECONDS:
            shown_at = now
            of = "" if at.seeds_all is None else f" of {at.seeds_all}"
            line = f"{at.seeds_done}{of} seeds, {at.findings} findings, at {at.scenario}"
            print(line, file=stream, flush=True)

    return show


def show_table(result: CampaignResult, stream: TextIO | None = None) -> None:
    """Print the final table: a row per scenario, and below it what was found or never reached."""
    from rich.console import Console

    stream = stream or sys.stdout
    console = Console(file=stream, width=None if stream.isatty() else TABLE_WIDTH, highlight=False)
    console.print(_table(result))
    for line in _closing(result):
        console.print(line, markup=False, soft_wrap=True)


def _table(result: CampaignResult) -> "Table":
    from rich.table import Table

    table = Table(show_lines=True)
    table.add_column("scenario", no_wrap=True)
    for name in ("seeds", "steps", "seeds/s"):
        table.add_column(name, justify="right")
    for name in ("faults fired", "invariants checked", "sometimes hit", "findings"):
        table.add_column(name, overflow="fold")
    for row in result.rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.scenario,
        f"{row.seeds:,}",
        f"{row.steps:,}",
        f"{row.seeds / row.seconds:,.0f}" if row.seconds else "",
        _counts({kind: report.fired for kind, report in row.faults.items() if report.fired}),
        _counts(row.invariants),
        _counts(row.sometimes),
        "\n".join(f"{signature} ({found.seeds})" for signature, found in sorted(row.found.items())) or "none",
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def _closing(result: CampaignResult) -> Iterator[str]:
    seeds = sum(row.seeds for row in result.rows)
    fired = sum(report.fired for row in result.rows for report in row.faults.values())
    yield (
        f"{len(result.rows)} scenarios, {seeds:,} seeds, {fired:,} faults fired, {len(result.found)} findings,"
        f" {result.seconds:.1f} s, {seeds / result.seconds:,.0f} seeds/s"
    )
    for row in result.rows:
        if row.never_fired:
            yield f"never fired in {row.scenario}: {', '.join(row.never_fired)}"
    yield from (f"never reached: {name}" for name in result.unreached)

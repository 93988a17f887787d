"""The files that a failure leaves behind: its trace, its timeline, its history, and a seed file fit for the corpus."""

from pathlib import Path

import attrs

from kelpie_sim.corpus import entry_of, save
from kelpie_sim.outcome import Outcome
from kelpie_sim.report.diff import RunDiff
from kelpie_sim.report.timeline.diff_page import diff_page
from kelpie_sim.report.timeline.page import timeline_page

FOLDER = Path(".kelpie-sim")


@attrs.frozen(kw_only=True)
class Artifacts:
    """Where the files of a failed run lie."""

    trace: Path
    timeline: Path
    seed: Path
    history: Path | None = None
    """What clients asked for and were told, where the scenario recorded that."""


def write_artifacts(outcome: Outcome, folder: Path = FOLDER) -> Artifacts:
    """Write the files of a failed run that kept its entries, and return where they lie.

    The trace has a line per entry; the timeline is a page for a browser; the seed file is what `replay --file` takes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The folder keeps itself out of version control: what is worth keeping is moved to the corpus by hand.
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    name = f"{outcome.scenario}-{outcome.seed}"
    trace = "".join(f"{line}\n" for line in outcome.trace)
    return Artifacts(
        trace=_written(folder / f"{name}.trace", trace),
        timeline=write_timeline(outcome, folder / f"{name}.html"),
        seed=save(entry_of(outcome), folder, name=f"{name}.toml"),
        history=_written(folder / f"{name}.history.jsonl", outcome.history) if outcome.history else None,
    )


def write_timeline(outcome: Outcome, path: Path) -> Path:
    """Write the timeline of a run that kept its entries, and return where it lies."""
    return _written(path, timeline_page(outcome))


def write_diff(diff: RunDiff, path: Path) -> Path:
    """Write the page of two runs side by side, and return where it lies."""
    return _written(path, diff_page(diff))


def _written(path: Path, text: str) -> Path:
    # What a program records may hold halves of characters, which no encoding has.
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    return path

"""The files that a failure leaves behind."""

import attrs

from kelpie_sim.check.operations import from_jsonl
from kelpie_sim.corpus import load
from kelpie_sim.outcome import Finding, FindingKind
from kelpie_sim.report.artifacts import write_artifacts
from kelpie_sim.report.timeline.page import timeline_page
from kelpie_sim.simulation import simulate
from tests.sim import toy


def test_files_of_a_failure_are_written(tmp_path):
    """The trace has a line per entry, the timeline is its page, the seed file fits the corpus; git ignores all."""
    outcome = next(each for seed in range(30) if (each := simulate(toy.UNLOCKED, seed, keep_trace=True)).failed)
    files = write_artifacts(outcome, tmp_path / "out")
    assert files.trace == tmp_path / "out" / f"count-unlocked-{outcome.seed}.trace"
    assert tuple(files.trace.read_text().splitlines()) == outcome.trace
    assert files.timeline == tmp_path / "out" / f"count-unlocked-{outcome.seed}.html"
    assert files.timeline.read_text(encoding="utf-8") == timeline_page(outcome)
    assert load(files.seed).seed == outcome.seed
    assert (tmp_path / "out" / ".gitignore").read_text() == "*\n"


def test_the_history_is_kept_where_there_is_one(tmp_path):
    """A scenario that records what clients were told leaves its history, in a form that laws read; another none."""
    kept = simulate(toy.COUNT, 1, keep_trace=True)
    finding = Finding(kind=FindingKind.CRASH, signature="made", message="made")
    files = write_artifacts(attrs.evolve(kept, finding=finding), tmp_path)
    assert files.history is not None
    assert 9 == len(from_jsonl(files.history.read_text()))
    assert write_artifacts(attrs.evolve(kept, finding=finding, history=""), tmp_path).history is None

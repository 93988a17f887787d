"""The files that a failure leaves behind."""

from kelpie_sim.corpus import load
from kelpie_sim.report.artifacts import write_artifacts
from kelpie_sim.simulation import simulate
from tests.sim import toy


def test_trace_and_seed_file_are_written(tmp_path):
    """The trace has a line per record, the seed file fits the corpus, and the folder is out of version control."""
    outcome = next(each for seed in range(30) if (each := simulate(toy.UNLOCKED, seed, keep_trace=True)).failed)
    files = write_artifacts(outcome, tmp_path / "out")
    assert files.trace == tmp_path / "out" / f"count-unlocked-{outcome.seed}.trace"
    assert tuple(files.trace.read_text().splitlines()) == outcome.trace
    assert load(files.seed).seed == outcome.seed
    assert (tmp_path / "out" / ".gitignore").read_text() == "*\n"

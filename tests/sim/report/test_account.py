"""The account of a failure, made small and told."""

import attrs
import pytest

from kelpie_sim import corpus
from kelpie_sim.campaign import seeds_of
from kelpie_sim.report.account import account
from kelpie_sim.simulation import simulate
from kelpie_sim.tape import Tape
from tests.sim import toy, toy_failing

REPRODUCE = "make it again"


@pytest.fixture(scope="module")
def failed():
    """A failing run of the counter without a lock."""
    return next(o for seed in seeds_of("kelpie", "count-unlocked", 30) if (o := simulate(toy.UNLOCKED, seed)).failed)


def field(text: str, name: str) -> str:
    """Return what a line of an account says."""
    return next((line[11:] for line in text.splitlines() if line.startswith(f"{name:<10} ")), "")


def test_a_failure_is_told_small(failed, tmp_path):
    """The account begins with the line that reproduces, says what was shrunk, and tells the small run's story."""
    text = account(toy.UNLOCKED, failed, reproduce=REPRODUCE, folder=tmp_path)
    assert REPRODUCE == text.splitlines()[0]
    assert "order deviations of" in field(text, "shrunk")
    assert "no update is lost" in text.partition("\nstory\n")[2]


def test_the_seed_file_holds_the_small_run(failed, tmp_path):
    """The seed file replays a failure of the same signature in asyncio's own order."""
    account(toy.UNLOCKED, failed, reproduce=REPRODUCE, folder=tmp_path)
    (path,) = tmp_path.glob("*.toml")
    entry = corpus.load(path)
    again = corpus.replay(entry, {scenario.name: scenario for scenario in toy_failing.SCENARIOS})
    assert again.finding is not None
    choices = [choice for _, choice in Tape.from_json(entry.tape).choices("schedule")]
    assert (failed.finding.signature, {0}) == (again.finding.signature, set(choices))


def test_a_failure_may_be_told_as_it_is(failed, tmp_path):
    """Without time to shrink, the run is told as it was found."""
    text = account(toy.UNLOCKED, failed, reproduce=REPRODUCE, folder=tmp_path, shrink_seconds_max=0.0)
    (path,) = tmp_path.glob("*.toml")
    assert ("", failed.tape) == (field(text, "shrunk"), corpus.load(path).tape)


def test_another_run_is_told(failed, tmp_path):
    """A seed that is another run now is told as such, with the failure that was found."""
    other = attrs.evolve(failed, digest="0" * 32)
    text = account(toy.UNLOCKED, other, reproduce=REPRODUCE, folder=tmp_path)
    assert text.endswith("look with `kelpie-sim determinism`")
    assert failed.finding.signature == field(text, "signature")

"""One test over its seeds."""

from pathlib import Path
from typing import Any

import pytest

from kelpie_sim.campaign import seeds_of
from kelpie_sim.options import Swarm
from kelpie_sim.seed import Streams
from kelpie_sim.seeded_test import SeededTest, SeedFailed, Settings, faults_of, scenario_name
from tests.sim import toy

ONE, OTHER = toy.LetterLost(), toy.LetterLate()


def seeded(root: Path, **settings: Any) -> SeededTest:
    return SeededTest(test="test_mail", settings=Settings(**settings), root=root)


def test_seeds_come_from_the_test_and_the_base(tmp_path):
    """The seeds are those of the test's name and the base, and the row adds them up."""
    outcomes, row = seeded(tmp_path, base_seed="b").run(toy.MAIL, 5)
    assert (seeds_of("b", "test_mail", 5), 5) == (tuple(outcome.seed for outcome in outcomes), row.seeds)


def test_one_seed_is_run_once(tmp_path):
    """A seed that is asked for is the only one, whatever the number."""
    outcomes, _ = seeded(tmp_path, seed=9, seeds=40).run(toy.MAIL, 5)
    assert [9] == [outcome.seed for outcome in outcomes]


def test_a_failure_has_its_account_and_files(tmp_path):
    """The first failing seed ends the test with an account whose first line reproduces it."""
    with pytest.raises(SeedFailed, match=r"\ADST_SEED=\d+ pytest test_mail\n"):
        seeded(tmp_path).run(toy.UNLOCKED, 30)
    assert 1 == len(list((tmp_path / ".kelpie-sim").glob("count-unlocked-*.toml")))


def test_at_least_one_seed_is_run(tmp_path):
    """However short the time, a test runs a seed."""
    outcomes, _ = seeded(tmp_path, seconds=1e-9).run(toy.MAIL, 5)
    assert 1 == len(outcomes)


@pytest.mark.parametrize(
    ("test", "expected"), [("test_mail[a-B c]", "test_mail-a-b-c"), ("__init__", "init"), ("???", "test")]
)
def test_names_of_scenarios(test, expected):
    """A test's name becomes one that a scenario may have."""
    assert expected == scenario_name(test)


def test_faults_may_be_drawn():
    """Faults are given as they are, or by functions of the swarm, in the order given."""
    swarm = Swarm(Streams(1).stream("options"))
    assert (ONE, OTHER, ONE) == faults_of([ONE, lambda swarm: (OTHER, ONE)])(swarm)


def test_what_is_no_fault_is_refused():
    """Anything else is refused at once."""
    with pytest.raises(TypeError, match="a fault is wanted"):
        faults_of(["crash"])

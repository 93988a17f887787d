"""Real uvicorn, Starlette, SDKs, anyio, asyncio's streams and aiosqlite run in the world, and a seed is a run."""

import pytest

from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import simulate
from tests.stack.digests import SEEDS, Digests, digests, digests_elsewhere
from tests.stack.programs import SCENARIOS

MORE_SEEDS = range(3, 7)


@pytest.fixture(scope="module")
def here() -> Digests:
    """Return the digests in this process, whatever ran in it before."""
    return digests()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_runs_in_the_world(scenario: Scenario) -> None:
    """The program gets what it asks for, under each of a few seeds, and each seed is another run."""
    outcomes = [simulate(scenario, seed) for seed in MORE_SEEDS]
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]
    assert len(outcomes) == len({outcome.digest for outcome in outcomes})


def test_other_process_is_the_same_run(here: Digests) -> None:
    """A fresh process under another hash seed has the same digests, as the first thing it does."""
    assert here == digests_elsewhere("1")


def test_other_order_and_heap_are_the_same_run(here: Digests) -> None:
    """So has one that runs the programs in another order, in a heap that is shaken at each step."""
    assert here == digests_elsewhere("4444", backwards=True, shaken=True)


def test_seeds_differ(here: Digests) -> None:
    """Two seeds are two runs, for each program."""
    assert [len(SEEDS)] * len(SCENARIOS) == [len(set(found)) for found in here.values()]

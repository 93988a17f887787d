"""The zoo holds what it says: programs with a bug that plain asyncio never shows, and mended ones that have none."""

import asyncio

import pytest

from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import simulate
from tests.zoo import PROGRAMS

MENDED = [program for program in PROGRAMS if program.fixed is not None]
# In the bench each gets ten thousand; here only what finds most in a moment.
SCHEDULES = 1_000


def scenario(main, strategy="portfolio"):
    """Return a program as a scenario."""
    return Scenario(name="program", run=lambda world: main(), strategy=strategy, step_limit=20_000)


def names(programs):
    """Return the names of programs."""
    return [program.name for program in programs]


def test_zoo_is_large_and_told_apart():
    """There are more than fifty, of different names, and most have a mended twin."""
    assert (53, 53, 31) == (len(PROGRAMS), len(set(names(PROGRAMS))), len(MENDED))


@pytest.mark.parametrize("program", PROGRAMS, ids=names(PROGRAMS))
def test_plain_asyncio_never_shows_it(program):
    """Under asyncio itself, and under its own order here, the program passes."""
    asyncio.run(asyncio.wait_for(program.main(), 5))
    assert simulate(scenario(program.main, "fifo"), 1).finding is None


@pytest.mark.parametrize("program", PROGRAMS, ids=names(PROGRAMS))
def test_portfolio_finds_it(program):
    """Some order of events fails, by an assertion of the program or by a wait that never ends."""
    findings = (simulate(scenario(program.main), seed).finding for seed in range(SCHEDULES))
    finding = next(found for found in findings if found)
    assert finding.signature.startswith(("AssertionError", "Stalled")), finding


@pytest.mark.parametrize("program", MENDED, ids=names(MENDED))
def test_mended_it_never_fails(program):
    """Under the same search the mended twin passes every time."""
    assert [] == [seed for seed in range(60) if simulate(scenario(program.fixed), seed).finding]

"""Counters of what must happen at least once."""

import asyncio

import pytest

from kelpie_sim.check.sometimes import Sometimes, attach, sometimes, sometimes_most
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Streams
from kelpie_sim.simulation import simulate
from kelpie_sim.trace import Trace


def test_hits_are_counted_and_misses_stay_zero():
    """A name that nobody hits is in the counts, with 0."""
    sometimes = Sometimes(("retried", "recovered"))
    sometimes.hit("retried")
    sometimes.hit("retried")
    assert sometimes.counts() == {"retried": 2, "recovered": 0}


def test_undeclared_name_is_refused():
    """A name that no scenario declares could never be missed."""
    with pytest.raises(ValueError, match="declares no sometimes 'retired'; it declares retried"):
        Sometimes(("retried",)).hit("retired")


def test_the_first_hit_is_on_the_trace_and_its_place_is_kept():
    """One record per point, however often it is hit, and where on the tape the first hit was."""
    trace, streams = Trace(), Streams(1)
    counters = Sometimes(("a", "b"), trace, streams.tape.lengths)
    streams.stream("x").bits(40)
    counters.hit("b")
    streams.stream("x").bits(40)
    counters.hit("b")
    counters.hit("a")
    assert (2, {"b": {"x": 2}, "a": {"x": 4}}) == (trace.count, counters.first)


def test_anywhere_in_a_program_it_counts():
    """The function counts where its condition is true, names that the scenario does not declare too."""

    async def program(world):
        for attempt in range(3):
            assert (attempt > 0) == sometimes("retried", attempt > 0)
        sometimes("undeclared")
        sometimes_most("queue", 3)
        sometimes_most("queue", 7)
        sometimes_most("queue", 5)
        marks.append(world.sometimes.watermarks())

    marks: list[object] = []
    outcome = simulate(Scenario(name="retrying", run=program, sometimes=("retried", "never")), 1)
    assert (None, {"retried": 2, "never": 0, "undeclared": 1}, [{"queue": 7}]) == (
        outcome.finding,
        outcome.sometimes,
        marks,
    )


def test_in_a_blocking_job_it_counts():
    """A job in a thread counts too, though no loop runs there."""

    async def program(world):
        await asyncio.to_thread(sometimes, "in a thread")

    outcome = simulate(Scenario(name="threaded", run=program), 1)
    assert (None, {"in a thread": 1}) == (outcome.finding, outcome.sometimes)


def test_outside_a_simulation_it_only_answers():
    """In production the function returns whether its condition is true, and nothing else happens."""
    sometimes_most("queue", 1)
    assert (True, False) == (sometimes("retried", [1]), sometimes("retried", []))


def test_attached_it_counts_on_its_loop():
    """The function counts into the counters of the loop that runs."""
    loop, counters = asyncio.new_event_loop(), Sometimes(())
    attach(loop, counters)

    async def main():
        sometimes("here")

    loop.run_until_complete(main())
    loop.close()
    asyncio.run(main())
    assert {"here": 1} == counters.counts()

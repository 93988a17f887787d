"""All orders of small programs."""

import asyncio
import math
import time

import pytest

from kelpie_sim.exhaustive import explore, explore_scenario
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Streams
from kelpie_sim.simulation import simulate
from kelpie_sim.strategies import SCHEDULE_STREAM, RandomPick
from kelpie_sim.tape import Tape
from tests.sim.handles import Crowd, order
from tests.zoo.locking import account, deadlock01
from tests.zoo.sharing import closing


def orders(count, **bounds):
    """Explore in how many orders so many handles can run; return the exploration and the orders."""
    seen = []

    def fails(tape):
        strategy, crowd = RandomPick(Streams(1, tape).stream(SCHEDULE_STREAM)), Crowd(count)
        crowd.join(strategy, range(count))
        seen.append(tuple(crowd.leave(strategy)))
        return False

    return explore(fails, **bounds), seen


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_each_order_is_tried_once(count):
    """Of n that are ready there are n! orders; none is missed, none tried twice."""
    found, seen = orders(count)
    assert (True, math.factorial(count), set(seen).__len__()) == (found.complete, found.schedules, len(seen))
    assert math.factorial(count) == len(seen)


def test_fewest_deviations_come_first():
    """First the plain order, then those with one overtaking, then with two."""
    _, seen = orders(3)
    assert (0, 1, 2) == seen[0]
    # One overtaking: 0 swaps with 1 or with 2, or then 1 with 2.
    assert {(1, 0, 2), (2, 1, 0), (0, 2, 1)} == set(seen[1:4])


def test_bound_on_deviations_is_kept():
    """With one deviation at most, four that are ready have the plain order and six others; that is no proof."""
    found, seen = orders(4, deviations_max=1)
    assert (False, 7, 1, 7) == (found.complete, found.schedules, found.deviations, len(seen))


def test_bound_that_cuts_nothing_is_a_proof():
    """Two that are ready have one deviation at most, so a bound of one leaves nothing out."""
    assert (True, 2) == (orders(2, deviations_max=1)[0].complete, orders(2, deviations_max=5)[0].schedules)


def test_bound_on_schedules_is_kept():
    """A spent budget is no proof, and tells up to how many deviations all was tried."""
    found = [orders(4, schedules_max=count)[0] for count in (0, 1, 6, 8)]
    assert [(False, 0, -1), (False, 1, 0), (False, 6, 0), (False, 8, 1)] == [
        (each.complete, each.schedules, each.deviations) for each in found
    ]


def test_failure_ends_it_with_its_tape():
    """The tape of the first failing run replays it, and no run with fewer deviations fails."""

    def fails(tape):
        return order(RandomPick(Streams(1, tape).stream(SCHEDULE_STREAM)), 4)[0] == 2

    found = explore(fails)
    assert found.failing is not None
    assert (False, 0, [1]) == (
        found.complete,
        found.deviations,
        [1 for _, choice in found.failing.choices(SCHEDULE_STREAM) if choice],
    )
    assert fails(Tape.replaying(found.failing))


def scenario(main):
    """Return a program as a scenario that goes first come first served."""
    return Scenario(name="program", run=lambda world: main(), strategy="fifo")


def test_right_program_is_proven():
    """A mended program is right under each of its orders."""
    for main in (account(locked=True), closing(mark_first=True)):
        found, outcome = explore_scenario(scenario(main), 0)
        assert (True, None, None) == (found.complete, found.failing, outcome)


def test_wrong_program_is_caught_and_replays():
    """The failing run comes with its outcome, and its tape gives the same one again."""
    found, outcome = explore_scenario(scenario(deadlock01), 0)
    assert outcome is not None
    again = simulate(scenario(deadlock01), 5, tape=Tape.replaying(outcome.tape))
    assert (3, outcome.digest, outcome.finding) == (found.deviations, again.digest, again.finding)


def test_other_streams_stay_as_on_the_base():
    """Only the order is tried: what else was drawn comes from the base, or is plain without one."""

    async def draw(world):
        drawn.append(world.streams.stream("size").below(10))
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))

    for base, expected in ((None, {0}), (Tape.of({"size": [(10, 7)]}), {7})):
        drawn: list[int] = []
        found, _ = explore_scenario(Scenario(name="drawing", run=draw), 0, base=base)
        assert (True, expected, True) == (found.complete, set(drawn), len(drawn) > 1)


def test_guards_stay_in_place_from_run_to_run(monkeypatch):
    """They are in place before each run, and gone after the last one."""

    def watched(*args, **options):
        before_runs.append(time.monotonic is real)
        return simulate(*args, **options)

    before_runs, real = list[bool](), time.monotonic
    monkeypatch.setattr("kelpie_sim.exhaustive.simulate", watched)
    explore_scenario(scenario(closing(mark_first=True)), 0)
    assert ({False}, True) == (set(before_runs), time.monotonic is real)

"""The interpreter's hooks for async generators, over a batch."""

import asyncio
import sys

import pytest

from kelpie_sim.guards import batch, guarded
from kelpie_sim.guards.generators import in_place
from tests.sim.programs import World

closed = list[str]()


async def counting(name):
    """Yield for ever; tell when that ends."""
    try:
        while True:
            yield 1
    finally:
        closed.append(name)


async def asking(generator):
    """Ask once."""
    await anext(generator)


@pytest.fixture(autouse=True)
def nothing_closed():
    """Each test counts for itself."""
    closed.clear()


def test_hooks_stay_for_the_batch_and_go_with_it():
    """Between the runs of a batch the hooks are there; after it those from before are."""
    before = sys.get_asyncgen_hooks()
    with batch():
        World().run(asyncio.sleep(1))
        between = in_place()
        World().run(asyncio.sleep(1))
    assert (True, False, before) == (between, in_place(), sys.get_asyncgen_hooks())


def test_dropped_generator_is_closed_by_its_run():
    """In a batch too the loop closes what the program drops, in a step of its own."""

    async def main():
        generator = counting("inside")
        await anext(generator)
        del generator
        at_once = list(closed)
        await asyncio.sleep(1)
        return at_once, list(closed)

    with batch():
        assert ([], ["inside"]) == World().run(main())


def test_generator_of_a_run_that_is_over_is_left_alone():
    """What one run asked, and another run drops, makes no step in that one."""

    async def dropping(held):
        held.clear()
        await asyncio.sleep(1)

    with batch():
        alone = World()
        alone.run(dropping([]))
        held = [counting("earlier")]
        first = World()
        first.run(asking(held[0]))
        after_its_run = list(closed)
        second = World()
        second.run(dropping(held))
    assert (["earlier"], ["earlier"]) == (after_its_run, closed)
    assert (alone.loop.steps, alone.trace.digest()) == (second.loop.steps, second.trace.digest())


def test_generator_asked_between_the_runs_is_closed_at_once():
    """The harness's own generators, asked by hand, end as they do without hooks."""
    with batch():
        generator = counting("between")
        with pytest.raises(StopIteration):
            anext(generator).send(None)
        del generator
    assert ["between"] == closed


def test_program_that_sets_hooks_of_its_own_spoils_no_later_run():
    """A run that finds other hooks sets its own, and takes them back."""

    async def main():
        generator = counting("later")
        await anext(generator)
        del generator
        await asyncio.sleep(1)

    async def spoiling():
        sys.set_asyncgen_hooks(None, None)

    with batch():
        World().run(spoiling())
        World().run(main())
    assert ["later"] == closed


def test_hooks_are_used_by_the_guarded_loop_only():
    """Once the guards are gone the loop listens by itself again."""
    world = World()
    with guarded(world.loop, world.streams):
        inside = world.loop.hooked
    world.loop.close()
    assert (True, False) == (inside, world.loop.hooked)

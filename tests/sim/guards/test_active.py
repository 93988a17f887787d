"""Which run is guarded, and for whom."""

import asyncio
import threading

from kelpie_sim.guards.active import allowed, current, installed
from kelpie_sim.guards.guarded import guarded
from tests.sim.programs import World


def test_guard_applies_to_its_own_thread_only():
    """Nobody is guarded outside of a run, nor in another thread, nor inside `allowed`."""
    world, found = World(), []
    before = current(), installed()
    with guarded(world.loop, world.streams):
        inside = current() is installed()
        with allowed():
            aside = current()
            thread = threading.Thread(target=lambda: found.append(current()))
            thread.start()
            thread.join()
    world.loop.close()
    assert ((None, None), True, None, [None], None) == (before, inside, aside, found, current())


def test_wall_clock_is_that_of_the_current_host():
    """Each host has its own wall clock, the harness the perfect one."""
    world = World()
    host = world.host("server")
    host.clock.jump(5)
    with guarded(world.loop, world.streams):
        guard = installed()
        assert guard is not None
        host.start(lambda: asyncio.sleep(1))
        times = guard.wall_ns(), host.context().run(guard.wall_ns)
    world.loop.finish()
    assert 5 == times[1] - times[0]

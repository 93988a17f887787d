"""The clock and entropy ports: virtual time, and bits of a host's own."""

import asyncio
import datetime as dt

import pytest

from kelpie_sim.agents.clock import SimClock, SimEntropy
from kelpie_sim.errors import HostDead
from kelpie_sim.loop import START
from tests.sim.agents.worlds import result_of


def host_of(world, name="server-1"):
    """Return a host that is up."""
    host = world.host(name)
    host.start(asyncio.Event().wait)
    return host


def test_clock_shows_virtual_time():
    """The time of day begins where the loop says and moves, aware and in UTC, as virtual time does."""

    async def program(world):
        clock = SimClock(world, host_of(world))
        await clock.sleep(1.5)
        return clock.now(), clock.monotonic_ns()

    assert (START + dt.timedelta(seconds=1.5), 1_500_000_000) == result_of(program)


def test_sleep_of_a_dead_life_does_not_return():
    """Who slept through the death of its host is dead when it would wake, even if the host is up again."""

    async def program(world):
        host = host_of(world)
        clock = SimClock(world, host)
        world.loop.call_later(0.5, host.restart)
        with pytest.raises(HostDead):
            await clock.sleep(1)

    result_of(program)


def test_entropy_is_a_hosts_own():
    """Bits are in bounds, differ from host to host and from life to life, and are the same in each run."""

    async def program(world):
        one, other = host_of(world, "one"), host_of(world, "other")
        first = [SimEntropy(world, one).bits(64), SimEntropy(world, other).bits(64)]
        one.restart()
        drawn = (*first, SimEntropy(world, one).bits(64), SimEntropy(world, other).bits(3))
        return drawn

    drawn = result_of(program)
    assert 4 == len(set(drawn))
    assert drawn[3] < 8
    assert drawn == result_of(program)

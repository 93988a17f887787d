"""The real clock."""

import asyncio
import datetime as dt

from kelpie_core.ports import Clock
from kelpie_server.world.clock import SystemClock


def test_the_time_is_aware_and_in_utc():
    """The time of day carries the zone UTC, and is that of the machine."""
    clock: Clock = SystemClock()
    before, now, after = dt.datetime.now(dt.UTC), clock.now(), dt.datetime.now(dt.UTC)
    assert before <= now <= after
    assert dt.timedelta(0) == now.utcoffset()


def test_a_sleep_takes_its_time():
    """A sleep ends not before its time, and the monotonic clock says so."""
    clock = SystemClock()
    before = clock.monotonic_ns()
    asyncio.run(clock.sleep(0.002))
    assert clock.monotonic_ns() - before >= 1_900_000

"""The clock and entropy ports of one life of a host."""

import asyncio
import datetime as dt

from kelpie_sim.loop import EPOCH
from kelpie_sim.simulation import World
from kelpie_sim.world.host import Host, check_alive


class SimClock:
    """Virtual time."""

    def __init__(self, world: World, host: Host) -> None:
        self._world = world
        self._host = host
        self._incarnation = host.incarnation

    def now(self) -> dt.datetime:
        """Return the virtual time of day in UTC."""
        return EPOCH + dt.timedelta(microseconds=self._world.loop.wall_ns() // 1_000)

    def monotonic_ns(self) -> int:
        """Return the virtual nanoseconds since the start of the run."""
        return self._world.now_ns

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass; raise HostDead."""
        await asyncio.sleep(seconds)
        check_alive(self._host, self._incarnation)


class SimEntropy:
    """Random bits from a stream of the host's own, so that one host's draws move no other's."""

    def __init__(self, world: World, host: Host) -> None:
        self._stream = world.streams.stream(f"entropy/{host.name}/{host.incarnation}")

    def bits(self, count: int) -> int:
        """Return `count` random bits."""
        return self._stream.bits(count)

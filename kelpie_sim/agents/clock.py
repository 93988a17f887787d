"""The clock and entropy ports of one life of a host."""

import asyncio
import datetime as dt
from hashlib import blake2b

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
        """Return the virtual time of day in UTC, as the host's clock shows it."""
        return EPOCH + dt.timedelta(microseconds=self._host.clock.wall_ns(self._world.loop.wall_ns()) // 1_000)

    def monotonic_ns(self) -> int:
        """Return the virtual nanoseconds since the start of the run."""
        return self._world.now_ns

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass; raise HostDead."""
        await asyncio.sleep(seconds)
        check_alive(self._host, self._incarnation)


class SimEntropy:
    """Random bits for one life of a host, spun from a single key.

    Only the key is a choice of the run: a replay whose tape ends early then still gives each thing an id of its own.
    """

    def __init__(self, world: World, host: Host) -> None:
        life = f"{host.name}/{host.incarnation}"
        self._key = f"{life}/{world.streams.stream(f'entropy/{life}').bits(64)}".encode()
        self._drawn = 0

    def bits(self, count: int) -> int:
        """Return `count` random bits, 512 at most."""
        self._drawn += 1
        digest = blake2b(self._drawn.to_bytes(8), key=self._key[:64]).digest()
        return int.from_bytes(digest) >> 512 - count

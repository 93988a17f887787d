"""Links: the way from one host to another, in one direction, with its law and its troubles.

A packet meets the state of the link when it arrives, not when it leaves: a partition that comes between hits what is
under way. `troubled` is true as soon as anything is wrong, so that a sound link costs one look.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from kelpie_sim.seed import Stream
from kelpie_sim.world.network.laws import Law

NS_PER_SECOND = 1_000_000_000


class Obstacle(Enum):
    """Why a packet does not get through now."""

    CUT = "cut"
    """It is lost."""
    WAIT = "wait"
    """It is parked until the link lets it go: the end of a clog, or a release."""


class Link:
    """One direction between two hosts."""

    __slots__ = (
        "_busy_until_ns", "_bytes_per_second", "_latency_ns", "_parked", "cut", "cut_until_ns", "eventful", "from_host",
        "held", "law", "risky", "slow_ns", "slow_until_ns", "stream", "stuck_until_ns", "to_host", "troubled",
    )  # fmt: skip

    def __init__(self, from_host: str, to_host: str, law: Law, stream: Stream, risky: bool) -> None:
        """`risky` tells whether a fault could strike at what is sent."""
        self.from_host = from_host
        self.to_host = to_host
        self.stream = stream
        self.risky = risky
        self.troubled = False
        self.cut = False
        self.cut_until_ns = 0
        self.held = False
        self.stuck_until_ns = 0
        self.slow_ns = 0
        self.slow_until_ns = 0
        self._busy_until_ns = 0
        self._parked: list[Callable[[], None]] = []
        self.obey(law)

    def obey(self, law: Law) -> None:
        """Set the law."""
        self.law = law
        self.eventful = self.risky or law.loss > 0 or law.splitting > 0
        self._bytes_per_second = law.bytes_per_second
        self._latency_ns = law.latency.drawer(self.stream)

    def arrival_ns(self, now_ns: int, size_bytes: int) -> int:
        """Return when a packet that leaves now arrives, if nothing stops it."""
        if self.troubled and now_ns < self.slow_until_ns:
            now_ns += self.slow_ns
        if self._bytes_per_second:
            start_ns = max(now_ns, self._busy_until_ns)
            now_ns = self._busy_until_ns = start_ns + size_bytes * NS_PER_SECOND // self._bytes_per_second
        return now_ns + self._latency_ns()

    def obstacle(self, now_ns: int) -> Obstacle | None:
        """Return what stops a packet that is about to arrive, if anything."""
        if self.cut or now_ns < self.cut_until_ns:
            return Obstacle.CUT
        return Obstacle.WAIT if self.held or now_ns < self.stuck_until_ns else None

    def cut_for(self, until_ns: int) -> None:
        """Lose what arrives before an instant."""
        self.troubled = True
        self.cut_until_ns = max(self.cut_until_ns, until_ns)

    def clog(self, until_ns: int) -> None:
        """Let nothing arrive before an instant; nothing is lost. Somebody has to call `let_go` then."""
        self.troubled = True
        self.stuck_until_ns = max(self.stuck_until_ns, until_ns)

    def slow(self, until_ns: int, slow_ns: int) -> None:
        """Make packets that leave before an instant take longer."""
        self.troubled = True
        self.slow_until_ns, self.slow_ns = until_ns, slow_ns

    def unclog(self) -> None:
        """End a clog: what has waited arrives."""
        self.stuck_until_ns = self.slow_until_ns = 0
        self.let_go()

    def park(self, go_on: Callable[[], None]) -> None:
        """Keep a packet until the link lets it go."""
        self._parked.append(go_on)

    def release(self) -> None:
        """Let go what was held."""
        self.held = False
        self.let_go()

    def let_go(self) -> None:
        """Let what was parked try again; it is parked anew if it still cannot pass."""
        parked, self._parked = self._parked, []
        for go_on in parked:
            go_on()

    def heal(self) -> None:
        """End all troubles."""
        self.cut = self.troubled = False
        self.cut_until_ns = self.stuck_until_ns = self.slow_until_ns = 0
        self.release()

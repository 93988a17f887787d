"""How long a disk takes: operations queue up, one at a time, and whoever can wait does.

Code that blocks inside a step cannot wait: for it the time is only counted, and later operations of the disk, and
whoever awaits them, come after it.
"""

from __future__ import annotations

from collections.abc import Callable

from kelpie_sim.world.disk.setup import DiskSetup

US_NS, MS_NS, SECOND_NS = 1_000, 1_000_000, 1_000_000_000


class DiskTimes:
    """The disk's queue: when it is through with what it was asked for."""

    __slots__ = ("_busy_until_ns", "_done_ns", "_now_ns", "_setup")

    def __init__(self, setup: DiskSetup, now_ns: Callable[[], int]) -> None:
        self._setup = setup
        self._now_ns = now_ns
        self._busy_until_ns = 0
        self._done_ns = 0

    def spend(self, size: int, *, sync: bool = False) -> None:
        """Queue an operation on so many bytes."""
        setup = self._setup
        cost_ns = (setup.latency_us + (setup.sync_latency_us if sync else 0)) * US_NS
        if setup.bytes_per_second:
            cost_ns += size * SECOND_NS // setup.bytes_per_second
        if cost_ns or self._busy_until_ns:
            self._busy_until_ns = max(self._busy_until_ns, self._now_ns()) + cost_ns
            self._done_ns = max(self._done_ns, self._busy_until_ns)

    def delay_ms(self, latency_ms: int) -> None:
        """Let the operation take longer; others overtake it."""
        self._done_ns = max(self._done_ns, max(self._busy_until_ns, self._now_ns()) + latency_ms * MS_NS)

    def stick_ms(self, stuck_ms: int) -> None:
        """Let the operation, and all after it, take longer."""
        self._busy_until_ns = max(self._busy_until_ns, self._now_ns()) + stuck_ms * MS_NS
        self._done_ns = max(self._done_ns, self._busy_until_ns)

    @property
    def left_ns(self) -> int:
        """How long until all that was asked for is done."""
        return max(0, self._done_ns - self._now_ns())

    def reset(self) -> None:
        """Drop what is under way."""
        self._busy_until_ns = self._done_ns = 0

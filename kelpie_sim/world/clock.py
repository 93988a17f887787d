"""The wall clock of a host: it may be off, run fast or slow, and jump.

Only the wall clock is faulty: programs must expect that of it. The monotonic one is the loop's own, the same
everywhere. Integers throughout: a rate is in parts per million.
"""

from __future__ import annotations

MILLION = 1_000_000


class HostClock:
    """Turns true time into what the host believes."""

    __slots__ = ("_drift_ppm", "_offset_ns", "_since_ns")

    def __init__(self) -> None:
        self._offset_ns = 0
        self._drift_ppm = 0
        self._since_ns = 0

    def wall_ns(self, true_ns: int) -> int:
        """Return the host's wall clock, in nanoseconds since 1970, at a true instant."""
        return true_ns + self._offset_ns + (true_ns - self._since_ns) * self._drift_ppm // MILLION

    def jump(self, offset_ns: int) -> None:
        """Set the clock forward, or back, by so much."""
        self._offset_ns += offset_ns

    def drift(self, drift_ppm: int, true_ns: int) -> None:
        """From the true instant on gain (or lose) so many parts in a million; what is gained so far stays."""
        self._offset_ns = self.wall_ns(true_ns) - true_ns
        self._drift_ppm = drift_ppm
        self._since_ns = true_ns

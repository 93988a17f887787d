"""Timers, in the order in which they are due.

Entries of the heap are keyed (when_ns, serial): timers of one instant stay in the order in which they were set.
asyncio's own heap compares nothing but the time, and mixes them.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from kelpie_sim.tasks import Handle

# Past so many, the cancelled ones are dropped, so that memory stays flat.
_HELD_MIN = 1_024


class Timers:
    """All timers that are not due yet."""

    __slots__ = ("_heap", "_held_limit", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Handle]] = []
        self._serial = 0
        self._held_limit = _HELD_MIN

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, when_ns: int, timer: Handle) -> None:
        """Add a timer that is due at an instant."""
        self._serial = serial = self._serial + 1
        heappush(self._heap, (when_ns, serial, timer))
        if len(self._heap) > self._held_limit:
            self.keep(_is_set)

    def next_ns(self) -> int | None:
        """Return the next instant at which a timer is due that was not cancelled, None if there is none."""
        heap = self._heap
        while heap and heap[0][2]._callback is None:
            heappop(heap)
        return heap[0][0] if heap else None

    def take(self, time_ns: int, give: Callable[[Handle], None]) -> None:
        """Remove and give away all that are due at the instant or before, in order; cancelled ones are dropped."""
        heap = self._heap
        while heap and heap[0][0] <= time_ns:
            timer = heappop(heap)[2]
            if timer._callback is not None:
                give(timer)

    def keep(self, wanted: Callable[[Handle], bool]) -> None:
        """Drop all but those wanted."""
        self._heap = [entry for entry in self._heap if wanted(entry[2])]
        heapify(self._heap)
        self._held_limit = max(_HELD_MIN, 2 * len(self._heap))

    def clear(self) -> None:
        """Drop all."""
        self._heap.clear()


def _is_set(timer: Handle) -> bool:
    return timer._callback is not None

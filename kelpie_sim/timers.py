"""Timers, by the instant at which they are due.

Kept as one list per instant, and a heap of the instants: timers of one instant stay in the order in which they were set
(asyncio's own heap compares nothing but the time, and mixes them), and the heap compares plain integers.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from kelpie_sim.tasks import SimTimer

# Past so many, the cancelled ones are dropped, so that memory stays flat.
_ADDED_MIN = 1_024


class Timers:
    """All timers that are not due yet."""

    __slots__ = ("_added", "_added_limit", "_due", "_instants")

    def __init__(self) -> None:
        self._due: dict[int, list[SimTimer]] = {}
        self._instants: list[int] = []
        self._added = 0
        self._added_limit = _ADDED_MIN

    def __len__(self) -> int:
        return sum(len(timers) for timers in self._due.values())

    def add(self, when_ns: int, timer: SimTimer) -> None:
        """Add a timer that is due at an instant."""
        timers = self._due.get(when_ns)
        if timers is None:
            self._due[when_ns] = [timer]
            heapq.heappush(self._instants, when_ns)
        else:
            timers.append(timer)
        self._added = added = self._added + 1
        if added > self._added_limit:
            self.keep(_is_set)

    def next_ns(self) -> int | None:
        """Return the next instant at which a timer is due that was not cancelled, None if there is none."""
        due, instants = self._due, self._instants
        while instants:
            for timer in due[instants[0]]:
                if timer._callback is not None:
                    return instants[0]
            del due[heapq.heappop(instants)]
        return None

    def take(self, time_ns: int) -> list[SimTimer]:
        """Remove and return all that are due at the instant or before, in order; cancelled ones left out."""
        instants, taken = self._instants, list[SimTimer]()
        while instants and instants[0] <= time_ns:
            taken += [timer for timer in self._due.pop(heapq.heappop(instants)) if timer._callback is not None]
        return taken

    def keep(self, wanted: Callable[[SimTimer], bool]) -> None:
        """Drop all but those wanted."""
        kept = ((instant, [timer for timer in timers if wanted(timer)]) for instant, timers in self._due.items())
        self._due = {instant: timers for instant, timers in kept if timers}
        self._instants = sorted(self._due)
        self._added = 0
        self._added_limit = max(_ADDED_MIN, len(self))

    def clear(self) -> None:
        """Drop all."""
        self._due.clear()
        self._instants.clear()


def _is_set(timer: SimTimer) -> bool:
    return timer._callback is not None

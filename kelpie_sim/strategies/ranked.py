"""The lowest rank runs first: what strategies by priority share.

A pick costs a heap's logarithm, however many are ready. Each handle knows its place in the line, because the place is
what goes on the tape.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush, heapreplace
from typing import Any

from kelpie_sim.seed import Stream
from kelpie_sim.tasks import Ready

# An entry of the heap is a rank and an age: equal ranks keep the order in which they came. Plain integers, because
# those compare quickest.
AGE_BITS = 32
AGE_MASK = (1 << AGE_BITS) - 1
# So often the record is moved to its arrays.
SETTLE_MASK = 1_023


# A place, an age and a handle. A place is an index in the line plus how many have gone: it changes for the overtaken
# only.
Waiting = list[Any]


class Ranked:
    """Takes whoever has the lowest rank, as `_rank` of a subclass says; the prefix of a tape is followed first."""

    name = "ranked"

    def __init__(self, stream: Stream) -> None:
        self.ready: deque[Waiting] = deque()
        """The line."""
        self._waiting: dict[int, Waiting] = {}
        """The same by age, a number that nobody else has."""
        self._heap: list[int] = []
        self._age = 0
        self._gone = 0
        self._stream = stream
        self._record = stream.recorder()
        self._continues = stream.continues
        self._word = stream.unrecorded()

    def _rank(self, handle: Ready) -> int:
        """Return the rank of a handle that has just become ready."""
        raise NotImplementedError

    def _picking(self) -> None:
        """Do what is to be done before one of several is picked."""

    def add(self, handle: Ready) -> None:
        """Join the end of the line."""
        self._age = age = self._age + 1
        line = self.ready
        self._waiting[age] = waiting = [self._gone + len(line), age, handle]
        line.append(waiting)
        heappush(self._heap, self._rank(handle) << AGE_BITS | age)

    def take(self) -> Ready:
        """Take one; raise IndexError if there is none."""
        line = self.ready
        bound = len(line)
        if bound < 2:
            return self._only()
        handle: Ready
        choice = self._followed(bound) if self._continues else None
        if choice is None:
            self._picking()
            place, age, handle = self._waiting.pop(heappop(self._heap) & AGE_MASK)
            choice = place - self._gone
            bounds, choices, settle = self._record
            bounds.append(bound)
            choices.append(choice)
            if not age & SETTLE_MASK:
                settle()
        else:
            place, age, handle = line[choice]
            del self._waiting[age]
        first = line.popleft()
        self._gone += 1
        if choice:
            line[choice - 1] = first
            first[0] = place
        return handle

    def _followed(self, bound: int) -> int | None:
        """Return the choice of a tape's prefix; None from its end on, when those who left by it leave the heap too."""
        choice = self._stream.follow(bound)
        if choice is None:
            self._continues = False
            self._heap[:] = sorted(entry for entry in self._heap if entry & AGE_MASK in self._waiting)
        return choice

    def _only(self) -> Ready:
        handle: Ready = self.ready.popleft()[2]
        self._gone += 1
        self._heap.clear()
        self._waiting.clear()
        return handle

    def _lowest(self) -> Ready:
        """Return whoever would run now."""
        lowest: Ready = self._waiting[self._heap[0] & AGE_MASK][2]
        return lowest

    def _move_lowest(self, rank: int) -> None:
        """Give another rank to whoever would run now."""
        heapreplace(self._heap, rank << AGE_BITS | self._heap[0] & AGE_MASK)

"""The lowest rank runs first: what strategies by priority share.

A pick costs a heap's logarithm, however many are ready. Each handle knows its place in the line, because the place is
what goes on the tape.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush, heapreplace

from kelpie_sim.seed import Stream
from kelpie_sim.tasks import Ready

# An entry of the heap is a rank and an age: equal ranks keep the order in which they came. Plain integers, because
# those compare quickest.
AGE_BITS = 32
_AGE_MASK = (1 << AGE_BITS) - 1
# So often the record is moved to its arrays.
_SETTLE_MASK = 1_023


class Ranked:
    """Takes whoever has the lowest rank, as `_rank` of a subclass says; the prefix of a tape is followed first."""

    name = "ranked"

    def __init__(self, stream: Stream) -> None:
        self.ready: deque[int] = deque()
        """The line; each is known by its age, a number that nobody else has."""
        self._handles: dict[int, Ready] = {}
        # A place is an index in the line plus how many have gone: it changes for the overtaken only.
        self._places: dict[int, int] = {}
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
        self._handles[age] = handle
        self._places[age] = self._gone + len(line)
        line.append(age)
        heappush(self._heap, self._rank(handle) << AGE_BITS | age)

    def take(self) -> Ready:
        """Take one; raise IndexError if there is none."""
        line = self.ready
        bound = len(line)
        if bound < 2:
            return self._only()
        choice = self._followed(bound) if self._continues else None
        if choice is None:
            self._picking()
            age = heappop(self._heap) & _AGE_MASK
            place = self._places.pop(age)
            choice = place - self._gone
            bounds, choices, settle = self._record
            bounds.append(bound)
            choices.append(choice)
            if not age & _SETTLE_MASK:
                settle()
        else:
            age = line[choice]
            place = self._places.pop(age)
        first = line.popleft()
        self._gone += 1
        if choice:
            line[choice - 1] = first
            self._places[first] = place
        return self._handles.pop(age)

    def _followed(self, bound: int) -> int | None:
        """Return the choice of a tape's prefix; None from its end on, when those who left by it leave the heap too."""
        choice = self._stream.follow(bound)
        if choice is None:
            self._continues = False
            self._heap = sorted(entry for entry in self._heap if entry & _AGE_MASK in self._places)
        return choice

    def _only(self) -> Ready:
        age = self.ready.popleft()
        self._gone += 1
        self._heap.clear()
        self._places.clear()
        return self._handles.pop(age)

    def _lowest(self) -> Ready:
        """Return whoever would run now."""
        return self._handles[self._heap[0] & _AGE_MASK]

    def _move_lowest(self, rank: int) -> None:
        """Give another rank to whoever would run now."""
        heapreplace(self._heap, rank << AGE_BITS | self._heap[0] & _AGE_MASK)

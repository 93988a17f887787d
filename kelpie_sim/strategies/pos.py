"""POS: a priority per step instead of per task.

Partial order aware concurrency sampling (Yuan, Yang, Gu, CAV 2018): each step that becomes ready draws a priority, the
highest runs, and the steps that race with it draw again, so that having lost one race does not decide the next. What
races is unknown here, because steps of a task are not seen to touch anything; the step that came nearest to running
instead stands for it, and draws again every other time: as good on the zoo of bugs as each time, and cheaper.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush, heapreplace

from kelpie_sim.seed import Stream
from kelpie_sim.strategies.ranked import AGE_BITS, AGE_MASK, SETTLE_MASK, Ranked
from kelpie_sim.tasks import Ready

# Short enough that a heap's entries stay quick to compare.
_RANK_MASK = (1 << 20) - 1
_AGAIN = 1 << 20


class Pos(Ranked):
    """The least of all drawn numbers runs; the runner-up draws again, every other time.

    What the base does with ranks is done here without a call: it draws twice for each step, and is held against a
    random walk, which does little more than that.
    """

    name = "pos"

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self._words, self._refill = stream.unrecorded_in_bulk()

    def add(self, handle: Ready) -> None:
        """Join the end of the line."""
        self._age = age = self._age + 1
        line, words = self.ready, self._words
        self._waiting[age] = waiting = [self._gone + len(line), age, handle]
        line.append(waiting)
        if not words:
            self._refill()
        heappush(self._heap, (words.pop() & _RANK_MASK) << AGE_BITS | age)

    def take(self) -> Ready:
        """Take one; raise IndexError if there is none."""
        taken = next(self.picks())
        if taken is None:
            raise IndexError("nobody is ready")
        return taken

    def picks(self) -> Iterator[Ready | None]:
        """Yield whom `take` would take, for ever, and None while nobody is ready."""
        line, waiting, heap, words = self.ready, self._waiting, self._heap, self._words
        bounds, choices, settle = self._record
        while True:
            bound = len(line)
            if bound < 2:
                yield self._only() if bound else None
                continue
            if self._continues:
                handle = super().take()
            else:
                place, age, handle = waiting.pop(heappop(heap) & AGE_MASK)
                choice = place - self._gone
                bounds.append(bound)
                choices.append(choice)
                if not age & SETTLE_MASK:
                    settle()
                first = line.popleft()
                self._gone += 1
                if choice:
                    line[choice - 1] = first
                    first[0] = place
            # Of two, the other is about to meet a fresh number anyway.
            if bound > 2:
                if not words:
                    self._refill()
                word = words.pop()
                if word & _AGAIN:
                    heapreplace(heap, (word & _RANK_MASK) << AGE_BITS | heap[0] & AGE_MASK)
            yield handle

"""POS: a priority per step instead of per task.

Partial order aware concurrency sampling (Yuan, Yang, Gu, CAV 2018): each step that becomes ready draws a priority, the
highest runs, and the steps that race with it draw again, so that having lost one race does not decide the next. What
races is unknown here, because steps of a task are not seen to touch anything; the step that came nearest to running
instead stands for it, and draws again every other time: as good on the zoo of bugs as each time, and cheaper.
"""

from __future__ import annotations

from kelpie_sim.strategies.ranked import Ranked
from kelpie_sim.tasks import Ready

# Short enough that a heap's entries stay quick to compare.
_RANK_MASK = (1 << 20) - 1
_AGAIN = 1 << 20


class Pos(Ranked):
    """The least of all drawn numbers runs; the runner-up draws again, every other time."""

    name = "pos"

    def _rank(self, handle: Ready) -> int:
        return self._word() & _RANK_MASK

    def take(self) -> Ready:
        """Take one; raise IndexError if there is none."""
        taken = super().take()
        # Of two, the other is about to meet a fresh number anyway.
        if len(self.ready) > 1 and (word := self._word()) & _AGAIN:
            self._move_lowest(word & _RANK_MASK)
        return taken

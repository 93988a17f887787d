"""URW: each task is picked with a chance in proportion to the steps that it, and whoever it will start, has to go.

The uniform random walk of "Selectively uniform concurrency testing" (ASPLOS 2025): where tasks differ much in length, a
plain random walk hardly ever lets the short one be last; weighted so, all interleavings of independent tasks are
equally likely. The steps to go are what an estimate counted, by descent of the tasks. Without an estimate each task
draws its weight over powers of two, so that some seeds guess well.

A weighted pick in a heap's logarithm: each step draws the moment at which it would run, at a rate that is its weight,
and the earliest runs. By the law of such moments (they have no memory) that is the weighted walk.
"""

from __future__ import annotations

from kelpie_sim.seed import Stream
from kelpie_sim.strategies.estimate import Estimate
from kelpie_sim.strategies.owners import NOBODY, Kin, owner_of
from kelpie_sim.strategies.ranked import AGE_BITS, Ranked
from kelpie_sim.tasks import Ready

_WORD_BITS = 30
_FRACTION_BITS = 16
_GUESS_BITS = 8


def waiting_time(word: int) -> int:
    """Return a whole number spread as waiting times are (exponentially, to a few parts in a hundred), 2**16 being the
    time in which half would be over."""
    # The logarithm by its bits, and between them a straight line: no float, so each machine draws the same.
    bits = (word + 1).bit_length() - 1
    fraction = (word + 1 << _FRACTION_BITS >> bits) - (1 << _FRACTION_BITS)
    return (_WORD_BITS - bits << _FRACTION_BITS) - fraction


class Urw(Ranked):
    """The weighted walk. `estimate` may be None."""

    name = "urw"

    def __init__(self, stream: Stream, estimate: Estimate | None) -> None:
        super().__init__(stream)
        self._estimate = estimate
        self._kin = Kin()
        self._to_go: dict[int, int] = {}
        self._now = 0

    def _rank(self, handle: Ready) -> int:
        owner = owner_of(handle)
        weight = 1 if owner == NOBODY else self._weight(owner)
        return self._now + waiting_time(self._word()) * 16 // weight

    def _weight(self, owner: int) -> int:
        to_go = self._to_go
        if self._estimate is None:
            if owner not in to_go:
                to_go[owner] = 1 << self._word() % _GUESS_BITS
            return to_go[owner]
        kin, whole = self._kin, self._estimate.whole
        known = len(kin.parents)
        key = kin.key(owner)
        if len(kin.parents) > known:
            to_go[key] = whole.get(key, 1)
            # The steps of a child that is born are its own from here on.
            parent = kin.parents[key]
            if parent in to_go:
                to_go[parent] -= to_go[key]
        weight = max(1, to_go[key])
        to_go[key] = weight - 1
        return weight

    def _picking(self) -> None:
        self._now = self._heap[0] >> AGE_BITS

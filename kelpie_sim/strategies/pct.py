"""PCT: strict priorities per task, drawn at birth and lowered at few drawn moments.

A randomized scheduler with probabilistic guarantees of finding bugs (Burckhardt, Kothari, Musuvathi, Nagarakatte,
ASPLOS 2010): of n threads and k steps, a bug that needs d orderings is found with a chance of at least
1 / (n * k**(d - 1)). The horizon k is what an estimate counted; without one it is guessed anew by each seed, over
powers of two, which costs a small factor and needs no earlier run.

Strict priorities would never end a program that spins until somebody else runs. So who keeps others waiting for long
goes to the end of all priorities: one more change, at a moment that nothing but a spin makes likely.
"""

from __future__ import annotations

from kelpie_sim.seed import Stream
from kelpie_sim.strategies.owners import NOBODY, owner_of
from kelpie_sim.strategies.ranked import Ranked
from kelpie_sim.tasks import Ready

# Drawn priorities lie below, lowered ones above: the lowest rank runs first.
_RANK_BITS = 20
_LOWERED = 1 << _RANK_BITS
# So many picks in a row with somebody waiting, and whoever runs is lowered.
PATIENCE_PICKS = 256
GUESS_MIN_BITS, GUESS_MAX_BITS = 3, 14


def guessed_picks(word: int) -> int:
    """Return how many picks a run may take, for one of which nothing is known."""
    return 1 << GUESS_MIN_BITS + word % (GUESS_MAX_BITS - GUESS_MIN_BITS + 1)


class Pct(Ranked):
    """Priorities that change `depth` - 1 times within the first `picks` picks; 0 picks means to guess."""

    def __init__(self, stream: Stream, depth: int, picks: int) -> None:
        super().__init__(stream)
        self.name = f"pct:{depth}"
        self._ranks: dict[int, int] = {}
        picks = picks or guessed_picks(self._word())
        # Which is lowered the most is drawn too: the moments are not sorted when they get their ranks.
        self._changes = {1 + self._word() % picks: _LOWERED + number for number in range(depth - 1)}
        self._picks = 0
        self._patience = PATIENCE_PICKS
        self._last_rank = _LOWERED + depth

    def _rank(self, handle: Ready) -> int:
        owner = owner_of(handle)
        rank = self._ranks.get(owner)
        if rank is None:
            rank = self._word() & _LOWERED - 1
            if owner != NOBODY:
                self._ranks[owner] = rank
        return rank

    def _only(self) -> Ready:
        self._patience = PATIENCE_PICKS
        return super()._only()

    def _picking(self) -> None:
        self._picks = picks = self._picks + 1
        if picks in self._changes:
            self._lower(self._changes[picks])
        self._patience -= 1
        if not self._patience:
            self._patience = PATIENCE_PICKS
            self._last_rank += 1
            self._lower(self._last_rank)

    def _lower(self, rank: int) -> None:
        owner = owner_of(self._lowest())
        if owner != NOBODY:
            self._ranks[owner] = rank
        self._move_lowest(rank)

"""First come, first served, but for a few drawn moments: most bugs need one or two.

Delay bounding (Emmi, Qadeer, Rakamaric, POPL 2011), drawn at random; kelpie_sim/exhaustive.py tries all.
"""

from __future__ import annotations

from collections import deque

from kelpie_sim.seed import Stream, overtake
from kelpie_sim.strategies.pct import guessed_picks
from kelpie_sim.tasks import Ready


class Delay:
    """`delays` times within the first `picks` picks somebody else runs than the first; 0 picks means to guess."""

    def __init__(self, stream: Stream, delays: int, picks: int) -> None:
        self.name = f"delay:{delays}"
        self.ready: deque[Ready] = deque()
        self.add = self.ready.append
        self._stream = stream
        self._word = stream.unrecorded()
        picks = picks or guessed_picks(self._word())
        self._moments = {1 + self._word() % picks for _ in range(delays)}
        self._picks = 0

    def take(self) -> Ready:
        """Take one; raise IndexError if there is none."""
        bound = len(self.ready)
        if bound < 2:
            return self.ready.popleft()
        choice = self._stream.follow(bound)
        if choice is None:
            self._picks += 1
            choice = 1 + self._word() % (bound - 1) if self._picks in self._moments else 0
            self._stream.record(bound, choice)
        return overtake(self.ready, choice)

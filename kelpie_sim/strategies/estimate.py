"""How long a program is: counted in one plain run, for strategies that spread their changes over the whole of it.

An estimate only moves chances. It never decides what a run may do, so a poor one costs schedules and no truth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import attrs

from kelpie_sim.strategies.owners import NOBODY, Kin, owner_of
from kelpie_sim.tasks import Ready


@attrs.frozen(kw_only=True)
class Estimate:
    """What one run of a program took."""

    picks: int
    """How often one of several was picked."""
    own: Mapping[int, int]
    """Steps per task, by the key of its descent."""
    whole: Mapping[int, int]
    """Steps per task and all its descendants."""


class Counting:
    """First come, first served, counting whose steps they are."""

    name = "fifo"

    def __init__(self) -> None:
        self.ready: deque[Ready] = deque()
        self._kin = Kin()
        self._own: dict[int, int] = {}
        self._picks = 0

    def add(self, handle: Ready) -> None:
        """Join the end of the line."""
        self.ready.append(handle)
        serial = owner_of(handle)
        if serial != NOBODY:
            key = self._kin.key(serial)
            self._own[key] = self._own.get(key, 0) + 1

    def take(self) -> Ready:
        """Take the first."""
        self._picks += len(self.ready) > 1
        return self.ready.popleft()

    def estimate(self) -> Estimate:
        """Return what was counted so far."""
        whole = dict(self._own)
        # Children are born after their parents: from the youngest up, each sum is whole before it is passed on.
        for key, parent in reversed(self._kin.parents.items()):
            if parent in whole:
                whole[parent] += whole[key]
        return Estimate(picks=self._picks, own=dict(self._own), whole=whole)

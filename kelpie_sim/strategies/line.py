"""The line of those that are ready, and the two plainest ways to take from it.

A strategy owns the ready set. The loop adds a handle by `add`, asks the truth of `ready` to learn whether any is left,
and takes one by `take`. All three are attributes, so that a strategy can hand out the quickest callables it has.

Laws: a choice is a place in the line, and 0 is the first; who is taken out of turn swaps places with the first; a pick
among one draws nothing; a cancelled handle keeps its place until it is taken, so cancelling moves no later choice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sized
from typing import Protocol

from kelpie_sim.seed import Stream
from kelpie_sim.tasks import Ready

SCHEDULE_STREAM = "schedule"


class Strategy(Protocol):
    """The ready set and its order."""

    @property
    def name(self) -> str: ...
    @property
    def ready(self) -> Sized: ...
    @property
    def add(self) -> Callable[[Ready], None]: ...
    @property
    def take(self) -> Callable[[], Ready]: ...


class Fifo:
    """First come, first served: asyncio's own order. It records nothing."""

    name = "fifo"

    def __init__(self) -> None:
        self.ready: deque[Ready] = deque()
        self.add = self.ready.append
        self.take = self.ready.popleft


class RandomPick:
    """Each that is ready has the same chance. Along a tape that replays: whoever the tape says."""

    name = "random"

    def __init__(self, stream: Stream) -> None:
        self.ready: deque[Ready] = deque()
        self.add = self.ready.append
        self.take = stream.line_taker(self.ready)

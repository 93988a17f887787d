"""The line of those that are ready, and the two plainest ways to take from it.

A strategy owns the ready set. The loop adds a handle by `add`, asks the truth of `ready` to learn whether any is left,
and takes one by `take`. All three are attributes, so that a strategy can hand out the quickest callables it has.

Laws: a choice is a place in the line, and 0 is the first; who is taken out of turn swaps places with the first; a pick
among one draws nothing; a cancelled handle keeps its place until it is taken, so cancelling moves no later choice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sized
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
        self._stream = stream

    @property
    def take(self) -> Callable[[], Ready]:
        """What takes one; it raises IndexError if there is none."""
        return self._stream.line_taker(self.ready)

    def picks(self) -> Iterator[Ready | None]:
        """Yield what `take` would return, and None while nobody is ready."""
        return self._stream.line_picks(self.ready)


def picks_of(strategy: Strategy) -> Iterator[Ready | None]:
    """Yield what a strategy takes, for ever, and None whenever nobody is ready: what the loop loops over.

    A strategy may have such a function `picks` of its own, which saves a call for each step.
    """
    own: Callable[[], Iterator[Ready | None]] | None = getattr(strategy, "picks", None)
    return _picks(strategy.ready, strategy.take) if own is None else own()


def _picks(ready: Sized, take: Callable[[], Ready]) -> Iterator[Ready | None]:
    while True:
        yield take() if ready else None

"""Who runs next among all that are ready.

A strategy owns the ready set. The loop adds a handle by `add`, asks the truth of `ready` to learn whether any is left,
and takes one by `take`. Both are plain attributes holding callables, so that a strategy can hand out the quickest it
has.

Laws: `take` costs the same however many are ready; a pick among one draws nothing; a cancelled handle keeps its place
until it is taken, so cancelling moves no later choice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sized
from typing import Protocol

from kelpie_sim.seed import Stream, Streams
from kelpie_sim.tasks import SimHandle, SimTimer

Ready = SimHandle | SimTimer
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
    """First come, first served: asyncio's own order."""

    name = "fifo"

    def __init__(self) -> None:
        self.ready: deque[Ready] = deque()
        self.add = self.ready.append
        self.take = self.ready.popleft


class RandomPick:
    """Each that is ready has the same chance; choices come from `stream`."""

    name = "random"

    def __init__(self, stream: Stream) -> None:
        self.ready: list[Ready] = []
        self.add = self.ready.append
        self.take = stream.swap_taker(self.ready)


def strategy_named(name: str, streams: Streams) -> Strategy:
    """Return a new strategy, drawing from the stream "schedule". Raise ValueError for an unknown name."""
    if name == Fifo.name:
        return Fifo()
    if name == RandomPick.name:
        return RandomPick(streams.stream(SCHEDULE_STREAM))
    raise ValueError(f"no strategy is named {name!r}; there are {Fifo.name} and {RandomPick.name}")

"""Which run is guarded. The replacements ask here, so they can stay in place wherever a program has put them.

A replacement shows the simulated thing only to the thread of the run, and only while the guards do not step aside;
everybody else (a test runner's own threads, the harness inside `allowed`) gets the real one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident

from kelpie_sim.incarnation import INCARNATION
from kelpie_sim.loop import SimLoop
from kelpie_sim.seed import Streams

ENTROPY_STREAM = "guard/entropy"


class Guard:
    """One guarded run."""

    __slots__ = ("_generator", "_streams", "aside", "at_end", "loop", "thread")

    def __init__(self, loop: SimLoop, streams: Streams) -> None:
        self.loop = loop
        self.thread = get_ident()
        self.aside = 0
        self.at_end: list[Callable[[], None]] = []
        self._streams = streams
        self._generator: random.Random | None = None

    def entropy(self) -> random.Random:
        """Return the generator behind all entropy of the run.

        Only its key is a choice of the tape: a shrunk tape must not turn all ids into the same one.
        """
        if self._generator is None:
            key = self._streams.stream(ENTROPY_STREAM).bits(64)
            self._generator = random.Random(key)
        return self._generator

    def wall_ns(self) -> int:
        """Return the wall clock of the current host, or the perfect one for the harness."""
        life = INCARNATION.get()
        true_ns = self.loop.wall_ns()
        return true_ns if life is None else life.host.clock.wall_ns(true_ns)


class State:
    """The one guard of the process; a class, so that every module sees the same."""

    guard: Guard | None = None


def installed() -> Guard | None:
    """Return the guard of the process, whoever asks."""
    return State.guard


def install(guard: Guard | None) -> None:
    """Set the guard of the process."""
    State.guard = guard


def current() -> Guard | None:
    """Return the guard if it applies to the caller: the run's own thread, not inside `allowed`."""
    guard = State.guard
    if guard is None or guard.aside or guard.thread != get_ident():
        return None
    return guard


@contextmanager
def allowed() -> Iterator[None]:
    """Let the harness itself use the real world inside a guarded run. Never await inside of it."""
    guard = State.guard
    if guard is None:
        yield
        return
    guard.aside += 1
    try:
        yield
    finally:
        guard.aside -= 1

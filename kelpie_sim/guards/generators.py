"""The interpreter's hooks for async generators, in place for as long as the guards are.

A loop sets them whenever it starts to run and takes them back when it stops. The interpreter tells its audit hooks each
time, four times in all, which costs as much as two dozen steps. So here they are set once for a whole batch, and ask
which run is guarded.

Laws: a generator that was asked in one run is never closed by another one, nor after its run: no code of a run that is
over runs any more. One that was asked between two runs is closed as if there were no hooks.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from kelpie_sim.asyncgens import AnyGenerator
from kelpie_sim.guards.active import State


class GeneratorHooks:
    """Puts the hooks of this module in place, in the thread that asks for it."""

    def __init__(self) -> None:
        self._before = sys.get_asyncgen_hooks()

    def apply(self) -> None:
        """Set the hooks."""
        self._before = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(_asked, _dropped)

    def undo(self) -> None:
        """Set them back."""
        sys.set_asyncgen_hooks(*self._before)


def in_place() -> bool:
    """Return whether this thread has the hooks: a program may set others, and a batch may be another thread's."""
    firstiter, finalizer = sys.get_asyncgen_hooks()
    return firstiter is _asked and finalizer is _dropped


# By address, of those that were asked between two runs. An address that is used again is asked again.
_outside: set[int] = set()


def _asked(generator: AnyGenerator) -> None:
    guard = State.guard
    if guard is None:
        _outside.add(id(generator))
    else:
        _outside.discard(id(generator))
        guard.loop.generator_asked(generator)


def _dropped(generator: AnyGenerator) -> None:
    guard = State.guard
    if id(generator) in _outside:
        _outside.discard(id(generator))
        with suppress(StopIteration, StopAsyncIteration, GeneratorExit):
            generator.aclose().send(None)
    elif guard is not None and guard.loop.knows_generator(generator):
        guard.loop.generator_dropped(generator)

"""The async generators of a run, in the order in which they were first asked.

Why: asyncio keeps them in a set hashed by address and closes them in its order. Here they are closed in the order of
their first step; one that nobody refers to any more is closed by a task of the host that asked it first; one of a dead
host goes to the graveyard.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Callable
from typing import Any

from kelpie_sim.incarnation import INCARNATION, Incarnation

AnyGenerator = AsyncGenerator[Any, Any]


# Past so many, those that are gone are dropped, so that memory stays flat.
_ENTRIES_MIN = 256


class AsyncGens:
    """Unfinished async generators with the incarnation that asked them first."""

    __slots__ = ("_entries", "_limit")

    def __init__(self) -> None:
        # Keyed by address for the look-up only; what is iterated is the order of insertion. A weak reference's callback
        # would come before the finalizer, which still has to know the owner; so what is gone is dropped now and then.
        self._entries: dict[int, tuple[weakref.ref[AnyGenerator], Incarnation | None]] = {}
        self._limit = _ENTRIES_MIN

    def any_open(self) -> bool:
        """Return whether a generator is left that somebody holds."""
        return bool(self._entries) and any(ref() is not None for ref, _ in self._entries.values())

    def asked(self, generator: AnyGenerator) -> None:
        """Take note of a generator's first step."""
        self._entries.pop(id(generator), None)  # Of one that is gone: an address is used again.
        self._entries[id(generator)] = weakref.ref(generator), INCARNATION.get()
        if len(self._entries) > self._limit:
            self._entries = {key: entry for key, entry in self._entries.items() if entry[0]() is not None}
            self._limit = max(_ENTRIES_MIN, 2 * len(self._entries))

    def forget(self, generator: AnyGenerator) -> Incarnation | None:
        """Drop a generator that is about to be finalized; return whose it was."""
        entry = self._entries.pop(id(generator), None)
        return None if entry is None else entry[1]

    def take(self, wanted: Callable[[Incarnation | None], bool]) -> list[tuple[AnyGenerator, Incarnation | None]]:
        """Remove and return those whose owner is wanted, each with its owner, in order of their first step."""
        if not self._entries:
            return []
        chosen = [(key, ref(), life) for key, (ref, life) in self._entries.items() if wanted(life)]
        for key, _, _ in chosen:
            del self._entries[key]
        return [(generator, life) for _, generator, life in chosen if generator is not None]

"""Trying the addresses of a name: one after the other, or in a race ("happy eyeballs", RFC 8305), as asyncio does.

The race is asyncio's own, so that it is that of the Python it runs on. A connection that comes about while whoever
wanted it gives up is closed here.
"""

from __future__ import annotations

from asyncio import staggered
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, zip_longest

from kelpie_sim.world.network.connecting import open_stream
from kelpie_sim.world.network.medium import Medium
from kelpie_sim.world.network.names import family_of
from kelpie_sim.world.network.sockets import Address
from kelpie_sim.world.network.streams import StreamTransport


class Dialling:
    """One attempt to reach one of several addresses, from one of several of one's own."""

    def __init__(self, medium: Medium, targets: Sequence[Address], local: Sequence[Address] | None) -> None:
        self._medium = medium
        self._targets = targets
        self._local = local
        self._errors: list[OSError] = []
        self._opened: list[StreamTransport] = []

    async def one_by_one(self, *, all_errors: bool = False) -> StreamTransport:
        """Return the first connection that comes about. Raise what was in the way, as asyncio puts it: OSError."""
        for target in self._targets:
            # It is kept for `_failure`.
            with suppress(OSError):
                return await self._attempt(target)
        raise self._failure(all_errors)

    async def race(self, delay_s: float, *, all_errors: bool = False) -> StreamTransport:
        """Return the first connection of those begun one `delay_s` after the other, or when the one before failed."""
        winner: StreamTransport | None = None
        try:
            attempts = [partial(self._attempt, target) for target in self._targets]
            winner, _, _ = await staggered.staggered_race(attempts, delay_s)
        finally:
            for transport in self._opened:
                if transport is not winner:
                    transport.abort()
        if winner is None:
            raise self._failure(all_errors)
        return winner

    async def _attempt(self, target: Address) -> StreamTransport:
        try:
            transport = await open_stream(self._medium, target, self._own(target))
        except OSError as error:
            self._errors.append(error)
            raise
        self._opened.append(transport)
        return transport

    def _own(self, target: Address) -> Address | None:
        if self._local is None:
            return None
        family = family_of(target[0])
        for own in self._local:
            if family_of(own[0]) is family:
                return own
        raise OSError(f"no matching local address with family={family} found")

    def _failure(self, all_errors: bool) -> Exception:
        errors, self._errors = self._errors, []
        if all_errors:
            return ExceptionGroup("create_connection failed", errors)
        if len({str(error) for error in errors}) == 1:
            return errors[0]
        return OSError(f"Multiple exceptions: {', '.join(str(error) for error in errors)}")


def interleaved(targets: Sequence[Address], first_count: int) -> list[Address]:
    """Return addresses with their families taking turns; the first family has the first `first_count` places."""
    by_family: dict[int, list[Address]] = {}
    for target in targets:
        by_family.setdefault(family_of(target[0]), []).append(target)
    first, *others = by_family.values()
    ahead, first = first[: first_count - 1], first[first_count - 1 :]
    turns = chain.from_iterable(zip_longest(first, *others))
    return [*ahead, *(target for target in turns if target is not None)]

"""The choices of a run as a shrinker edits them: per stream, those that are not 0.

Choice 0 is the plainest everywhere (no fault, the lowest number, first in line), and past the end of a tape all choices
are 0. So what is not 0 is all there is to a failure, and making it fewer and smaller is all there is to shrinking.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from kelpie_sim.tape import Tape

Pairs = tuple[tuple[int, int], ...]
"""(index in the stream, choice) by index; no choice is 0."""


@attrs.frozen
class Choices:
    """All choices that are not 0, by name of stream; equal choices make equal runs."""

    streams: tuple[tuple[str, Pairs], ...] = ()

    @classmethod
    def on(cls, tape: Tape) -> Choices:
        """Return the choices that a tape has recorded."""
        found = ((name, _nonzero(choice for _, choice in tape.choices(name))) for name in tape.names())
        return cls(tuple((name, pairs) for name, pairs in found if pairs))

    def tape(self) -> Tape:
        """Return a tape to replay, leniently, what these choices make of the run."""
        return Tape.of({name: _filled(pairs) for name, pairs in self.streams})

    @property
    def names(self) -> tuple[str, ...]:
        """The streams that hold a choice other than 0."""
        return tuple(name for name, _ in self.streams)

    def of(self, name: str) -> Pairs:
        """Return the choices of one stream."""
        return dict(self.streams).get(name, ())

    def __len__(self) -> int:
        return sum(len(pairs) for _, pairs in self.streams)

    def total(self) -> int:
        """Return the sum of all choices: less is plainer."""
        return sum(choice for _, pairs in self.streams for _, choice in pairs)

    def replaced(self, name: str, pairs: Iterable[tuple[int, int]]) -> Choices:
        """Return these choices with another content of one stream."""
        streams = {**dict(self.streams), name: tuple(pairs)}
        return Choices(tuple((key, streams[key]) for key in sorted(streams) if streams[key]))

    def only(self, *names: str) -> Choices:
        """Return the choices of these streams, all others at 0."""
        return Choices(tuple((name, pairs) for name, pairs in self.streams if name in names))

    def without(self, *names: str) -> Choices:
        """Return the choices with these streams at 0."""
        return Choices(tuple((name, pairs) for name, pairs in self.streams if name not in names))


def _nonzero(choices: Iterable[int]) -> Pairs:
    return tuple((index, choice) for index, choice in enumerate(choices) if choice)


def _filled(pairs: Pairs) -> list[tuple[int, int]]:
    """Return (bound, choice) pairs up to the last choice; what the bounds are matters to no lenient replay."""
    filled = [(1, 0)] * (pairs[-1][0] + 1)
    for index, choice in pairs:
        filled[index] = (choice + 1, choice)
    return filled

"""One integer becomes named streams of choices, a stream per part of the world and per fault.

Why: a new draw in one stream must move no other, else each change of the simulator would make every old seed worthless.
A stream's generator is seeded by a hash of the seed and the stream's name, so it depends on nothing else.

Laws: all draws are made with integers; each goes on the tape; a draw that has only one outcome draws nothing and
leaves no trace on the tape; choice 0 is always the plainest outcome (no fault, first in line, lowest number), because
shrinking moves towards 0.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import TypeVar

from kelpie_sim.tape import BOUND_MAX, Tape

T = TypeVar("T")

MILLION = 1_000_000
_WORDS = 256
# 30-bit words: a product or remainder of such words stays within one digit of CPython's integers, its fastest path.
_WORD_MASK = int.from_bytes((0x3FFF_FFFF).to_bytes(4, "little") * _WORDS, "little")
_UNPACK = struct.Struct(f"<{_WORDS}I").unpack


class Stream:
    """A named source of choices. Every method draws at most one entry of the tape unless it says so."""

    __slots__ = ("_channel", "_generator", "_replays", "_seed", "name")

    def __init__(self, name: str, seed: int, tape: Tape) -> None:
        self.name = name
        self._seed = seed
        self._channel = tape.channel(name)
        self._replays = tape.replays
        self._generator: random.Random | None = None

    def _getrandbits(self, count: int) -> int:
        # The generator is made late: seeding one costs microseconds, and most streams of a run stay untouched.
        if self._generator is None:
            key = blake2b(f"{self._seed}/{self.name}".encode(), digest_size=16).digest()
            self._generator = random.Random(int.from_bytes(key, "big"))
        return self._generator.getrandbits(count)

    def _draw(self, bound: int) -> int:
        # Own rejection sampling: the standard library promises the bits of a generator, not what randrange makes of
        # them.
        count = (bound - 1).bit_length()
        while (choice := self._getrandbits(count)) >= bound:
            pass
        return choice

    def below(self, bound: int) -> int:
        """Return an integer from 0 up to `bound` - 1. Raise ValueError when there is none, or above 64 bits."""
        if not 1 <= bound <= BOUND_MAX:
            raise ValueError(f"stream {self.name!r}: a bound must be from 1 to {BOUND_MAX}, not {bound}")
        if bound == 1:
            return 0
        if self._replays:
            return self._channel.scripted(bound)
        choice = self._draw(bound)
        self._channel.record(bound, choice)
        return choice

    def bits(self, count: int) -> int:
        """Return `count` random bits; one entry of the tape for each 32 of them."""
        if count < 0:
            raise ValueError(f"stream {self.name!r}: a number of bits cannot be negative, and {count} is")
        value = 0
        while count > 0:
            width = min(count, 32)
            value = value << width | self.below(1 << width)
            count -= width
        return value

    def between(self, low: int, high: int) -> int:
        """Return an integer from `low` up to and including `high`. Raise ValueError if there is none."""
        return low + self.below(high - low + 1)

    def chance(self, probability: float) -> bool:
        """Return whether it happens; `probability` is rounded to millionths, and 0 and 1 draw nothing.

        The tape gets a yes or no, not the number behind it: so a tape holds when a probability is tuned.
        """
        if not 0 <= probability <= 1:
            raise ValueError(f"stream {self.name!r}: a probability must be from 0 to 1, not {probability}")
        parts = round(probability * MILLION)
        if parts in (0, MILLION):
            return parts == MILLION
        if self._replays:
            return self._channel.scripted(2) == 1
        happens = self._draw(MILLION) < parts
        self._channel.record(2, int(happens))
        return happens

    def pick(self, sequence: Sequence[T]) -> T:
        """Return one element. Raise ValueError if there is none."""
        return sequence[self.below(len(sequence))]

    def shuffled(self, iterable: Iterable[T]) -> list[T]:
        """Return the elements in a drawn order; all choices 0 keep the order. One entry of the tape per element but
        one."""
        items = list(iterable)
        for index in range(len(items) - 1):
            other = index + self.below(len(items) - index)
            items[index], items[other] = items[other], items[index]
        return items

    def swap_taker(self, items: list[T]) -> Callable[[], T]:
        """Return a function that takes a drawn element out of `items`, whose last one then fills its place.

        Made for the scheduler, who calls it at each step: words are drawn in bulk, and the remainder leans towards low
        numbers by less than one in a thousand as long as there are fewer than a million elements.
        Taking the only element draws nothing; taking from none raises IndexError.
        """
        if self._replays:
            return lambda: _swap_out(items, self._channel.scripted(len(items)) if len(items) > 1 else 0)
        channel, words = self._channel, list[int]()
        bounds, choices = channel.new_bounds, channel.new_choices

        def take() -> T:
            bound = len(items)
            if bound < 2:
                return items.pop()
            if not words:
                words.extend(self._words())
                channel.settle()
            index = words.pop() % bound
            bounds.append(bound)
            choices.append(index)
            taken, items[index] = items[index], items[-1]
            items.pop()
            return taken

        return take

    def _words(self) -> tuple[int, ...]:
        block = self._getrandbits(32 * _WORDS) & _WORD_MASK
        return _UNPACK(block.to_bytes(4 * _WORDS, "little"))


def _swap_out(items: list[T], index: int) -> T:
    taken, items[index] = items[index], items[-1]
    items.pop()
    return taken


class Streams:
    """All streams of a run. `tape` records the choices; a tape that replays gives them back, whatever the seed."""

    __slots__ = ("_streams", "seed", "tape")

    def __init__(self, seed: int, tape: Tape | None = None) -> None:
        self.seed = seed
        self.tape = Tape() if tape is None else tape
        self._streams: dict[str, Stream] = {}

    def stream(self, name: str) -> Stream:
        """Return the stream `name`: the same object for the same name."""
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = Stream(name, self.seed, self.tape)
        return stream

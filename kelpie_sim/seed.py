"""One integer becomes named streams of choices, a stream per part of the world and per fault.

Why: a new draw in one stream must move no other, else each change of the simulator would make every old seed worthless.
A stream's random words are hashes of the seed, the stream's name and a count, so they depend on nothing else. There is
no generator to be seeded, which would cost as much as a small run takes.

Laws: all draws are made with integers; each goes on the tape; a draw that has only one outcome draws nothing and
leaves no trace on the tape; choice 0 is always the plainest outcome (no fault, first in line, lowest number), because
shrinking moves towards 0.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b, shake_128
from typing import TypeVar

from kelpie_sim.tape import BOUND_MAX, Tape

T = TypeVar("T")

MILLION = 1_000_000
# 30-bit words: a product or remainder of such words stays within one digit of CPython's integers, its fastest path.
WORD_BITS = 30
_WORD_RANGE = 1 << WORD_BITS
# For bounds up to 64 bits: three words at once.
_WIDE_RANGE = 1 << 3 * WORD_BITS


# How many words a block has. Most streams draw little: the first is short, and from a hash that is quick to start.
_FIRST_WORDS, _BLOCK_WORDS = 16, (64, 256)
# Words are made from a block by so many at a time: most runs end before they have drawn all of a block.
_CHUNK_WORDS = (16, 64)


def _chunk(words: int) -> tuple[int, int, Callable[[bytes], tuple[int, ...]]]:
    """Return how many bytes so many words take, the mask that makes them words, and what takes them apart."""
    mask = int.from_bytes((_WORD_RANGE - 1).to_bytes(4, "little") * words, "little")
    return 4 * words, mask, struct.Struct(f"<{words}I").unpack


_FIRST_BYTES, _FIRST_MASK, _first_unpacked = _chunk(_FIRST_WORDS)
_CHUNKS = tuple(_chunk(words) for words in _CHUNK_WORDS)


class Stream:
    """A named source of choices. Every method draws at most one entry of the tape unless it says so."""

    __slots__ = ("_block", "_blocks", "_channel", "_replays", "_seed", "_words", "name")

    def __init__(self, name: str, seed: int, tape: Tape) -> None:
        self.name = name
        self._seed = seed
        self._channel = tape.channel(name)
        self._replays = tape.replays
        self._words: list[int] = []
        self._blocks = 0
        # What of the last block was not made into words yet.
        self._block = b""

    def _refill(self) -> None:
        """Make some more words: they are taken from the end, of the list and of the block."""
        if not self._blocks:
            self._blocks = 1
            word_bits = int.from_bytes(blake2b(f"{self._seed}/{self.name}".encode()).digest(), "little") & _FIRST_MASK
            self._words += _first_unpacked(word_bits.to_bytes(_FIRST_BYTES, "little"))
            return
        if not self._block:
            words = _BLOCK_WORDS[0 if self._blocks == 1 else 1]
            self._block = shake_128(f"{self._blocks}/{self._seed}/{self.name}".encode()).digest(4 * words)
            self._blocks += 1
        size, mask, unpacked = _CHUNKS[0 if self._blocks == 2 else 1]
        word_bits = int.from_bytes(self._block[-size:], "little") & mask
        self._block = self._block[:-size]
        self._words += unpacked(word_bits.to_bytes(size, "little"))

    def _word(self) -> int:
        if not self._words:
            self._refill()
        return self._words.pop()

    def _draw(self, bound: int) -> int:
        # Own rejection sampling: the standard library promises the bits of a hash, not what randrange makes of some.
        if bound > _WORD_RANGE:
            return self._draw_wide(bound)
        words = self._words
        while True:
            if not words:
                self._refill()
            word = words.pop()
            choice = word % bound
            if word - choice <= _WORD_RANGE - bound:
                return choice

    def _draw_wide(self, bound: int) -> int:
        while True:
            word = (self._word() << WORD_BITS | self._word()) << WORD_BITS | self._word()
            choice = word % bound
            if word - choice <= _WIDE_RANGE - bound:
                return choice

    def below(self, bound: int) -> int:
        """Return an integer from 0 up to `bound` - 1. Raise ValueError when there is none, or above 64 bits."""
        if not 1 <= bound <= BOUND_MAX:
            raise ValueError(f"stream {self.name!r}: a bound must be from 1 to {BOUND_MAX}, not {bound}")
        if bound == 1:
            return 0
        if self._replays and self._channel.follows():
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
        if self._replays and self._channel.follows():
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

    def line_taker(self, line: deque[T]) -> Callable[[], T]:
        """Return a function that takes a drawn element out of `line`; the first one, overtaken, takes its place.

        Choice 0 takes the first, so a tape of zeros is first come, first served; each other choice is one overtaking.
        Made for the scheduler, who calls it at each step: words are drawn in bulk, and the remainder leans towards low
        numbers by less than one in a thousand as long as there are fewer than a million elements.
        Taking the only element draws nothing; taking from none raises IndexError.
        """
        if self._replays:
            return lambda: overtake(line, self.below(len(line)) if len(line) > 1 else 0)
        channel, words, first, refill = self._channel, self._words, line.popleft, self._refill
        bounds, choices = channel.new_bounds, channel.new_choices

        def take() -> T:
            bound = len(line)
            taken = first()
            if bound > 1:
                if not words:
                    refill()
                    channel.settle_if_long()
                index = words.pop() % bound
                bounds.append(bound)
                choices.append(index)
                if index:
                    index -= 1
                    line[index], taken = taken, line[index]
            return taken

        return take

    def line_picks(self, line: deque[T]) -> Iterator[T | None]:
        """Yield the elements that such a function would return, for ever, and None whenever there is no element.

        A loop over it makes no call, which is a good deal quicker, once per step.
        """
        if self._replays:
            taker = self.line_taker(line)
            while True:
                yield taker() if line else None
        channel, words, first, refill = self._channel, self._words, line.popleft, self._refill
        bounds, choices = channel.new_bounds, channel.new_choices
        while True:
            bound = len(line)
            if bound < 2:
                yield first() if bound else None
                continue
            if not words:
                refill()
                channel.settle_if_long()
            index = words.pop() % bound
            bounds.append(bound)
            choices.append(index)
            taken = first()
            if index:
                index -= 1
                line[index], taken = taken, line[index]
            yield taken

    def unrecorded(self) -> Callable[[], int]:
        """Return a function that draws 30-bit words without a trace on the tape.

        For who records what comes of the words instead, such as a strategy that draws priorities and records picks.
        """
        words, refill = self._words, self._refill

        def word() -> int:
            if not words:
                refill()
            return words.pop()

        return word

    def unrecorded_in_bulk(self) -> tuple[list[int], Callable[[], None]]:
        """Return the list of such words to pop from, and what to call when it is empty, for whom a call is too slow."""
        return self._words, self._refill

    def follow(self, bound: int) -> int | None:
        """Return the next choice if the tape has one to follow, and record it; None if the choice is the caller's."""
        if self._replays and self._channel.follows():
            return self._channel.scripted(bound)
        return None

    @property
    def continues(self) -> bool:
        """Whether there may be choices to follow before the caller's own."""
        return self._channel.continues

    def record(self, bound: int, choice: int) -> None:
        """Put on the tape a choice that the caller made by itself."""
        self._channel.record(bound, choice)

    def recorder(self) -> tuple[list[int], list[int], Callable[[], None]]:
        """Return the lists of bounds and of choices to add to, for whom a call is too slow, and what to call now and
        then to empty them."""
        return self._channel.new_bounds, self._channel.new_choices, self._channel.settle


def overtake(line: deque[T], index: int) -> T:
    """Take the element at `index` out of the line; the first one takes its place."""
    taken = line.popleft()
    if index:
        line[index - 1], taken = taken, line[index - 1]
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

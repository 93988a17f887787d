"""The tape: every choice of a run, per named stream, as (bound, choice).

Why: the tape alone replays a run, whatever the seed, and a shrinker edits it. So each choice is small (0 is the
plainest one), carries the bound it was drawn under, and costs sixteen bytes.

Laws: choices come back in the order in which they were recorded, stream by stream. Past the end of a stream's record
each choice is 0. A strict replay that is asked for another bound than the recorded one has left the recorded run, and
says so (NonDeterminism, with stream and index); a lenient one, for edited tapes, takes the choice if it fits, else 0.
A tape that replays also records what was really drawn, so an edited tape can be read back in its canonical form.
A tape that continues gives a prefix back, strictly, and lets each stream draw anew past its end.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from kelpie_sim.errors import NonDeterminism

FORMAT_VERSION = 1
BOUND_MAX = 2**64 - 1
# A tape of a few choices is its own fingerprint: to start a hash takes longer than to keep them.
FINGERPRINT_BYTES, FINGERPRINT_BYTES_MAX = 16, 128
_BATCH = 1_024
# What a channel has before its first batch; it is never added to. Copied and filled, it is also the quickest way to an
# array: the constructor looks at each number twice, and tells the interpreter's audit hooks.
_NOTHING = array("Q")


def packed(values: list[int]) -> array[int]:
    """Return numbers of up to 64 bits as an array."""
    words = _NOTHING[:]
    words.fromlist(values)
    return words


class Channel:
    """The record of one stream, and the script to follow when it replays.

    New choices go into plain lists, which is what the scheduler can afford at each step, and move to arrays in batches.
    """

    __slots__ = ("_bounds", "_choices", "continues", "name", "new_bounds", "new_choices", "script", "strict")

    def __init__(self, name: str, script: Channel | None, strict: bool, continues: bool = False) -> None:
        self.name = name
        self.continues = continues
        self.new_bounds: list[int] = []
        self.new_choices: list[int] = []
        self._bounds = self._choices = _NOTHING
        self.script = script
        self.strict = strict

    def __len__(self) -> int:
        return len(self._choices) + len(self.new_choices)

    def record(self, bound: int, choice: int) -> None:
        """Add a choice; `bound` is at most BOUND_MAX."""
        self.new_bounds.append(bound)
        self.new_choices.append(choice)
        if len(self.new_bounds) > _BATCH:
            self.settle()

    def settle(self) -> None:
        """Move the new choices to the arrays; who records past `record` calls this now and then."""
        if not self.new_choices:
            return
        if self._choices:
            self._bounds.extend(self.new_bounds)
            self._choices.extend(self.new_choices)
        else:
            self._bounds, self._choices = packed(self.new_bounds), packed(self.new_choices)
        self.new_bounds.clear()
        self.new_choices.clear()

    def settle_if_long(self) -> None:
        """Do so once there is a batch of them; for less it would not pay."""
        if len(self.new_choices) > _BATCH:
            self.settle()

    def bounds(self) -> array[int]:
        """Return all bounds, in order."""
        self.settle()
        return self._bounds

    def choices(self) -> array[int]:
        """Return all choices, in order."""
        self.settle()
        return self._choices

    def encoded(self) -> bytes:
        """Return the name and all choices as bytes, nothing if there are none."""
        bounds, choices = self.new_bounds, self.new_choices
        if self._choices:
            bounds, choices = self.bounds().tolist(), self.choices().tolist()
        elif not choices:
            return b""
        try:
            # Most bounds are small, and a byte each is eight times less to hash.
            content = bytes(bounds) + bytes(choices)
        except ValueError:
            content = packed(bounds + choices).tobytes()
        return f"{len(self.name)} {self.name} {len(choices)} {len(content)} ".encode() + content

    def follows(self) -> bool:
        """Return whether the next choice of a tape that replays or continues is the script's."""
        return not self.continues or (self.script is not None and len(self) < len(self.script))

    def scripted(self, bound: int) -> int:
        """Return the next choice of the script, and record it. Raise NonDeterminism as the module says."""
        script, index = self.script, len(self)
        choice = 0
        if script is not None and index < len(script):
            choice = self._checked(script, index, bound)
        self.record(bound, choice)
        return choice

    def _checked(self, script: Channel, index: int, bound: int) -> int:
        choice, recorded = script.choices()[index], script.bounds()[index]
        if recorded == bound:
            return choice
        if self.strict:
            raise NonDeterminism(
                f"stream {self.name!r}, choice {index}: one of {bound} is asked, one of {recorded} was recorded"
            )
        return choice if choice < bound else 0


class Tape:
    """The recorded choices of a run. `Tape()` records, `Tape.replaying(...)` gives them back, and
    `Tape.continuing(...)` does one after the other."""

    __slots__ = ("_channels", "_script", "_strict", "continues")

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}
        self._script: Tape | None = None
        self._strict = True
        self.continues = False

    @classmethod
    def of(cls, streams: Mapping[str, Iterable[tuple[int, int]]]) -> Tape:
        """Return a tape with the given (bound, choice) pairs. Raise ValueError for a choice outside its bound."""
        tape = cls()
        for name, pairs in streams.items():
            channel = tape.channel(name)
            for bound, choice in pairs:
                if not 0 <= choice < bound <= BOUND_MAX:
                    raise ValueError(f"stream {name!r}: choice {choice} is not within its bound {bound}")
                channel.record(bound, choice)
        return tape

    @classmethod
    def replaying(cls, data: Tape | bytes, *, strict: bool = True) -> Tape:
        """Return a tape that gives the choices of `data` (a tape, or its JSON) back in order."""
        tape = cls()
        tape._script = data if isinstance(data, Tape) else cls.from_json(data)
        tape._strict = strict
        return tape

    @classmethod
    def continuing(cls, prefix: Tape | bytes) -> Tape:
        """Return a tape that gives the choices of a prefix back, and new ones in each stream where that ends."""
        tape = cls.replaying(prefix)
        tape.continues = True
        return tape

    @property
    def replays(self) -> bool:
        """Whether the choices come from a record, all of them or the first ones."""
        return self._script is not None

    def scripts(self, name: str) -> bool:
        """Return whether the record to follow has choices of the stream `name`."""
        return self._script is not None and bool(self._script.choices(name))

    def channel(self, name: str) -> Channel:
        """Return the record of the stream `name`, made at the first call."""
        channel = self._channels.get(name)
        if channel is None:
            script = self._script._channels.get(name) if self._script is not None else None
            channel = self._channels[name] = Channel(name, script, self._strict, self.continues)
        return channel

    def names(self) -> tuple[str, ...]:
        """Return the names of the streams that drew something, sorted."""
        return tuple(sorted(name for name, channel in self._channels.items() if len(channel)))

    def choices(self, name: str) -> list[tuple[int, int]]:
        """Return the (bound, choice) pairs of a stream, in order."""
        channel = self._channels.get(name)
        return [] if channel is None else list(zip(channel.bounds(), channel.choices(), strict=True))

    def lengths(self) -> dict[str, int]:
        """Return how many choices each stream has made so far: with `prefix`, a place to come back to."""
        return {name: len(channel) for name, channel in sorted(self._channels.items()) if len(channel)}

    def prefix(self, lengths: Mapping[str, int]) -> Tape:
        """Return the first choices of each stream, as many as `lengths` says; of a stream not named there, none."""
        return Tape.of({name: self.choices(name)[:length] for name, length in lengths.items()})

    def __len__(self) -> int:
        return sum(len(channel) for channel in self._channels.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tape):
            return NotImplemented
        return self.names() == other.names() and all(self.choices(n) == other.choices(n) for n in self.names())

    __hash__ = None  # type: ignore[assignment]  # A tape grows, so it cannot be a key.

    def fingerprint(self) -> bytes:
        """Return some bytes that differ when any recorded choice does."""
        content = b"".join([self._channels[name].encoded() for name in sorted(self._channels)])
        if len(content) <= FINGERPRINT_BYTES_MAX:
            return content
        return blake2b(content).digest()[:FINGERPRINT_BYTES]

    def to_json(self) -> bytes:
        """Return the tape as JSON: per stream the bounds and the choices."""
        streams = {
            name: {"bounds": channel.bounds().tolist(), "choices": channel.choices().tolist()}
            for name, channel in sorted(self._channels.items())
            if len(channel)
        }
        return json.dumps({"version": FORMAT_VERSION, "streams": streams}, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Tape:
        """Return the tape that `to_json` wrote. Raise ValueError for anything else."""
        try:
            document = json.loads(data)
            version = document["version"]
            streams = {n: zip(s["bounds"], s["choices"], strict=True) for n, s in document["streams"].items()}
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"this is not a tape: {error!r}") from error
        if version != FORMAT_VERSION:
            raise ValueError(f"this tape has format version {version!r}, not {FORMAT_VERSION}")
        return cls.of(streams)

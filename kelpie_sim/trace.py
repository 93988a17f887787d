"""What happened in a run, and a running digest of it: equal runs have equal digests.

Two accounts are kept apart, because one is written at every step of the loop and must cost next to nothing:
the *log* of the loop, a list of integers (which task stepped, when time moved, which task was born), hashed in batches;
and the *records* of everybody else, each stamped with the step, the virtual time and the task it was made by.

A trace that keeps holds both accounts as entries, in the order of events; lines, the timeline and the diff of two runs
are read from those.

Laws: a record holds integers, text and bytes, never a `repr` and never an address. Its encoding carries lengths and
kinds, so two different records never hash alike. A sealed trace takes nothing more: what dying code does is no part of
the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from marshal import dumps
from struct import Struct
from typing import Protocol

import attrs

from kelpie_sim.tape import packed

Field = int | str | bytes

# Each entry of the log is a value shifted by LOG_SHIFT, plus what kind of value it is.
LOG_SHIFT = 2
LOG_STEP, LOG_TIME, LOG_BIRTH = 0, 1, 2
LOG_LENGTH_MAX = 8_192
_PENDING_MAX = 256
# How pending records become bytes: with kinds and lengths, by content alone (later formats look at addresses), in C. A
# list begins with its kind and its length, which are left out: a digest must not depend on when the batches end. So do
# a tuple, and a text.
_MARSHAL_FORMAT, _LIST_HEAD_BYTES = 2, 5
_PLAIN = frozenset((int, str, bytes))
# What a trace is made of, and up to how many bytes each part is kept as it is: to start a hash, and to end it, costs
# more than to hash what a small run leaves. Past that a running hash stands for it; so the content alone decides.
_STEPS, _NAMES, _RECORDS = range(3)
_PLAIN_BYTES_MAX = 4_096
_LENGTHS = Struct("<3Q")
DIGEST_BYTES = 16
# The kinds of the entries that are not records but come from the log of the loop.
STEP, BORN = "step", "born"


@attrs.frozen(kw_only=True)
class Entry:
    """What happened at one point of a run: a record, a step of a task, or the birth of one."""

    step: int
    """How many steps the loop had taken, this one included."""
    time_ns: int
    serial: int
    """The task that ran; of a birth, the task that was born. 0: none."""
    kind: str
    fields: tuple[Field, ...] = ()

    @property
    def line(self) -> str:
        """The entry as a line of text."""
        seconds, rest = divmod(self.time_ns, 1_000_000_000)
        shown = "".join(f" {field!r}" for field in self.fields)
        return f"{seconds}.{rest:09d} task {self.serial}: {self.kind}{shown}"


class Clock(Protocol):
    """What stamps a record: the loop."""

    @property
    def steps(self) -> int: ...
    @property
    def time_ns(self) -> int: ...
    def current_serial(self) -> int: ...


class Trace:
    """The account of one run. With `keep`, its entries are kept too, to look at the run."""

    __slots__ = (
        "_accounts", "_clock", "_entries", "_log_steps", "_log_time_ns", "_pending", "_sealed", "count", "log", "names",
    )  # fmt: skip

    def __init__(self, keep: bool = False) -> None:
        self.count = 0
        self.log: list[int] = []
        self.names: list[str] = []
        self._entries: list[Entry] | None = [] if keep else None
        # Steps, names and records, each by itself, so that the digest does not depend on when the batches end.
        self._accounts: list[bytes | blake2b] = [b"", b"", b""]
        self._pending: list[tuple[tuple[int, int, int], str, tuple[Field, ...]]] = []
        self._clock: Clock | None = None
        self._log_time_ns = 0
        self._log_steps = 0
        self._sealed = False

    def bind(self, clock: Clock) -> None:
        """Take the stamps of all later records from `clock`."""
        self._clock = clock

    def record(self, kind: str, *fields: Field) -> None:
        """Add a record. Raise TypeError for a field that is not an integer, text or bytes."""
        if self._sealed:
            return
        if not _PLAIN.issuperset(map(type, fields)):
            fields = tuple(map(_plain, fields))
        clock = self._clock
        stamp = (0, 0, 0) if clock is None else (clock.steps, clock.time_ns, clock.current_serial())
        self._pending.append((stamp, kind, fields))
        self.count += 1
        if self._entries is not None:
            self._drain_log()
            self._entries.append(Entry(step=stamp[0], time_ns=stamp[1], serial=stamp[2], kind=kind, fields=fields))
        if len(self._pending) >= _PENDING_MAX:
            self._drain_records()

    def digest(self) -> str:
        """Return the digest of everything so far, as hex."""
        if not self._sealed:
            self._drain_log()
            self._drain_records()
        log, names, records = [each if isinstance(each, bytes) else each.digest() for each in self._accounts]
        head = _LENGTHS.pack(len(log), len(names), len(records))
        # Cut short: to ask for a short one takes as long as the hash itself.
        return blake2b(head + log + names + records).digest()[:DIGEST_BYTES].hex()

    def entries(self) -> tuple[Entry, ...]:
        """Return an entry per step, birth and record, in order; nothing unless kept."""
        self._drain_log()
        return () if self._entries is None else tuple(self._entries)

    def lines(self) -> list[str]:
        """Return the same as lines of text."""
        return [entry.line for entry in self.entries()]

    def seal(self) -> None:
        """Take no more records and no more steps."""
        if not self._sealed and self._entries is None:
            self._drain_names_and_records()
            self._drain_steps()
        if self.log or self.names or self._pending:
            self._drain_log()
            self._drain_records()
        self._sealed = True

    def trim(self) -> None:
        """Hash the log away if it has grown long. The loop calls this now and then."""
        if len(self.log) > LOG_LENGTH_MAX:
            self._drain_log()

    def _drain_log(self) -> None:
        if self._sealed:
            self.log.clear()
            self.names.clear()
            return
        if self._entries is not None:
            self._keep_log(self._entries)
        self._drain_steps()
        if self.names:
            self._add(_NAMES, dumps(self.names, _MARSHAL_FORMAT)[_LIST_HEAD_BYTES:])
            self.names.clear()

    def _drain_steps(self) -> None:
        if self.log:
            self._add(_STEPS, packed(self.log).tobytes())
            self.log.clear()

    def _drain_records(self) -> None:
        if self._pending and not self._sealed:
            self._add(_RECORDS, dumps(self._pending, _MARSHAL_FORMAT)[_LIST_HEAD_BYTES:])
        self._pending.clear()

    def _drain_names_and_records(self) -> None:
        """Do both by one call, since the interpreter tells its audit hooks of each, which takes longer."""
        names, pending = self.names, self._pending
        if names and pending:
            both = dumps((names, pending), _MARSHAL_FORMAT)
            start = 2 * _LIST_HEAD_BYTES
            text = "".join(names)
            size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
            end = start + _LIST_HEAD_BYTES * len(names) + size
            self._add(_NAMES, both[start:end])
            self._add(_RECORDS, both[end + _LIST_HEAD_BYTES :])
            names.clear()
            pending.clear()

    def _add(self, account: int, data: bytes) -> None:
        before = self._accounts[account]
        if not before and len(data) <= _PLAIN_BYTES_MAX:
            self._accounts[account] = data
        elif isinstance(before, bytes):
            data = before + data if before else data
            self._accounts[account] = data if len(data) <= _PLAIN_BYTES_MAX else blake2b(data)
        else:
            before.update(data)

    def _keep_log(self, entries: list[Entry]) -> None:
        names = iter(self.names)
        for entry in self.log:
            kind, value = entry & ((1 << LOG_SHIFT) - 1), entry >> LOG_SHIFT
            if kind == LOG_TIME:
                self._log_time_ns = value
            elif kind == LOG_BIRTH:
                entries.append(self._logged(value, BORN, (next(names),)))
            else:
                self._log_steps += 1
                entries.append(self._logged(value, STEP))

    def _logged(self, serial: int, kind: str, fields: tuple[Field, ...] = ()) -> Entry:
        return Entry(step=self._log_steps, time_ns=self._log_time_ns, serial=serial, kind=kind, fields=fields)


def first_difference(a_lines: Sequence[str], b_lines: Sequence[str]) -> tuple[int, str, str] | None:
    """Return the index of the first line that differs, with both lines ("" past an end), or None if there is none."""
    for index in range(max(len(a_lines), len(b_lines))):
        a_line = a_lines[index] if index < len(a_lines) else ""
        b_line = b_lines[index] if index < len(b_lines) else ""
        if index >= len(a_lines) or index >= len(b_lines) or a_line != b_line:
            return index, a_line, b_line
    return None


def _plain(field: Field) -> Field:
    """Return a field as one of the three kinds themselves: a bool is an integer, an enum's text is text."""
    if isinstance(field, str):
        return str.__str__(field)
    if isinstance(field, bytes | int):
        return bytes(field) if isinstance(field, bytes) else int(field)
    raise TypeError(f"a trace holds integers, text and bytes, not a {type(field).__name__}")

"""What happened in a run, and a running digest of it: equal runs have equal digests.

Two accounts are kept apart, because one is written at every step of the loop and must cost next to nothing:
the *log* of the loop, a list of integers (which task stepped, when time moved, which task was born), hashed in batches;
and the *records* of everybody else, each stamped with the step, the virtual time and the task it was made by.

Laws: a record holds integers, text and bytes, never a `repr` and never an address. Its encoding carries lengths and
kinds, so two different records never hash alike. A sealed trace takes nothing more: what dying code does is no part of
the run.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

# Each entry of the log is a value shifted by LOG_SHIFT, plus what kind of value it is.
LOG_SHIFT = 2
LOG_STEP, LOG_TIME, LOG_BIRTH = 0, 1, 2
LOG_LENGTH_MAX = 8_192
_PENDING_BYTES_MAX = 65_536
_STAMP = struct.Struct("<QQQI").pack
_FIELD = struct.Struct("<cI").pack


class Clock(Protocol):
    """What stamps a record: the loop."""

    @property
    def steps(self) -> int: ...
    @property
    def time_ns(self) -> int: ...
    def current_serial(self) -> int: ...


class Trace:
    """The account of one run. With `keep`, the lines are kept too, to find where two runs part."""

    __slots__ = (
        "_clock", "_lines", "_log_hash", "_log_time_ns", "_name_hash", "_pending", "_record_hash", "_sealed",
        "count", "log", "names",
    )  # fmt: skip

    def __init__(self, keep: bool = False) -> None:
        self.count = 0
        self.log: list[int] = []
        self.names: list[str] = []
        self._lines: list[str] | None = [] if keep else None
        # A hash each, so that the digest does not depend on when the batches end.
        self._log_hash = blake2b(digest_size=16)
        self._name_hash = blake2b(digest_size=16)
        self._record_hash = blake2b(digest_size=16)
        self._pending = bytearray()
        self._clock: Clock | None = None
        self._log_time_ns = 0
        self._sealed = False

    def bind(self, clock: Clock) -> None:
        """Take the stamps of all later records from `clock`."""
        self._clock = clock

    def record(self, kind: str, *fields: int | str | bytes) -> None:
        """Add a record. Raise TypeError for a field that is not an integer, text or bytes."""
        if self._sealed:
            return
        clock = self._clock
        stamp = (0, 0, 0) if clock is None else (clock.steps, clock.time_ns, clock.current_serial())
        pending = self._pending
        pending += _STAMP(*stamp, len(fields))
        _encode(pending, kind)
        for field in fields:
            _encode(pending, field)
        self.count += 1
        if self._lines is not None:
            self._drain_log()
            self._lines.append(_line(stamp[1], stamp[2], kind, fields))
        if len(pending) > _PENDING_BYTES_MAX:
            self._drain_records()

    def digest(self) -> str:
        """Return the digest of everything so far, as hex."""
        self._drain_log()
        self._drain_records()
        parts = self._log_hash.digest() + self._name_hash.digest() + self._record_hash.digest()
        return blake2b(parts, digest_size=16).hexdigest()

    def lines(self) -> list[str]:
        """Return a line per step, move of time, birth and record, in order; nothing unless kept."""
        self._drain_log()
        return [] if self._lines is None else list(self._lines)

    def seal(self) -> None:
        """Take no more records and no more steps."""
        self._drain_log()
        self._drain_records()
        self._sealed = True

    def trim(self) -> None:
        """Hash the log away if it has grown long. The loop calls this now and then."""
        if len(self.log) > LOG_LENGTH_MAX:
            self._drain_log()

    def _drain_log(self) -> None:
        if self._lines is not None and not self._sealed:
            self._keep_log(self._lines)
        if not self._sealed:
            self._log_hash.update(array("Q", self.log).tobytes())
            for name in self.names:
                label = name.encode(errors="surrogatepass")
                self._name_hash.update(b"%d " % len(label) + label)
        self.log.clear()
        self.names.clear()

    def _drain_records(self) -> None:
        if not self._sealed:
            self._record_hash.update(self._pending)
        self._pending.clear()

    def _keep_log(self, lines: list[str]) -> None:
        names = iter(self.names)
        for entry in self.log:
            kind, value = entry & ((1 << LOG_SHIFT) - 1), entry >> LOG_SHIFT
            if kind == LOG_TIME:
                self._log_time_ns = value
            elif kind == LOG_BIRTH:
                lines.append(_line(self._log_time_ns, value, "born", (next(names),)))
            else:
                lines.append(_line(self._log_time_ns, value, "step", ()))


def first_difference(a_lines: Sequence[str], b_lines: Sequence[str]) -> tuple[int, str, str] | None:
    """Return the index of the first line that differs, with both lines ("" past an end), or None if there is none."""
    for index in range(max(len(a_lines), len(b_lines))):
        a_line = a_lines[index] if index < len(a_lines) else ""
        b_line = b_lines[index] if index < len(b_lines) else ""
        if index >= len(a_lines) or index >= len(b_lines) or a_line != b_line:
            return index, a_line, b_line
    return None


def _encode(pending: bytearray, field: int | str | bytes) -> None:
    if isinstance(field, str):
        data, kind = field.encode(errors="surrogatepass"), b"s"
    elif isinstance(field, bytes):
        data, kind = field, b"b"
    elif isinstance(field, int):
        data, kind = b"%d" % field, b"i"
    else:
        raise TypeError(f"a trace holds integers, text and bytes, not a {type(field).__name__}")
    pending += _FIELD(kind, len(data))
    pending += data


def _line(time_ns: int, serial: int, kind: str, fields: Sequence[int | str | bytes]) -> str:
    seconds, rest = divmod(time_ns, 1_000_000_000)
    shown = "".join(f" {field!r}" for field in fields)
    return f"{seconds}.{rest:09d} task {serial}: {kind}{shown}"

"""The journal of a campaign: what is done so far, on disk, so that one that was cut off goes on where it stood.

A line of JSON per batch, after a first line that says what campaign it is. A last line that was cut off in the middle
counts as never written: its batch runs again. A journal of another campaign is refused.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import attrs
import msgspec

from kelpie_sim.batch import Batch
from kelpie_sim.faults import FaultReport
from kelpie_sim.outcome import Finding, FindingKind, Outcome
from kelpie_sim.tally import Found, Row

FORMAT_VERSION = 1


class BadJournal(ValueError):
    """A file is no journal, or that of another campaign. The message names it."""


@attrs.frozen(kw_only=True)
class Header:
    """What campaign it is: what must be the same to go on."""

    module: str
    scenarios: tuple[str, ...]
    base_seed: str
    strategy: str
    version: int = FORMAT_VERSION


@attrs.frozen(kw_only=True)
class Done:
    """A batch that came back: `count` seeds of a round from `first` on, and what they came to."""

    scenario: str
    round: int
    first: int
    count: int
    row: Row


class Journal:
    """What is done, and a file to write down what comes."""

    def __init__(self, path: Path, header: Header) -> None:
        """Open the journal at a path, or begin one. Raise BadJournal for a file that is not this campaign's."""
        self.done: list[Done] = []
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = self._read(header) if path.exists() else 0
        self._file: BinaryIO = path.open("ab")
        self._file.truncate(whole)
        if not whole:
            self._write(header)

    def _read(self, header: Header) -> int:
        """Take in what is there, and return how many bytes of it are whole lines."""
        data = self._path.read_bytes()
        whole = data.rfind(b"\n") + 1
        lines = iter(data[:whole].splitlines())
        try:
            first = next(lines, None)
            if first is not None and msgspec.json.decode(first, type=Header) != header:
                raise BadJournal(f"{self._path} is the journal of another campaign: give another file")
            self.done = [_done(msgspec.json.decode(line)) for line in lines]
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError) as error:
            raise BadJournal(f"{self._path} is no journal of a campaign: {error}") from error
        return whole

    def add(self, batch: Batch, row: Row) -> None:
        """Write down that a batch is done, past the reach of a crash."""
        done = Done(scenario=batch.scenario, round=batch.round, first=batch.first, count=row.seeds, row=row)
        self.done.append(done)
        self._write(done)

    def _write(self, line: Header | Done) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def gaps(self, scenario: str, round: int, count: int) -> Iterator[int]:
        """Yield which of a round's seeds are not done."""
        known = {
            index
            for done in self.done
            if (done.scenario, done.round) == (scenario, round)
            for index in range(done.first, done.first + done.count)
        }
        return (index for index in range(count) if index not in known)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def _done(data: dict[str, Any]) -> Done:
    return Done(**{**data, "row": _row(data["row"])})


def _row(data: dict[str, Any]) -> Row:
    return Row(**{**data, "faults": _reports(data["faults"]), "found": _found(data["found"])})


def _reports(data: Mapping[str, Any]) -> dict[str, FaultReport]:
    return {kind: FaultReport(**report) for kind, report in data.items()}


def _found(data: Mapping[str, Any]) -> dict[str, Found]:
    return {
        signature: Found(outcome=_outcome(found["outcome"]), seeds=found["seeds"]) for signature, found in data.items()
    }


def _outcome(data: dict[str, Any]) -> Outcome:
    """Return a failed run; its trace is not kept in a campaign."""
    finding = {**data["finding"], "kind": FindingKind(data["finding"]["kind"])}
    made: dict[str, Any] = {
        "finding": Finding(**finding),
        "faults": tuple(FaultReport(**report) for report in data["faults"]),
        "story": tuple(data["story"]),
        "tape": msgspec.convert(data["tape"], bytes),
    }
    known = {field.name for field in attrs.fields(Outcome)} - {"entries"}
    return Outcome(**{name: made.get(name, value) for name, value in data.items() if name in known})

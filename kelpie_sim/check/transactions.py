"""Transactions as checkers read them: what each read from outside, what it wrote, and what contradicts itself.

A history holds a transaction as one operation. Its argument `steps` is what was asked, its answer `steps` the same with
what the reads saw:

    asked       ("append", key, value)      ("write", key, value)       ("read", key)
    answered    the same                    the same                    ("read", key, value)

Lists grow by `append`, and are read as tuples; registers are set by `write`. Law for workloads: a value is written to a
key at most once in a history, so that each value tells who wrote it. That is what makes the histories of Elle (K.
Kingsbury and P. Alvaro, "Elle: inferring isolation anomalies from experimental observations", VLDB 2020) so telling.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Literal

import attrs

from kelpie_sim.check.operations import Operation, OutcomeName

Kind = Literal["list", "register"]
Key = Hashable
Value = Hashable

WRITE_OF: Mapping[Kind, str] = {"list": "append", "register": "write"}


@attrs.frozen(kw_only=True)
class Transaction:
    """A transaction, with what it saw of others and what others may see of it."""

    index: int
    process: str
    outcome: OutcomeName
    start: int
    end: int | None
    """None while its outcome is unknown: it may take effect at any time."""
    reads: Mapping[Key, Value]
    """Per key the version that it saw and that was not its own."""
    writes: Mapping[Key, tuple[Value, ...]]
    contradictions: tuple[str, ...] = ()
    """Where it does not agree with itself: reads that changed, own writes that it did not see."""

    @property
    def name(self) -> str:
        """How stories call it."""
        return f"T{self.index}"


def transactions_of(operations: Iterable[Operation], kind: Kind, *, name: str = "transaction") -> list[Transaction]:
    """Return the transactions of a history. Raise ValueError for steps that are none, or a value written twice."""
    found = [_transaction(operation, kind) for operation in operations if operation.name == name]
    seen: set[tuple[Key, Value]] = set()
    for transaction in found:
        for key, values in transaction.writes.items():
            for value in values:
                if (key, value) in seen:
                    raise ValueError(f"value {value!r} is written to {key!r} twice: no reader can tell by whom")
                seen.add((key, value))
    return found


def _transaction(operation: Operation, kind: Kind) -> Transaction:
    answered = operation.outcome == "ok"
    steps = (operation.result if answered else operation.arguments).get("steps")
    if not isinstance(steps, tuple):
        where = "answer" if answered else "arguments"
        raise ValueError(f"operation {operation.index} has no steps in its {where}: it is no transaction")
    reader = _Reader(kind)
    for step in steps:
        reader.take(step, operation.index, answered=answered)
    return Transaction(
        index=operation.index,
        process=operation.process,
        outcome=operation.outcome,
        start=operation.start,
        end=operation.end if answered else None,
        reads=reader.reads,
        writes={key: tuple(values) for key, values in reader.writes.items()},
        contradictions=tuple(reader.contradictions),
    )


class _Reader:
    """Goes through the steps of one transaction and keeps what it knows of each key."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.reads: dict[Key, Value] = {}
        self.writes: dict[Key, list[Value]] = {}
        self.contradictions: list[str] = []

    def take(self, step: object, index: int, *, answered: bool) -> None:
        """Take one step; raise ValueError if it is none."""
        match step:
            case (name, key, value) if name == WRITE_OF[self.kind]:
                self.writes.setdefault(key, []).append(value)
            case ("read", key, value) if answered and self.kind == "register":
                self._read_register(key, value)
            case ("read", key, tuple(value)) if answered:
                self._read_list(key, value)
            case ("read", _, *_) if not answered:
                pass
            case _:
                raise ValueError(f"operation {index}: {step!r} is no step of a transaction on {self.kind}s")

    def _read_register(self, key: Key, value: Value) -> None:
        own = self.writes.get(key)
        expected = own[-1] if own else self.reads.setdefault(key, value)
        if value != expected:
            self.contradictions.append(f"it read {key!r} as {value!r}, having {_had(own)} {expected!r}")

    def _read_list(self, key: Key, value: tuple[Value, ...]) -> None:
        own = tuple(self.writes.get(key, ()))
        base, tail = value[: len(value) - len(own)], value[len(value) - len(own) :]
        if tail != own:
            self.contradictions.append(f"it read {key!r} as {value!r}, having appended {own!r}")
        elif base != self.reads.setdefault(key, base):
            self.contradictions.append(f"it read {key!r} as {value!r}, and as {self.reads[key]!r} before")


def _had(own: list[Value] | None) -> str:
    return "written" if own else "read"

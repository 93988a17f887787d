"""What a checker reads: the operations of a history as plain values, live or read back from a file.

A recorder (history.py) is a machine that belongs to a run; an `Operation` is what is left of it: who asked for what,
what came back, and when. Its values can be put into sets (lists have become tuples, mappings their sorted pairs), so a
model can keep them in its state. JSON lines hold a history without loss of anything a checker compares: text, numbers,
bytes, tuples and sets come back as they were; anything else comes back as its canonical text, equal for equal values.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import attrs

from kelpie_sim.check.values import canonical, frozen

OutcomeName = Literal["ok", "fail", "info"]

FORMAT_VERSION = 1
_SCALARS = (int, float, str, type(None))


@attrs.frozen(kw_only=True)
class Operation:
    """One operation of a client, with its outcome."""

    index: int
    process: str
    name: str
    arguments: Mapping[str, object] = attrs.field(factory=dict)
    outcome: OutcomeName = attrs.field(default="ok", validator=attrs.validators.in_(get_args(OutcomeName)))
    result: Mapping[str, object] = attrs.field(factory=dict)
    """Empty unless the outcome is ok."""
    error: str = ""
    start: int
    """The place of its invocation among all invocations and answers of the history."""
    end: int | None = None
    """The place of its answer; None while nobody was told anything."""
    invoked_ns: int = 0
    completed_ns: int | None = None

    @property
    def happened(self) -> bool:
        """Whether it certainly happened, and its result is known."""
        return self.outcome == "ok"

    @property
    def may_have_happened(self) -> bool:
        """Whether it may have: all but those that certainly failed."""
        return self.outcome != "fail"

    def __str__(self) -> str:
        asked = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        told = ", ".join(f"{name}={value!r}" for name, value in self.result.items()) or self.error
        return f"{self.process}: {self.name}({asked}) {self.outcome}{f' {told}' if told else ''}"


def to_jsonl(operations: Iterable[Operation]) -> str:
    """Return a head line with the format, then a line of JSON per operation."""
    lines = [json.dumps({"history": FORMAT_VERSION})]
    for operation in operations:
        fields = {field.name: getattr(operation, field.name) for field in attrs.fields(Operation)}
        fields["arguments"] = _to_json_values(operation.arguments)
        fields["result"] = _to_json_values(operation.result)
        lines.append(json.dumps(fields, separators=(",", ":")))
    return "\n".join(lines) + "\n"


def from_jsonl(text: str) -> tuple[Operation, ...]:
    """Return the operations that `to_jsonl` wrote. Raise ValueError, with the line, for anything else."""
    operations: list[Operation] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            fields = json.loads(line)
            if number == 1:
                _check_head(fields)
                continue
            fields["arguments"] = _from_json_values(fields["arguments"])
            fields["result"] = _from_json_values(fields["result"])
            operations.append(Operation(**fields))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"line {number} of the history: {error}") from error
    if not text.strip():
        raise ValueError("an empty text is no history")
    return tuple(operations)


def _check_head(head: object) -> None:
    if head != {"history": FORMAT_VERSION}:
        raise ValueError(f"not the head of a history of version {FORMAT_VERSION}: {head!r}")


def _to_json_values(values: Mapping[str, object]) -> dict[str, object]:
    return {name: _to_json(frozen(value)) for name, value in values.items()}


def _from_json_values(values: Mapping[str, object]) -> dict[str, object]:
    return {name: _from_json(value) for name, value in values.items()}


def _to_json(value: object) -> object:
    if not isinstance(value, (*_SCALARS, tuple, frozenset, bytes)):
        return canonical(value)
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, frozenset):
        return {"set": [_to_json(item) for item in sorted(value, key=canonical)]}
    return {"bytes": value.hex()} if isinstance(value, bytes) else value


def _from_json(value: object) -> object:
    if isinstance(value, list):
        return tuple(_from_json(item) for item in value)
    if isinstance(value, dict):
        (kind, content), *_ = value.items()
        return bytes.fromhex(content) if kind == "bytes" else frozenset(_from_json(item) for item in content)
    return value

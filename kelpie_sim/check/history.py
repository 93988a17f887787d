"""The history of a run: what clients asked for, when, and what they were told.

Checkers judge a program by its history alone. So the outcome of an operation has to be told honestly:

- ok    it happened, and this is the answer
- fail  it certainly did not happen
- info  nobody knows: the client gave up, or died, or the answer was lost. An operation without outcome counts as this.

Every entry goes into the trace, hence into the digest: two runs with equal digests told their clients the same.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime, time
from enum import Enum
from typing import Literal

import attrs

from kelpie_sim.trace import Trace

OutcomeName = Literal["ok", "fail", "info"]

STORY_CHARS_MAX = 160
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@attrs.define(eq=False, kw_only=True)
class Op:
    """One operation of a client. Exactly one of `ok`, `fail`, `info` ends it."""

    index: int
    process: str
    """Who asks, one thing at a time: a client, a connection."""
    operation: str
    arguments: Mapping[str, object]
    invoked_ns: int
    outcome: OutcomeName = "info"
    result: Mapping[str, object] = attrs.field(factory=dict)
    error: str = ""
    completed_ns: int | None = None
    """None while nobody was told anything."""
    _history: "History" = attrs.field(repr=False)

    def ok(self, **result: object) -> None:
        """Record that it happened, with the answer."""
        self.result = result
        self._complete("ok", canonical(result))

    def fail(self, error: BaseException | str) -> None:
        """Record that it certainly did not happen."""
        self.error = described(error)
        self._complete("fail", self.error)

    def info(self, error: BaseException | str) -> None:
        """Record that nobody knows whether it happened, or ever will."""
        self.error = described(error)
        self._complete("info", self.error)

    def _complete(self, outcome: OutcomeName, text: str) -> None:
        assert self.completed_ns is None, f"operation {self.index} ({self.operation}) ends twice"
        self.outcome = outcome
        self.completed_ns = self._history.now_ns()
        self._history.trace.record("op " + outcome, self.index, text)
        self._history.tell(f"{self.process}: {self.operation} {self.index} {outcome} {_brief(text)}")


def _say_nothing(line: str) -> None:
    pass


class History:
    """All operations of a run, in the order in which they were invoked."""

    def __init__(self, now_ns: Callable[[], int], trace: Trace, tell: Callable[[str], None] = _say_nothing) -> None:
        self.now_ns = now_ns
        self.trace = trace
        self.tell = tell
        self._operations: list[Op] = []

    def invoke(self, process: str, operation: str, **arguments: object) -> Op:
        """Record that a process asks for something; the answer is told to what is returned."""
        index = len(self._operations)
        op = Op(
            index=index,
            process=process,
            operation=operation,
            arguments=arguments,
            invoked_ns=self.now_ns(),
            history=self,
        )
        self._operations.append(op)
        text = canonical(arguments)
        self.trace.record("op invoke", index, process, operation, text)
        self.tell(f"{process}: {operation} {index} {_brief(text)}")
        return op

    @asynccontextmanager
    async def operation(
        self, process: str, operation: str, *, certain: tuple[type[Exception], ...] = (), **arguments: object
    ) -> AsyncIterator[Op]:
        """Record what the body does as one operation; an error leaves the body again.

        The body ends it with `op.ok(...)`, or by reaching its end. An error of the kinds in `certain` says that nothing
        happened; after any other, nobody knows.
        """
        op = self.invoke(process, operation, **arguments)
        try:
            yield op
        except BaseException as error:
            if op.completed_ns is None:
                (op.fail if isinstance(error, certain) else op.info)(error)
            raise
        if op.completed_ns is None:
            op.ok()

    def __iter__(self) -> Iterator[Op]:
        return iter(self._operations)

    def __len__(self) -> int:
        return len(self._operations)

    def of(self, operation: str, outcome: OutcomeName | None = None) -> tuple[Op, ...]:
        """Return the operations of one name, all or those of one outcome."""
        return tuple(op for op in self if op.operation == operation and outcome in (None, op.outcome))


def _brief(text: str) -> str:
    return text if len(text) <= STORY_CHARS_MAX else f"{text[:STORY_CHARS_MAX]}..."


def described(error: BaseException | str) -> str:
    """Return an error in a line that is the same in every process."""
    return error if isinstance(error, str) else _ADDRESS.sub("", f"{type(error).__name__}: {error}")


def canonical(value: object) -> str:
    """Return a text that is equal for equal values, in every process; raise TypeError for what has no such text."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if value is None or isinstance(value, int | float | str | bytes):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(sorted(f"{canonical(key)}: {canonical(item)}" for key, item in value.items())) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(canonical(item) for item in value) + "]"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(canonical(item) for item in value)) + "}"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, BaseException):
        return described(value)
    kind = type(value)
    if attrs.has(kind):
        fields = (f"{field.name}={canonical(getattr(value, field.name))}" for field in attrs.fields(kind))
        return f"{kind.__name__}({', '.join(fields)})"
    raise TypeError(f"a {type(value).__name__} has no text that is the same in every process: record its content")

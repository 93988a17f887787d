"""The history of a run: what clients asked for, when, and what they were told.

Checkers judge a program by its history alone. So the outcome of an operation has to be told honestly:

- ok    it happened, and this is the answer
- fail  it certainly did not happen
- info  nobody knows: the client gave up, or died, or the answer was lost. An operation without outcome counts as this.

Every entry goes into the trace, hence into the digest: two runs with equal digests told their clients the same. Entries
have a place in one order beside their time: much happens at one virtual instant, and who was told first still matters.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

import attrs

from kelpie_sim.check.operations import Operation, OutcomeName, to_jsonl
from kelpie_sim.check.values import canonical, described, frozen_values
from kelpie_sim.trace import Trace

STORY_CHARS_MAX = 160


@attrs.define(eq=False, kw_only=True)
class Op:
    """One operation of a client. Exactly one of `ok`, `fail`, `info` ends it."""

    index: int
    process: str
    """Who asks, one thing at a time: a client, a connection."""
    operation: str
    arguments: Mapping[str, object]
    invoked_ns: int
    start: int
    """Its place among all invocations and answers: of two at one instant, it tells which came first."""
    outcome: OutcomeName = "info"
    result: Mapping[str, object] = attrs.field(factory=dict)
    error: str = ""
    completed_ns: int | None = None
    """None while nobody was told anything."""
    end: int | None = None
    """The place of its answer."""
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

    def value(self) -> Operation:
        """Return the operation as a value, as it stands now."""
        return Operation(
            index=self.index,
            process=self.process,
            name=self.operation,
            arguments=frozen_values(self.arguments),
            outcome=self.outcome,
            result=frozen_values(self.result),
            error=self.error,
            start=self.start,
            end=self.end,
            invoked_ns=self.invoked_ns,
            completed_ns=self.completed_ns,
        )

    def _complete(self, outcome: OutcomeName, text: str) -> None:
        assert self.completed_ns is None, f"operation {self.index} ({self.operation}) ends twice"
        self.outcome = outcome
        self.completed_ns = self._history.now_ns()
        self.end = self._history.next_place()
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
        self._places = 0

    def next_place(self) -> int:
        """Return the place of an invocation or answer among all of them."""
        self._places += 1
        return self._places - 1

    def invoke(self, process: str, operation: str, **arguments: object) -> Op:
        """Record that a process asks for something; the answer is told to what is returned."""
        index = len(self._operations)
        op = Op(
            index=index,
            process=process,
            operation=operation,
            arguments=arguments,
            invoked_ns=self.now_ns(),
            start=self.next_place(),
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

    def operations(self) -> tuple[Operation, ...]:
        """Return all operations as values, as they stand now: what checkers read."""
        return tuple(op.value() for op in self)

    def to_jsonl(self) -> str:
        """Return the history as JSON lines; operations.from_jsonl reads them back, and checkers judge them again."""
        return to_jsonl(self.operations())


def _brief(text: str) -> str:
    return text if len(text) <= STORY_CHARS_MAX else f"{text[:STORY_CHARS_MAX]}..."

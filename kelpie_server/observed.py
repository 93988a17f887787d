"""The ports, observed: what a turn asks of the world is counted and has spans, and the core knows nothing of it.

What happened is read off the records that were committed: a run that was stored for the first time has begun, a run
that is stored as ended has ended, a step is a model's reply. So nothing is counted that did not take place.
"""

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from types import TracebackType
from typing import Protocol, TypeVar, runtime_checkable

import attrs
import structlog

from kelpie_core.errors import Conflict, ModelError, StoreError
from kelpie_core.json_types import JsonObject
from kelpie_core.keys import Key
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.step import Step
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn
from kelpie_core.ports import (
    AgentView,
    Clock,
    LanguageModel,
    ModelChunk,
    ModelFinished,
    ModelRequest,
    Ports,
    Store,
    ToolRunner,
    Transaction,
)
from kelpie_core.records import BY_KEY, Table
from kelpie_server.metrics import Metrics
from kelpie_server.spans import Attributes, NoSpans, Span, Spans

R = TypeVar("R")
# A run that another process ended leaves its span here; the oldest goes when there are more.
OPEN_TURNS_MAX = 10_000


@attrs.define(eq=False, kw_only=True)
class _Turn:
    """A turn at work here: its span, and when its run was stored last."""

    span: Span
    stored_at: dt.datetime


@attrs.define(eq=False, kw_only=True)
class Telemetry:
    """What a server tells of itself."""

    metrics: Metrics = attrs.field(factory=Metrics)
    spans: Spans = attrs.field(factory=NoSpans)
    _turns: dict[str, _Turn] = attrs.field(factory=dict, init=False)

    def stored(self, record: object, clock: Clock) -> None:
        """Take in a record that was committed."""
        if isinstance(record, Run):
            self._stored_run(record, clock)
        elif isinstance(record, Step):
            self.metrics.step(record.usage.prompt_tokens, record.usage.completion_tokens)
            said: Attributes = {"step.id": record.id, "run.id": record.run_id, "step.number": record.number}
            turn = self._turns.get(record.run_id)
            # What went before its commit, since the commit before that, was its model's call.
            self.spans.start("step", said, since=None if turn is None else turn.stored_at).end()

    def _stored_run(self, run: Run, clock: Clock) -> None:
        now, turn = clock.now(), self._turns.get(run.id)
        if run.status is RunStatus.RUNNING:
            if turn is not None:
                turn.stored_at = now
            elif not run.cancel_requested:  # which is stored by whoever asks for it, not by who drives the turn
                self._turn_at_work(run, now)
            return
        reason = "none" if run.stop_reason is None else run.stop_reason.value
        self.metrics.run_ended(run.status.value, reason, (now - run.created_at).total_seconds())
        if turn is not None:
            del self._turns[run.id]
            failed = None if run.error is None else run.error.type
            turn.span.end({"run.status": run.status.value, "run.stop_reason": reason}, error=failed)

    def _turn_at_work(self, run: Run, now: dt.datetime) -> None:
        """Take in a run that began here, or was taken up."""
        if len(self._turns) >= OPEN_TURNS_MAX:
            self._turns.pop(next(iter(self._turns))).span.end(error="lost")
        if run.updated_at == run.created_at:
            self.metrics.turn_started()
        structlog.contextvars.bind_contextvars(run_id=run.id)
        span = self.spans.start("turn", {"run.id": run.id, "agent.id": run.agent_id}, lasting=True)
        self._turns[run.id] = _Turn(span=span, stored_at=now)


def observed(ports: Ports, telemetry: Telemetry) -> Ports:
    """Return the ports with everything told to `telemetry`."""
    return attrs.evolve(
        ports,
        store=ObservedStore(ports.store, telemetry, ports.clock),
        model=ObservedModel(ports.model, telemetry, ports.clock),
        tools=ObservedTools(ports.tools, telemetry, ports.clock),
    )


@runtime_checkable
class SelfChecking(Protocol):
    """A store that can tell whether it could be written to now."""

    async def check(self) -> None:
        """Read and write something; raise StoreError if that fails."""


@attrs.frozen
class ObservedStore:
    """A store whose transactions are told."""

    inner: Store
    _telemetry: Telemetry
    _clock: Clock

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Return a transaction."""
        return _Observation(self.inner.transaction(), self._telemetry, self._clock)

    async def check(self) -> None:
        """Read and write something, if the store knows how; raise StoreError if that fails."""
        if isinstance(self.inner, SelfChecking):
            await self.inner.check()


@attrs.define(eq=False)
class _Observation:
    """One transaction from its begin to its end, and what it put. It is its own context manager and transaction."""

    _context: AbstractAsyncContextManager[Transaction]
    _telemetry: Telemetry
    _clock: Clock
    _put: list[object] = attrs.field(factory=list, init=False)
    _inner: Transaction = attrs.field(init=False)

    async def __aenter__(self) -> Transaction:
        self._inner = await self._context.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        started_ns = self._clock.monotonic_ns()
        outcome = "rolled_back" if kind is not None else "error"
        try:
            suppressed = await self._context.__aexit__(kind, error, traceback)
            outcome = "ok" if kind is None else outcome
        except StoreError as failure:
            outcome = "conflict" if isinstance(failure, Conflict) else "uncertain" if failure.uncertain else outcome
            raise
        finally:
            self._telemetry.metrics.transaction(outcome, (self._clock.monotonic_ns() - started_ns) / 1e9)
        if kind is None:
            # A step first: the commit that stores it moves its run on.
            for record in sorted(self._put, key=lambda record: isinstance(record, Run)):
                self._telemetry.stored(record, self._clock)
        return suppressed

    async def get(self, table: Table[R], key: Key) -> R | None:
        """Return the record with that key, or None."""
        return await self._inner.get(table, key)

    async def put(self, table: Table[R], record: R) -> None:
        """Write a record."""
        await self._inner.put(table, record)
        if isinstance(record, Run | Step):
            self._put.append(record)

    async def delete(self, table: Table[R], key: Key) -> None:
        """Delete the record with that key."""
        await self._inner.delete(table, key)

    async def scan(
        self,
        table: Table[R],
        index: str = BY_KEY,
        equals: Key = (),
        *,
        after: Key | None = None,
        limit: int,
        descending: bool = False,
    ) -> Sequence[R]:
        """Return records in the order of an index."""
        return await self._inner.scan(table, index, equals, after=after, limit=limit, descending=descending)


@attrs.frozen
class ObservedModel:
    """A model whose calls are told."""

    inner: LanguageModel
    _telemetry: Telemetry
    _clock: Clock

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        """Yield the reply in chunks."""
        started_ns, outcome = self._clock.monotonic_ns(), "cut"
        provider = (request.model or "none").partition("/")[0]
        span = self._telemetry.spans.start("model_call", {"agent.id": request.agent_id, "model": request.model or ""})
        usage: dict[str, str | int] = {}
        try:
            async with aclosing(self.inner.stream(request)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    if isinstance(chunk, ModelFinished):
                        outcome = "ok"
                        usage = {"tokens": chunk.usage.total_tokens}
                    yield chunk
        except ModelError as error:
            outcome = error.kind
            raise
        finally:
            span.end(usage, error=None if outcome == "ok" else outcome)
            seconds = (self._clock.monotonic_ns() - started_ns) / 1e9
            self._telemetry.metrics.model_call(provider, outcome, seconds)


@attrs.frozen
class ObservedTools:
    """A tool runner whose calls are told."""

    inner: ToolRunner
    _telemetry: Telemetry
    _clock: Clock

    async def run(
        self,
        tool: Tool,
        call: ToolCall,
        arguments: JsonObject,
        environment: Mapping[str, str],
        seconds_max: float,
        view: AgentView | None = None,
    ) -> ToolReturn:
        """Return what the tool gave."""
        started_ns, outcome = self._clock.monotonic_ns(), "failed"
        span = self._telemetry.spans.start("tool_call", {"tool.id": tool.id, "tool": tool.name, "call.id": call.id})
        try:
            returned = await self.inner.run(tool, call, arguments, environment, seconds_max, view)
            outcome = returned.status.value
            return returned
        finally:
            span.end({"outcome": outcome}, error=None if outcome == "success" else outcome)
            seconds = (self._clock.monotonic_ns() - started_ns) / 1e9
            self._telemetry.metrics.tool_call(tool.tool_type.value, outcome, seconds)

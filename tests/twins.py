"""Far sides of the ports for tests of the core: deterministic, without waiting, without a world.

`virtual` runs a test on a loop whose time jumps to the next timer when nobody can go on, so an hour costs nothing.
"""

import asyncio
import contextlib
import datetime as dt
import functools
import gc
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from enum import Enum
from typing import Any, ParamSpec, TypeVar

import attrs

from kelpie_core.errors import InvariantBroken, ModelError, StoreError
from kelpie_core.json_types import JsonObject
from kelpie_core.limits import STORE_RETRIES_MAX
from kelpie_core.model.message import Role
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus
from kelpie_core.model.turn import Usage
from kelpie_core.ports import (
    AgentView,
    ModelChunk,
    ModelFinished,
    ModelRequest,
    Ports,
    ReasoningDelta,
    Store,
    TextDelta,
    ToolCallDelta,
    Transaction,
)

T = TypeVar("T")
P = ParamSpec("P")
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@attrs.define(eq=False)
class FixedClock:
    """A clock that stands at `time` and moves only when somebody sleeps: at once, by as much."""

    time: dt.datetime = NOON
    slept_seconds: float = 0

    def now(self) -> dt.datetime:
        """Return the time at which the clock stands."""
        return self.time

    def monotonic_ns(self) -> int:
        """Return the nanoseconds slept so far."""
        return round(self.slept_seconds * 1e9)

    async def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.slept_seconds += seconds
        self.time += dt.timedelta(seconds=seconds)


@attrs.define(eq=False)
class CountingEntropy:
    """Bits that count 1, 2, 3, ..., so that every id is new and the same in each run."""

    drawn: int = 0

    def bits(self, count: int) -> int:
        """Return the next number, as many of its low bits as asked for."""
        self.drawn += 1
        return self.drawn & (1 << count) - 1


class NoModel:
    """A language model that must not be called."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        """Raise."""
        raise InvariantBroken(f"the model was called for {request.agent_id}")
        yield  # which makes this a generator, as the port wants it


class NoTools:
    """A tool runner that must not be called."""

    async def run(
        self,
        tool: Tool,
        call: ToolCall,
        arguments: JsonObject,
        environment: Mapping[str, str],
        seconds_max: float,
        view: AgentView | None = None,
    ) -> ToolReturn:
        """Raise."""
        raise InvariantBroken(f"the tool {tool.name} was called")


def ports_on(store: Store) -> Ports:
    """Return ports on a store, with a clock of their own and nobody behind the model and the tools."""
    return Ports(clock=FixedClock(), entropy=CountingEntropy(), store=store, model=NoModel(), tools=NoTools())


class Deadlock(Exception):
    """Every task waits, and no timer is set that could wake one."""


class _JumpingSelector(selectors.SelectSelector):
    """Never waits: where a selector would, the time jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now; if nothing is, let the time pass."""
        ready = super().select(0)
        if not ready and timeout is None:
            raise Deadlock
        if not ready:
            self.seconds += max(timeout or 0, 0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time. `complaints` is what nobody else would have heard of."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self.complaints: list[str] = []
        self.stopped: list[asyncio.Future[None]] = []  # what a dead process waits for, kept from the garbage collector
        self.set_exception_handler(lambda _, context: self.complaints.append(repr(context.get("exception", context))))

    def time(self) -> float:
        """Return the seconds since the loop began."""
        return self._jumping.seconds


def run(story: Coroutine[Any, Any, T], *, complaints: tuple[str, ...] = ()) -> T:
    """Return what a coroutine returns on a virtual loop; the errors that tasks died of must be `complaints`."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(story)
    if complaints:
        gc.collect()  # a task complains when it goes
    assert list(complaints) == loop.complaints, loop.complaints
    return result


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Return the test as a plain function that runs on a loop of its own."""

    @functools.wraps(test)
    def runs(*args: P.args, **kwargs: P.kwargs) -> None:
        run(test(*args, **kwargs))

    return runs


class VirtualClock:
    """The clock that goes with the running loop's time."""

    def now(self) -> dt.datetime:
        """Return noon and what has passed since the loop began."""
        return NOON + dt.timedelta(microseconds=round(asyncio.get_running_loop().time() * 1e6))

    def monotonic_ns(self) -> int:
        """Return the loop's time."""
        return round(asyncio.get_running_loop().time() * 1e9)

    async def sleep(self, seconds: float) -> None:
        """Wait on the loop."""
        await asyncio.sleep(seconds)


class IdEntropy(CountingEntropy):
    """As `CountingEntropy`, but few bits are always zero and do not count: the jitter of a retry moves no id."""

    def bits(self, count: int) -> int:
        """Return the next number, or zero where few bits are asked for."""
        return super().bits(count) if count > 64 else 0


@attrs.frozen(kw_only=True)
class Reply:
    """What a scripted model says: after `seconds`, in words. `cut`: the stream breaks off before its end."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage(prompt_tokens=10, completion_tokens=5)
    truncated: bool = False
    seconds: float = 0
    cut: bool = False


Said = Reply | Exception


@attrs.define(eq=False)
class ScriptedModel:
    """Says its lines: `lines[n]` to a window with n messages of the model since the user's last.

    So a call that is made again after a crash is answered alike. A tuple holds the successive attempts at one line, the
    last of them for ever.
    """

    lines: tuple[Said | tuple[Said, ...], ...] = (Reply(text="hello there"),)
    requests: list[ModelRequest] = attrs.field(factory=list)
    _attempts: dict[int, int] = attrs.field(factory=dict)

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        """Yield the line in pieces, or raise it."""
        self.requests.append(request)
        said = self._line(request)
        if isinstance(said, Exception):
            raise said
        await asyncio.sleep(said.seconds)
        for chunk in _chunks(said):
            yield chunk
        if not said.cut:
            yield ModelFinished(usage=said.usage, truncated=said.truncated)

    def _line(self, request: ModelRequest) -> Said:
        number = 0
        for message in request.messages:
            number = number + (message.role is Role.ASSISTANT) if message.role is not Role.USER else 0
        line = self.lines[number]
        if not isinstance(line, tuple):
            return line
        attempt = self._attempts.get(number, 0)
        self._attempts[number] = attempt + 1
        return line[min(attempt, len(line) - 1)]


def _chunks(said: Reply) -> list[ModelChunk]:
    words = [word if number == 0 else f" {word}" for number, word in enumerate(said.text.split())]
    chunks: list[ModelChunk] = [ReasoningDelta(text=said.reasoning)] if said.reasoning else []
    chunks += [TextDelta(text=word) for word in words]
    for index, call in enumerate(said.calls):
        middle = len(call.arguments) // 2
        chunks.append(ToolCallDelta(index=index, id=call.id, name=call.name, arguments=call.arguments[:middle]))
        chunks.append(ToolCallDelta(index=index, arguments=call.arguments[middle:]))
    return chunks


def model_error(kind: str = "llm_error", *, retriable: bool = True) -> ModelError:
    """Return an error for a script."""
    return ModelError("the provider is down", kind=kind, retriable=retriable)


@attrs.frozen(kw_only=True)
class Act:
    """What a scripted tool does: after `seconds`, return `text` or raise `error`."""

    text: str = "done"
    status: ToolStatus = ToolStatus.SUCCESS
    seconds: float = 0
    error: Exception | None = None


@attrs.define(eq=False)
class ScriptedTools:
    """Runs tools by name, and keeps what it was asked for. `started` and `finished` hold the ids of calls."""

    acts: Mapping[str, Act] = attrs.field(factory=dict)
    started: list[str] = attrs.field(factory=list)
    finished: list[str] = attrs.field(factory=list)
    asked: list[tuple[str, JsonObject, dict[str, str], float]] = attrs.field(factory=list)

    async def run(
        self,
        tool: Tool,
        call: ToolCall,
        arguments: JsonObject,
        environment: Mapping[str, str],
        seconds_max: float,
        view: AgentView | None = None,
    ) -> ToolReturn:
        """Return what the tool's act says."""
        act = self.acts.get(tool.name, Act())
        self.started.append(call.id)
        self.asked.append((tool.name, arguments, dict(environment), seconds_max))
        await asyncio.sleep(act.seconds)
        if act.error is not None:
            raise act.error
        self.finished.append(call.id)
        return ToolReturn(tool_call_id=None, status=act.status, text=act.text)


class Harm(Enum):
    """What goes wrong at a commit."""

    FAIL = "the commit is refused, once"
    FAIL_ON = "every transaction is refused from then on, before it reads anything"
    CORRUPT = "the commit is refused, once, and trying again is said to be of no use"
    LOSE = "the commit goes through, its acknowledgement is lost"
    LOSE_ALL = "the same for as many attempts as anybody makes"
    DIE_BEFORE = "the process dies just before it"
    DIE_AFTER = "the process dies just after it"


@attrs.define(eq=False)
class FlakyStore:
    """One process's view of a store, in which the `at`-th end of a transaction since `arm` goes wrong.

    A process that died does nothing more: its calls never return.
    """

    inner: Store
    harm: Harm | None = None
    at: int = 0
    commits: int = 0
    died: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def arm(self, harm: Harm | None, at: int = 1) -> None:
        """Let things go wrong from now on; with None, no more."""
        self.harm, self.at, self.commits = harm, at, 0

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Return a transaction of the inner store."""
        if self.died.is_set():
            await self._stop_for_ever()
        if self.harm is Harm.FAIL_ON and self.commits + 1 >= self.at:
            self.commits += 1
            raise StoreError("the disk is full")
        async with self.inner.transaction() as tx:
            yield tx
            self.commits += 1
            due = self.commits == self.at
            if due and self.harm is Harm.FAIL:
                raise StoreError("the disk is full")
            if due and self.harm is Harm.CORRUPT:
                raise StoreError("a page is corrupt", retriable=False)
            if due and self.harm is Harm.DIE_BEFORE:
                await self._stop_for_ever()
        lost = 0 <= self.commits - self.at <= STORE_RETRIES_MAX
        if (due and self.harm is Harm.LOSE) or (lost and self.harm is Harm.LOSE_ALL):
            raise StoreError("the connection broke", uncertain=True)
        if due and self.harm is Harm.DIE_AFTER:
            await self._stop_for_ever()

    async def _stop_for_ever(self) -> None:
        self.died.set()
        task = asyncio.current_task()
        # When the loop closes it cancels what is left; that must find its end, and not wait here again.
        if task is not None and task.cancelling():
            raise StoreError("the process is dead", retriable=False)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.stopped.append(loop.create_future())
        await loop.stopped[-1]

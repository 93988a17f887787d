"""Driving a turn to its end: perform what the machine asks for, commit what happened, tell the listeners.

The driver decides nothing. It keeps the lease alive beside the work, and hears of a stop (a cancel, the deadline, a
lost lease) while it waits for the model or a tool. A process that dies here leaves a stored turn, which another takes
up (recovery.py).
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Coroutine, Sequence
from typing import TypeVar

import attrs

from kelpie_core.errors import ModelError, NotFound, StoreError
from kelpie_core.ids import draw_id
from kelpie_core.limits import (
    LEASE_RENEWALS_PER_LEASE,
    LEASE_SECONDS,
    PAGE_ITEMS_MAX,
    TOOL_GRACE_SECONDS,
)
from kelpie_core.model.agent import Agent, AgentHead, Lease
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.tool import ToolCall, ToolReturn
from kelpie_core.model.turn import StopReason
from kelpie_core.ports import AgentView, Ports, ToolCallDelta, Transaction
from kelpie_core.records import HEADS, MESSAGES, RUNS
from kelpie_core.service.agent_view import settled
from kelpie_core.service.commit import commit
from kelpie_core.service.lease import check_lease, renewed
from kelpie_core.service.model_reply import Piece, ask_model
from kelpie_core.service.tool_calls import edit_in, find_called, is_memory_tool, may_run, run_tool
from kelpie_core.service.turn_commit import Applied, Resolve, TurnCommit
from kelpie_core.service.turn_events import Delta, MessageStored, TurnEnded, TurnEvent
from kelpie_core.service.turn_request import read_agent_and_tools, read_request
from kelpie_core.texts import encodable
from kelpie_core.turn.effects import CallModel, RunTools, WorldEffect
from kelpie_core.turn.events import Event, ModelFailed, Stopped, ToolsReturned
from kelpie_core.turn.machine import resume

T = TypeVar("T")


class StopTurn(Exception):
    """The turn must end now, for `reason`."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@attrs.define(eq=False)
class TurnDriver:
    """Drives one stored run that `lease` holds. `hear` is told every event; `tokens`: deltas too.

    `resumed`: another process may have begun what the turn waits for.

    `stop()` may be called at any time from the same loop.
    """

    ports: Ports
    run: Run
    lease: Lease
    hear: Callable[[TurnEvent], None]
    tokens: bool = False
    resumed: bool = True
    _stopping: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _seq_heard: int = attrs.field(default=-1, init=False)
    _lost: Exception | None = attrs.field(default=None, init=False)

    async def drive(self) -> Run:
        """Drive the turn to its end and return its run; raise LeaseLost, NotFound, StoreError."""
        heartbeat = asyncio.ensure_future(self._keep_lease())
        try:
            effect = resume(self.run.turn, resumed=self.resumed)
            while effect is not None:
                effect = await self._advance(await self._perform(effect))
        finally:
            heartbeat.cancel()
            await asyncio.wait((heartbeat,))
        self.hear(TurnEnded(run=self.run))
        return self.run

    async def break_off(self, reason: StopReason, error: str | None) -> Run:
        """End the turn where it stands, every open call answered; raise LeaseLost, NotFound, StoreError."""
        self._tell(await commit(self.ports, self._as_stored))  # a commit that seemed to fail may have gone through
        if self.run.status is RunStatus.RUNNING:
            await self._advance(_happened(Stopped(reason=reason, error=error)))
        self.hear(TurnEnded(run=self.run))
        return self.run

    def stop(self) -> None:
        """Let the turn end as cancelled, as soon as may be."""
        self._stopping.set()

    async def _perform(self, effect: WorldEffect) -> "_Happening":
        try:
            self._check_stop()
            work = self._call_model() if isinstance(effect, CallModel) else self._run_tools(effect)
            return await self._until_stopped(work)
        except StopTurn as stop:
            return _happened(Stopped(reason=stop.reason))

    async def _advance(self, happening: "_Happening") -> WorldEffect | None:
        applied = await TurnCommit(
            ports=self.ports,
            run=self.run,
            lease=self.lease,
            resolve=happening.resolve,
            message_id=happening.message_id or self._make_id("message"),
        ).apply()
        self._tell(applied)
        return applied.effect

    def _tell(self, applied: Applied) -> None:
        self.run = applied.run
        for message in applied.messages:
            self._seq_heard = message.seq
            self.hear(MessageStored(message=message))

    async def _call_model(self) -> "_Happening":
        asked = await commit(self.ports, lambda tx: read_request(tx, self.run))
        step_id, message_id = self._make_id("step"), self._make_id("message")
        created_at = self.ports.clock.now()
        asking: set[int] = set()

        def hear(piece: Piece) -> None:
            if isinstance(piece, ToolCallDelta) and piece.name in asked.asking:
                asking.add(piece.index)
            delta = Delta(
                message_id=message_id,
                run_id=self.run.id,
                step_id=step_id,
                created_at=created_at,
                part=piece,
                asks=isinstance(piece, ToolCallDelta) and piece.index in asking,
            )
            self.hear(delta)

        try:
            reply = await ask_model(self.ports, asked.request, step_id, hear if self.tokens else None)
        except ModelError as error:
            return _happened(ModelFailed(kind=encodable(error.kind), message=encodable(str(error))))
        return _happened(asked.read(reply), message_id)

    async def _run_tools(self, effect: RunTools) -> "_Happening":
        agent, tools = await commit(self.ports, lambda tx: read_agent_and_tools(tx, self.run))
        turn = self.run.turn
        if len(effect.calls) == 1:
            (call,) = effect.calls
            tool = find_called(tools, call)
            if tool is not None and is_memory_tool(tool) and may_run(agent, tool, call, turn):
                return _Happening(resolve=self._edit(call))
        views: dict[str, AgentView] = {}
        runs = [
            run_tool(self.ports, agent, tools, call, turn, resumed=effect.resumed, views=views) for call in effect.calls
        ]
        return _Happening(resolve=self._settle(await _beside(runs), views))

    def _settle(self, returns: tuple[ToolReturn, ...], views: dict[str, AgentView]) -> Resolve:
        async def resolve(tx: Transaction, agent: Agent) -> Event:
            now = self.ports.clock.now()
            stored = [await settled(tx, agent, one, views.get(one.tool_call_id or ""), now) for one in returns]
            return ToolsReturned(tool_returns=tuple(stored))

        return resolve

    def _edit(self, call: ToolCall) -> Resolve:
        block_id = self._make_id("block")

        async def resolve(tx: Transaction, agent: Agent) -> Event:
            returned = await edit_in(tx, agent, call, self.run.turn, self.ports.clock.now(), block_id)
            return ToolsReturned(tool_returns=(returned,))

        return resolve

    def _check_stop(self) -> None:
        if self._lost is not None:
            raise self._lost
        if self._stopping.is_set() or self.run.cancel_requested:
            raise StopTurn(StopReason.CANCELLED)
        if self._seconds_left() <= 0:
            raise StopTurn(StopReason.MAX_SECONDS)

    async def _until_stopped(self, work: Coroutine[object, object, T]) -> T:
        """Return what `work` gives; if a stop, the deadline or a lost lease comes first, cancel it and raise."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((task, stop), timeout=self._seconds_left(), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                if task.cancelled():  # by the far side itself: to take it for ours would hand the turn over for ever
                    raise RuntimeError("the work was cancelled from within")
                return task.result()
            self._check_stop()
            raise StopTurn(StopReason.MAX_SECONDS)
        finally:
            stop.cancel()
            task.cancel()
            _, stubborn = await asyncio.wait((task,), timeout=TOOL_GRACE_SECONDS)
            for late in stubborn:  # a tool that will not stop must not hold the turn; what it gives comes too late
                late.add_done_callback(_disregard)

    def _seconds_left(self) -> float:
        end = self.run.created_at + dt.timedelta(seconds=self.run.seconds_max)
        return (end - self.ports.clock.now()).total_seconds()

    async def _keep_lease(self) -> None:
        """Renew the lease for as long as the turn works. A lost lease stops the work; a failing store does not yet."""
        while True:
            await self.ports.clock.sleep(LEASE_SECONDS / LEASE_RENEWALS_PER_LEASE)
            try:
                cancelled = await commit(self.ports, self._renew)
            except Exception as error:
                if isinstance(error, StoreError) and error.retriable:
                    continue
                self._lost = error
                cancelled = True
            if cancelled:
                self._stopping.set()

    async def _renew(self, tx: Transaction) -> bool:
        head, run = await self._head_and_run(tx)
        check_lease(head, self.lease)
        await tx.put(HEADS, renewed(head, self.lease, self.ports.clock.now()))
        return run.cancel_requested

    async def _as_stored(self, tx: Transaction) -> Applied:
        """Return the run as it is stored, with the messages of it that nobody has heard of yet."""
        head, run = await self._head_and_run(tx)
        if run.status is RunStatus.RUNNING:
            check_lease(head, self.lease)
        unheard = await tx.scan(MESSAGES, "by_run", (run.id,), after=(self._seq_heard,), limit=PAGE_ITEMS_MAX)
        given = tuple(message for message in unheard if message.step_id is not None)
        return Applied(run=run, messages=given, effect=None)

    async def _head_and_run(self, tx: Transaction) -> tuple[AgentHead, Run]:
        head = await tx.get(HEADS, (self.run.thread_id,))
        run = await tx.get(RUNS, (self.run.id,))
        if head is None or run is None:
            raise NotFound("agent", self.run.agent_id)
        return head, run

    def _make_id(self, prefix: str) -> str:
        return draw_id(prefix, self.ports.entropy)


async def _beside(works: Sequence[Coroutine[object, object, T]]) -> tuple[T, ...]:
    """Return what all of them give, run beside each other; if one raises, the others are cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return tuple(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


def _disregard(task: "asyncio.Future[T]") -> None:
    if not task.cancelled():
        task.exception()


@attrs.frozen(kw_only=True)
class _Happening:
    """What happened, known at once or only inside the commit; with the id that its message has already."""

    resolve: Resolve
    message_id: str | None = None


def _happened(event: Event, message_id: str | None = None) -> _Happening:
    async def resolve(tx: Transaction, agent: Agent) -> Event:
        return event

    return _Happening(resolve=resolve, message_id=message_id)

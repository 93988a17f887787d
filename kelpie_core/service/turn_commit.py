"""The commit of one transition of a turn: event in, state and messages stored, world effect out.

Every commit checks the lease's token and the turn's serial. A commit that went through although its acknowledgement
was lost is found again by the serial, and is not done twice.
"""

from collections.abc import Awaitable, Callable

import attrs

from kelpie_core.errors import LeaseLost, NotFound
from kelpie_core.ids import draw_id
from kelpie_core.limits import INPUT_MESSAGES_MAX
from kelpie_core.model.agent import Agent, AgentHead, LastRun, Lease
from kelpie_core.model.approval import PendingApproval
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import Run, RunError, RunStatus
from kelpie_core.model.step import Step
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, CONVERSATIONS, HEADS, MESSAGES, RUNS, STEPS
from kelpie_core.service.commit import commit
from kelpie_core.service.lease import check_lease
from kelpie_core.turn.conduct import conduct_of, forgets
from kelpie_core.turn.effects import (
    AppendInputs,
    AppendReply,
    AppendReturns,
    AskApproval,
    CallModel,
    Effect,
    Finish,
    RunTools,
    WorldEffect,
)
from kelpie_core.turn.events import Event, ModelReplied
from kelpie_core.turn.machine import resume, status_of, transition
from kelpie_core.turn.window import extended

# What a commit may add at most: a reply, returns, and the input that had to wait for them.
MESSAGES_PER_COMMIT = 2 + INPUT_MESSAGES_MAX
Resolve = Callable[[Transaction, Agent], Awaitable[Event]]


@attrs.frozen(kw_only=True)
class Applied:
    """A transition that is stored: the run as it now is, the messages it added, what the turn waits for."""

    run: Run
    messages: tuple[Message, ...]
    effect: WorldEffect | None


@attrs.define(eq=False)
class TurnCommit:
    """One transition of a run that `lease` holds. `message_id` is the id of the message that it may add."""

    ports: Ports
    run: Run
    lease: Lease
    resolve: Resolve
    message_id: str
    _seq_tried: int | None = None

    async def apply(self) -> Applied:
        """Store the transition; raise LeaseLost, NotFound (the agent was deleted), StoreError."""
        return await commit(self.ports, self._body)

    async def _body(self, tx: Transaction) -> Applied:
        agent, head, run = await self._read(tx)
        if run.turn.serial != self.run.turn.serial:
            return await self._found_again(tx, head, run)
        check_lease(head, self.lease)
        turn, effects = transition(run.turn, await self._event(tx, agent, run), conduct_of(agent))
        seq_next = head.seq_next
        change = _Change(run=attrs.evolve(run, turn=turn, updated_at=self.ports.clock.now()), head=head, agent=agent)
        for effect in effects:
            await self._store(tx, change, effect)
        await tx.put(RUNS, change.run)
        await tx.put(HEADS, change.head)
        self._seq_tried = seq_next
        return Applied(run=change.run, messages=tuple(change.messages), effect=resume_effect(effects))

    async def _event(self, tx: Transaction, agent: Agent, run: Run) -> Event:
        """Return what happened. The reply of a turn that somebody cancelled asks nobody: it is about to end."""
        event = await self.resolve(tx, agent)
        if run.cancel_requested and isinstance(event, ModelReplied):
            return attrs.evolve(event, tool_calls=tuple(attrs.evolve(call, asks=False) for call in event.tool_calls))
        return event

    async def _read(self, tx: Transaction) -> tuple[Agent, AgentHead, Run]:
        agent = await tx.get(AGENTS, (self.run.agent_id,))
        head = await tx.get(HEADS, (self.run.thread_id,))
        run = await tx.get(RUNS, (self.run.id,))
        if agent is None or head is None or run is None:
            raise NotFound("agent", self.run.agent_id)
        return run.configured(agent), head, run

    async def _found_again(self, tx: Transaction, head: AgentHead, run: Run) -> Applied:
        """Return what an earlier attempt of ours stored; raise LeaseLost if it was somebody else's."""
        if self._seq_tried is None or run.turn.serial != self.run.turn.serial + 1:
            raise LeaseLost(run.id)
        if run.status is RunStatus.RUNNING:
            check_lease(head, self.lease)
        stored = await tx.scan(MESSAGES, "by_run", (run.id,), after=(self._seq_tried - 1,), limit=MESSAGES_PER_COMMIT)
        given = tuple(message for message in stored if message.step_id is not None)
        return Applied(run=run, messages=given, effect=resume(run.turn, resumed=False))

    async def _store(self, tx: Transaction, change: "_Change", effect: Effect) -> None:
        match effect:
            case AppendReply():
                await self._append(tx, change, self._reply(change, effect))
                await tx.put(STEPS, self._step(change, effect))
            case AppendReturns():
                await self._append(tx, change, self._returns(change, effect))
            case AskApproval():
                change.head = attrs.evolve(change.head, pending=self._pending(change, effect))
            case AppendInputs():
                for message in effect.messages:
                    await self._add(tx, change, attrs.evolve(message, seq=change.head.seq_next))
            case Finish():
                self._finish(change, effect)
                await self._note_end(tx)
            case _:
                pass  # comes after the commit

    async def _append(self, tx: Transaction, change: "_Change", message: Message) -> None:
        await self._add(tx, change, message)
        change.messages.append(message)

    async def _add(self, tx: Transaction, change: "_Change", message: Message) -> None:
        await tx.put(MESSAGES, message)
        window = extended(change.head.window, message.seq, message.seq + 1)
        change.head = attrs.evolve(change.head, seq_next=message.seq + 1, window=window)

    def _pending(self, change: "_Change", effect: AskApproval) -> PendingApproval:
        return PendingApproval(
            message_id=change.messages[-1].id,
            run_id=self.run.id,
            step_id=effect.step_id,
            calls=effect.tool_calls,
            called=effect.called,
            branch=effect.branch,
            owed=effect.owed,
            created_at=change.messages[-1].created_at,
        )

    def _reply(self, change: "_Change", effect: AppendReply) -> Message:
        return Message(
            id=self._next_id(change),
            agent_id=self.run.agent_id,
            conversation_id=self.run.conversation_id,
            organization_id=self.run.organization_id,
            seq=change.head.seq_next,
            role=Role.APPROVAL if any(call.asks for call in effect.tool_calls) else Role.ASSISTANT,
            content=effect.content,
            tool_calls=effect.tool_calls,
            run_id=self.run.id,
            step_id=effect.step_id,
            model=change.agent.model,
            created_at=self.ports.clock.now(),
        )

    def _returns(self, change: "_Change", effect: AppendReturns) -> Message:
        return Message(
            id=self._next_id(change),
            agent_id=self.run.agent_id,
            conversation_id=self.run.conversation_id,
            organization_id=self.run.organization_id,
            seq=change.head.seq_next,
            role=Role.TOOL,
            tool_returns=effect.tool_returns,
            run_id=self.run.id,
            step_id=effect.step_id,
            created_at=self.ports.clock.now(),
        )

    def _step(self, change: "_Change", effect: AppendReply) -> Step:
        return Step(
            id=effect.step_id,
            run_id=self.run.id,
            agent_id=self.run.agent_id,
            organization_id=self.run.organization_id,
            number=effect.number,
            model=change.agent.model,
            usage=effect.usage,
            created_at=self.ports.clock.now(),
        )

    def _finish(self, change: "_Change", effect: Finish) -> None:
        now = self.ports.clock.now()
        error = RunError(type=effect.error_type, message=effect.error or "") if effect.error_type is not None else None
        change.run = attrs.evolve(
            change.run,
            status=status_of(effect.reason),
            stop_reason=effect.reason,
            error=error,
            usage=change.run.turn.usage,
            completed_at=now,
        )
        # What waits for approval is half an exchange: the rest must find it in the window.
        window = () if forgets(change.agent) and change.head.pending is None else change.head.window
        last = LastRun(began_at=change.run.created_at, completed_at=now, stop_reason=effect.reason)
        change.head = attrs.evolve(change.head, lease=None, window=window, last_run=last)

    async def _note_end(self, tx: Transaction) -> None:
        """Note in the run's conversation, if it has one, when its last turn ended."""
        if self.run.conversation_id is not None:
            conversation = await tx.get(CONVERSATIONS, (self.run.conversation_id,))
            assert conversation is not None, "a conversation and its head go in one commit"
            await tx.put(CONVERSATIONS, attrs.evolve(conversation, last_run_completion=self.ports.clock.now()))

    def _next_id(self, change: "_Change") -> str:
        """Return the id for the next message: the chosen one for the first, so that its deltas bear it already."""
        return draw_id("message", self.ports.entropy) if change.messages else self.message_id


@attrs.define(eq=False)
class _Change:
    """What one transition is about to store."""

    run: Run
    head: AgentHead
    agent: Agent
    messages: list[Message] = attrs.field(factory=list)


def resume_effect(effects: tuple[Effect, ...]) -> WorldEffect | None:
    """Return the effect that comes after the commit, if there is one."""
    last = effects[-1]
    return last if isinstance(last, CallModel | RunTools) else None

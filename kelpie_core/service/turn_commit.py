"""The commit of one transition of a turn: event in, state and messages stored, world effect out.

Every commit checks the lease's token and the turn's serial. A commit that went through although its acknowledgement
was lost is found again by the serial, and is not done twice.
"""

from collections.abc import Awaitable, Callable

import attrs

from kelpie_core.errors import LeaseLost, NotFound
from kelpie_core.ids import draw_id
from kelpie_core.model.agent import Agent, AgentHead, Lease
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import Run, RunError, RunStatus
from kelpie_core.model.step import Step
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, HEADS, MESSAGES, RUNS, STEPS
from kelpie_core.service.commit import commit
from kelpie_core.service.lease import check_lease
from kelpie_core.turn.effects import AppendReply, AppendReturns, Effect, Finish, WorldEffect
from kelpie_core.turn.events import Event
from kelpie_core.turn.machine import resume, status_of, transition
from kelpie_core.turn.window import extended

MESSAGES_PER_COMMIT = 2
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
        turn, effects = transition(run.turn, await self.resolve(tx, agent))
        seq_next = head.seq_next
        change = _Change(run=attrs.evolve(run, turn=turn, updated_at=self.ports.clock.now()), head=head, agent=agent)
        for effect in effects:
            await self._store(tx, change, effect)
        await tx.put(RUNS, change.run)
        await tx.put(HEADS, change.head)
        self._seq_tried = seq_next
        return Applied(run=change.run, messages=tuple(change.messages), effect=resume_effect(effects))

    async def _read(self, tx: Transaction) -> tuple[Agent, AgentHead, Run]:
        agent = await tx.get(AGENTS, (self.run.agent_id,))
        head = await tx.get(HEADS, (self.run.agent_id,))
        run = await tx.get(RUNS, (self.run.id,))
        if agent is None or head is None or run is None:
            raise NotFound("agent", self.run.agent_id)
        return agent, head, run

    async def _found_again(self, tx: Transaction, head: AgentHead, run: Run) -> Applied:
        """Return what an earlier attempt of ours stored; raise LeaseLost if it was somebody else's."""
        if self._seq_tried is None or run.turn.serial != self.run.turn.serial + 1:
            raise LeaseLost(run.id)
        if run.status is RunStatus.RUNNING:
            check_lease(head, self.lease)
        stored = await tx.scan(MESSAGES, "by_run", (run.id,), after=(self._seq_tried - 1,), limit=MESSAGES_PER_COMMIT)
        return Applied(run=run, messages=tuple(stored), effect=resume(run.turn, resumed=False))

    async def _store(self, tx: Transaction, change: "_Change", effect: Effect) -> None:
        match effect:
            case AppendReply():
                await self._append(tx, change, self._reply(change, effect))
                await tx.put(STEPS, self._step(change, effect))
            case AppendReturns():
                await self._append(tx, change, self._returns(change, effect))
            case Finish():
                self._finish(change, effect)
            case _:
                pass  # comes after the commit

    async def _append(self, tx: Transaction, change: "_Change", message: Message) -> None:
        await tx.put(MESSAGES, message)
        window = extended(change.head.window, message.seq, message.seq + 1)
        change.head = attrs.evolve(change.head, seq_next=message.seq + 1, window=window)
        change.messages.append(message)

    def _reply(self, change: "_Change", effect: AppendReply) -> Message:
        return Message(
            id=self._next_id(change),
            agent_id=self.run.agent_id,
            seq=change.head.seq_next,
            role=Role.ASSISTANT,
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
        window = () if change.agent.message_buffer_autoclear else change.head.window
        change.head = attrs.evolve(change.head, lease=None, window=window)

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
    return None if isinstance(last, AppendReply | AppendReturns | Finish) else last

"""The commit that begins a turn: input messages, run, lease and window together, before the model is called."""

import attrs

from kelpie_core.errors import AgentBusy, AlreadyExists
from kelpie_core.ids import draw_id
from kelpie_core.limits import INPUT_MESSAGES_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent, AgentHead, Lease
from kelpie_core.model.message import Message
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.turn import Turn
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, HEADS, MESSAGES, RUNS
from kelpie_core.service.commit import commit
from kelpie_core.service.drafts import MessageDraft, TurnOptions
from kelpie_core.service.inputs import check_turn
from kelpie_core.service.lease import granted, is_held
from kelpie_core.service.owned import read_head, read_owned
from kelpie_core.turn.events import InputArrived
from kelpie_core.turn.machine import transition
from kelpie_core.turn.window import extended


@attrs.frozen(kw_only=True)
class Started:
    """A run that has begun. Without a lease it is another one: the one that this very input began before."""

    run: Run
    lease: Lease | None


class Abandoned(Exception):
    """The agent is held by a lease that ran out: that run must be taken up before another begins."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id


@attrs.frozen
class TurnStart:
    """Begins one turn. May be committed again after a lost acknowledgement: the ids are chosen once."""

    ports: Ports
    actor: Actor
    agent_id: str
    drafts: tuple[MessageDraft, ...]
    options: TurnOptions
    holder: str
    run_id: str
    message_ids: tuple[str, ...]

    async def commit(self) -> Started:
        """Store the beginning; raise NotFound, InvalidInput, AlreadyExists, AgentBusy, Abandoned, StoreError."""
        check_turn(self.drafts, self.options)
        return await commit(self.ports, self._body)

    async def _body(self, tx: Transaction) -> Started:
        agent = await read_owned(tx, self.actor, AGENTS, self.agent_id)
        head = await read_head(tx, self.actor, self.agent_id)
        run = await tx.get(RUNS, (self.run_id,))
        if run is not None:
            return Started(run=run, lease=self._own_lease(head))
        earlier = await self._earlier(tx)
        if earlier is not None:
            return Started(run=earlier, lease=None)
        self._check_free(head)
        return await self._begin(tx, agent, head)

    def _check_free(self, head: AgentHead) -> None:
        if head.lease is None:
            return
        if is_held(head, self.ports.clock.now()):
            raise AgentBusy(self.agent_id, head.lease.run_id)
        raise Abandoned(head.lease.run_id)

    async def _earlier(self, tx: Transaction) -> Run | None:
        """Return the run that this very input (by its otids) began before, if any.

        Raises AlreadyExists if the input bears an otid that was sent before, but holds what was not sent then: to
        answer it with the earlier run would lose that without a word.
        """
        for otid in (draft.otid for draft in self.drafts if draft.otid is not None):
            # The last one: an imported history may hold the otid too, and that began no run here.
            for sent in await tx.scan(MESSAGES, "by_otid", (self.agent_id, otid), limit=1, descending=True):
                run = await tx.get(RUNS, (sent.run_id or "",))
                if run is not None:
                    await self._check_same(tx, run, otid)
                    return run
        return None

    async def _check_same(self, tx: Transaction, run: Run, otid: str) -> None:
        stored = await tx.scan(MESSAGES, "by_run", (run.id,), limit=INPUT_MESSAGES_MAX + 1)
        told = [(message.otid, message.role, message.content) for message in stored if message.step_id is None]
        if not all((draft.otid, draft.role, draft.content) in told for draft in self.drafts):
            raise AlreadyExists("message with otid", otid)

    async def _begin(self, tx: Transaction, agent: Agent, head: AgentHead) -> Started:
        now, first, end = self.ports.clock.now(), head.seq_next, head.seq_next + len(self.drafts)
        head = granted(head, self.holder, self.run_id, now)
        head = attrs.evolve(head, seq_next=end, window=extended(head.window, first, end))
        run = self._run_of(agent, first)
        for seq, (key, draft) in enumerate(zip(self.message_ids, self.drafts, strict=True), first):
            fields = attrs.asdict(draft, recurse=False)
            message = Message(id=key, agent_id=self.agent_id, seq=seq, run_id=self.run_id, created_at=now, **fields)
            await tx.put(MESSAGES, message)
        await tx.put(RUNS, run)
        await tx.put(HEADS, head)
        return Started(run=run, lease=head.lease)

    def _run_of(self, agent: Agent, seq_first: int) -> Run:
        now, limits = self.ports.clock.now(), agent.limits
        turn = Turn(
            steps_max=min(self.options.steps_max or limits.steps_max, limits.steps_max),
            tool_calls_max=limits.tool_calls_max,
            tokens_max=limits.tokens_max,
        )
        turn, _ = transition(turn, InputArrived())
        return Run(
            id=self.run_id,
            agent_id=self.agent_id,
            organization_id=self.actor.organization_id,
            created_by_id=self.actor.user_id,
            status=RunStatus.RUNNING,
            turn=turn,
            background=self.options.background,
            seq_first=seq_first,
            seconds_max=limits.seconds_max,
            created_at=now,
            updated_at=now,
        )

    def _own_lease(self, head: AgentHead) -> Lease | None:
        """Return the lease that an earlier attempt of ours was given; None if another process took the run up since."""
        lease = head.lease
        return lease if lease is not None and (lease.run_id, lease.holder) == (self.run_id, self.holder) else None


def make_start(
    ports: Ports, actor: Actor, holder: str, agent_id: str, drafts: tuple[MessageDraft, ...], options: TurnOptions
) -> TurnStart:
    """Return the beginning of a turn, its ids chosen."""
    run_id = draw_id("run", ports.entropy)
    message_ids = tuple(draw_id("message", ports.entropy) for _ in drafts)
    return TurnStart(ports, actor, agent_id, drafts, options, holder, run_id, message_ids)

"""The commit that begins a turn: input messages, run, lease and window together, before the model is called."""

import datetime as dt

import attrs

from kelpie_core.errors import AgentBusy, AlreadyExists
from kelpie_core.ids import draw_id
from kelpie_core.limits import INPUT_MESSAGES_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent, AgentHead, Lease
from kelpie_core.model.event_log import EventLog
from kelpie_core.model.message import Message
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.turn import Turn
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, CONVERSATIONS, EVENT_LOGS, HEADS, MESSAGES, RUNS
from kelpie_core.service.approvals import begun, check_waiting
from kelpie_core.service.commit import commit
from kelpie_core.service.drafts import MessageDraft, TurnOptions
from kelpie_core.service.inputs import check_turn
from kelpie_core.service.lease import granted, is_held
from kelpie_core.service.owned import read_head, read_owned
from kelpie_core.turn.conduct import forgets
from kelpie_core.turn.window import extended


@attrs.frozen(kw_only=True)
class Started:
    """A run that has begun. Without a lease it is another one: the one that this very input began before.

    `resumed`: an earlier request began it and was sent again; it may have gone on since.
    """

    run: Run
    lease: Lease | None
    resumed: bool = False


class Abandoned(Exception):
    """The agent is held by a lease that ran out: that run must be taken up before another begins."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id


def check_free(head: AgentHead, now: dt.datetime) -> None:
    """Raise AgentBusy if a turn holds the thread, Abandoned if one did and its lease ran out."""
    if head.lease is None:
        return
    if is_held(head, now):
        raise AgentBusy(head.agent_id, head.lease.run_id)
    raise Abandoned(head.lease.run_id)


@attrs.frozen
class TurnStart:
    """Begins one turn. May be committed again after a lost acknowledgement: the ids are chosen once."""

    ports: Ports
    actor: Actor
    agent_id: str
    conversation_id: str | None
    drafts: tuple[MessageDraft, ...]
    options: TurnOptions
    holder: str
    run_id: str
    message_ids: tuple[str, ...]

    async def commit(self) -> Started:
        """Store the beginning; raise NotFound, InvalidInput, AlreadyExists, Refused, Abandoned, StoreError."""
        check_turn(self.drafts, self.options)
        tried = False

        async def body(tx: Transaction) -> Started:
            nonlocal tried  # a run that is found before anything was tried here is an earlier request's
            started = await self._body(tx, resumed=not tried)
            tried = tried or not started.resumed
            return started

        return await commit(self.ports, body)

    async def _body(self, tx: Transaction, *, resumed: bool) -> Started:
        agent = await read_owned(tx, self.actor, AGENTS, self.agent_id)
        head = await read_head(tx, self.actor, self.agent_id, self.conversation_id)
        run = await tx.get(RUNS, (self.run_id,))
        if run is not None:
            return Started(run=run, lease=self._own_lease(head), resumed=resumed)
        earlier = await self._earlier(tx, head)
        if earlier is not None:
            return Started(run=earlier, lease=None)
        check_free(head, self.ports.clock.now())
        check_waiting(head, self.drafts)
        return await self._begin(tx, agent, head)

    async def _earlier(self, tx: Transaction, head: AgentHead) -> Run | None:
        """Return the run that this very input (by its otids) began before, if any.

        Raises AlreadyExists if the input bears an otid that was sent before, but holds what was not sent then: to
        answer it with the earlier run would lose that without a word.
        """
        for otid in (draft.otid for draft in self.drafts if draft.otid is not None):
            # The last one: an imported history may hold the otid too, and that began no run here.
            for sent in await tx.scan(MESSAGES, "by_otid", (head.thread_id, otid), limit=1, descending=True):
                run = await tx.get(RUNS, (sent.run_id or "",))
                if run is not None and not head.hides(sent.seq):
                    await self._check_same(tx, run, otid)
                    return run
        return None

    async def _check_same(self, tx: Transaction, run: Run, otid: str) -> None:
        stored = await tx.scan(MESSAGES, "by_run", (run.id,), limit=INPUT_MESSAGES_MAX + 1)
        sent = [*(message for message in stored if message.step_id is None), *run.turn.follow_ups]
        told = [(message.otid, message.role, message.content, message.approvals) for message in sent]
        if not all((draft.otid, draft.role, draft.content, draft.approvals) in told for draft in self.drafts):
            raise AlreadyExists("message with otid", otid)

    async def _begin(self, tx: Transaction, agent: Agent, head: AgentHead) -> Started:
        turn, inputs = begun(self._turn(agent), agent, head, self._inputs(head.seq_next))
        first, end = head.seq_next, head.seq_next + len(inputs)
        head = granted(head, self.holder, self.run_id, self.ports.clock.now())
        # What an agent that forgets has in its window came with a file: its turns begin with nothing.
        window = () if forgets(agent) and head.pending is None else head.window
        head = attrs.evolve(head, pending=None, seq_next=end, window=extended(window, first, end))
        run = await self._with_conversation(tx, self._run_of(agent, turn, first))
        for message in inputs:
            await tx.put(MESSAGES, message)
        await tx.put(RUNS, run)
        await tx.put(HEADS, head)
        if run.background:
            await tx.put(EVENT_LOGS, self._log_of(run))
        return Started(run=run, lease=head.lease)

    def _inputs(self, first: int) -> list[Message]:
        now, messages = self.ports.clock.now(), list[Message]()
        for seq, (key, draft) in enumerate(zip(self.message_ids, self.drafts, strict=True), first):
            fields = attrs.asdict(draft, recurse=False)
            message = Message(
                id=key,
                agent_id=self.agent_id,
                conversation_id=self.conversation_id,
                organization_id=self.actor.organization_id,
                seq=seq,
                run_id=self.run_id,
                created_at=now,
                **fields,
            )
            messages.append(message)
        return messages

    def _turn(self, agent: Agent) -> Turn:
        limits = agent.limits
        return Turn(
            steps_max=min(self.options.steps_max or limits.steps_max, limits.steps_max),
            tool_calls_max=limits.tool_calls_max,
            tokens_max=limits.tokens_max,
            client_tools=self.options.client_tools,
            client_skills=self.options.client_skills,
        )

    def _run_of(self, agent: Agent, turn: Turn, seq_first: int) -> Run:
        now = self.ports.clock.now()
        return Run(
            id=self.run_id,
            agent_id=self.agent_id,
            conversation_id=self.conversation_id,
            organization_id=self.actor.organization_id,
            created_by_id=self.actor.user_id,
            status=RunStatus.RUNNING,
            turn=turn,
            background=self.options.background,
            seq_first=seq_first,
            seconds_max=agent.limits.seconds_max,
            model=self.options.model,
            system=self.options.system,
            created_at=now,
            updated_at=now,
        )

    def _log_of(self, run: Run) -> EventLog:
        types = self.options.types
        return EventLog(
            run_id=run.id,
            agent_id=run.agent_id,
            conversation_id=run.conversation_id,
            types=None if types is None else tuple(sorted(types)),
            tokens=self.options.tokens,
            since=run.created_at,
        )

    async def _with_conversation(self, tx: Transaction, run: Run) -> Run:
        """Return the run with its conversation's model, unless the request names one; note that it was written to."""
        if self.conversation_id is None:
            return run
        conversation = await read_owned(tx, self.actor, CONVERSATIONS, self.conversation_id)
        await tx.put(CONVERSATIONS, attrs.evolve(conversation, last_message_at=run.created_at))
        if run.model is not None:
            return run
        return attrs.evolve(run, model=conversation.model, model_settings=conversation.model_settings)

    def _own_lease(self, head: AgentHead) -> Lease | None:
        """Return the lease that an earlier attempt of ours was given; None if another process took the run up since."""
        lease = head.lease
        return lease if lease is not None and (lease.run_id, lease.holder) == (self.run_id, self.holder) else None


def make_start(
    ports: Ports,
    actor: Actor,
    holder: str,
    agent_id: str,
    drafts: tuple[MessageDraft, ...],
    options: TurnOptions,
    conversation_id: str | None = None,
) -> TurnStart:
    """Return the beginning of a turn, its ids chosen."""
    run_id = draw_id("run", ports.entropy)
    message_ids = tuple(draw_id("message", ports.entropy) for _ in drafts)
    return TurnStart(ports, actor, agent_id, conversation_id, drafts, options, holder, run_id, message_ids)

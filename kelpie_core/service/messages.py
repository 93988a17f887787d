"""Sending, streaming, listing, cancelling: what people do with an agent."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar, cast

import attrs

from kelpie_core.errors import AgentBusy, NotFound, Refused, TurnFailed
from kelpie_core.ids import draw_id
from kelpie_core.keys import Key
from kelpie_core.limits import BUSY_POLL_MS, PAGE_ITEMS_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import AgentHead
from kelpie_core.model.message import Message
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, BY_KEY, HEADS, MESSAGES, RUNS
from kelpie_core.service.approvals import withdraw
from kelpie_core.service.commit import commit
from kelpie_core.service.drafts import MessageDraft, Page, TurnOptions
from kelpie_core.service.matching import Selection, read_matching
from kelpie_core.service.message_search import FoundMessages, MessageQuery, search_messages
from kelpie_core.service.owned import is_shown, read_head, read_owned
from kelpie_core.service.recovery import take_up
from kelpie_core.service.reset import reset_thread
from kelpie_core.service.runs import find_message
from kelpie_core.service.supervisor import Supervisor
from kelpie_core.service.turn_events import MessageStored, RunStarted, TurnEnded, TurnEvent
from kelpie_core.service.turn_start import Abandoned, Started, make_start

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class TurnResult:
    """What a turn gave: its run and the messages it stored, the input left out."""

    run: Run
    messages: tuple[Message, ...]


@attrs.frozen
class Messages:
    """The messages of the actor's agents. Everything raises StoreError; what else is said at each method."""

    _ports: Ports
    _actor: Actor
    _supervisor: Supervisor
    _holder: str

    async def send(
        self,
        agent_id: str,
        drafts: Sequence[MessageDraft],
        options: TurnOptions = TurnOptions(),
        *,
        conversation_id: str | None = None,
    ) -> TurnResult:
        """Run a turn on the messages, on the default thread or in a conversation, and return what it gave.

        Raises NotFound, InvalidInput, LimitExceeded, AgentBusy, AlreadyExists (a part of the input was sent before),
        TurnFailed (the run ended as failed), LeaseLost.
        """
        messages: list[Message] = []
        result: TurnResult | None = None
        async for event in self.stream(agent_id, drafts, options, conversation_id=conversation_id):
            match event:
                case MessageStored(message=message):
                    messages.append(message)
                case TurnEnded(run=run):
                    if run.error is not None:
                        raise TurnFailed(run.id, kind=run.error.type, message=run.error.message)
                    result = TurnResult(run=run, messages=tuple(messages))
        assert result is not None, "a stream of events ends with TurnEnded or raises"
        return result

    async def stream(
        self,
        agent_id: str,
        drafts: Sequence[MessageDraft],
        options: TurnOptions = TurnOptions(),
        *,
        conversation_id: str | None = None,
    ) -> AsyncIterator[TurnEvent]:
        """Run a turn on the messages and yield its events, `RunStarted` first, `TurnEnded` last.

        Closing the iterator does not stop the turn. Input whose `otid` was sent before begins no second turn: the
        events of the first are given again. Raises as `send`, but a failed run is a `TurnEnded` here.
        """
        run, is_new = await self._started(agent_id, drafts, options, conversation_id)
        events = self._supervisor.listen(run.id) if is_new else None
        yield RunStarted(run=run)
        async for event in self._again(run) if events is None else events:
            yield event

    async def begin(
        self,
        agent_id: str,
        drafts: Sequence[MessageDraft],
        options: TurnOptions = TurnOptions(),
        *,
        conversation_id: str | None = None,
    ) -> Run:
        """Begin a turn on the messages and return its run at once; the turn goes on by itself.

        Input whose `otid` was sent before begins no second turn: the run of the first is returned. Raises as `send`,
        but not TurnFailed and not LeaseLost.
        """
        return (await self._started(agent_id, drafts, options, conversation_id))[0]

    async def follow(self, run_id: str) -> AsyncIterator[TurnEvent]:
        """Yield the events of a run that has begun, `RunStarted` first, `TurnEnded` last; raise NotFound."""
        run = await self._read_run(run_id)
        yield RunStarted(run=run)
        async for event in self._again(run):
            yield event

    async def find_run(self, agent_id: str, *, conversation_id: str | None = None, otid: str | None = None) -> Run:
        """Return the run that began with a message of that otid, or the one that holds the thread; raise NotFound."""

        async def body(tx: Transaction) -> Run:
            head = await read_head(tx, self._actor, agent_id, conversation_id)
            run_id = head.lease.run_id if head.lease is not None else None
            if otid is not None:
                sent = await tx.scan(MESSAGES, "by_otid", (head.thread_id, otid), limit=1, descending=True)
                run_id = sent[0].run_id if sent else None
            if run_id is None:
                raise NotFound(RUNS.noun, "active" if otid is None else otid)
            return await read_owned(tx, self._actor, RUNS, run_id)

        return await commit(self._ports, body)

    async def list(
        self,
        agent_id: str,
        page: Page = Page(),
        *,
        conversation_id: str | None = None,
        group_id: str | None = None,
    ) -> Sequence[Message]:
        """Return a page of a thread's messages, oldest first unless descending; raise NotFound, InvalidInput.

        Without `conversation_id` it is the agent's default thread. With `group_id`, only messages sent in that group.
        """
        head = await commit(self._ports, lambda tx: read_head(tx, self._actor, agent_id, conversation_id))

        async def keep(tx: Transaction, message: Message) -> bool:
            return not head.hides(message.seq) and group_id in (None, message.group_id)

        async def position(tx: Transaction, message_id: str) -> Key:
            message = await find_message(tx, message_id)
            if message.thread_id != head.thread_id:
                raise NotFound("message", message_id)
            return (message.seq,)

        selection = Selection(table=MESSAGES, sources=((BY_KEY, (head.thread_id,)),), keep=keep)
        return await read_matching(self._ports, selection, page, position)

    async def list_all(self, page: Page = Page()) -> Sequence[Message]:
        """Return a page of the messages of all agents, oldest first unless descending; raise InvalidInput."""
        source = ("by_organization", cast(Key, (self._actor.organization_id,)))
        selection = Selection(table=MESSAGES, sources=(source,), keep=is_shown)

        async def position(tx: Transaction, message_id: str) -> Key:
            message = await find_message(tx, message_id)
            await read_head(tx, self._actor, message.agent_id, message.conversation_id)
            return selection.place_of(source, message)

        return await read_matching(self._ports, selection, page, position)

    async def get(self, message_id: str) -> Message:
        """Return a message; raise NotFound."""

        async def body(tx: Transaction) -> Message:
            message = await find_message(tx, message_id)
            head = await read_head(tx, self._actor, message.agent_id, message.conversation_id)
            if head.hides(message.seq):
                raise NotFound("message", message_id)
            return message

        return await commit(self._ports, body)

    async def reset(self, agent_id: str, *, conversation_id: str | None = None, wait_seconds: float = 0) -> None:
        """Take a thread's messages away, all but its system message, and give up what waits for approval.

        Raises NotFound, AgentBusy (a turn is at work and does not end in `wait_seconds`).
        """

        async def work() -> None:
            await reset_thread(self._ports, self._actor, agent_id, conversation_id)

        await self._when_free(agent_id, work, wait_seconds)

    async def cancel(
        self, agent_id: str, run_id: str | None = None, *, conversation_id: str | None = None
    ) -> Run | None:
        """Ask a turn of an agent to end as cancelled: that run, or the one that holds the thread; return it, if any.

        The input stays, every open tool call is answered; calls that wait for approval are withdrawn. Raises NotFound,
        Refused (the run is another agent's).
        """
        message_id, withdrawn = draw_id("message", self._ports.entropy), list[Run]()

        async def body(tx: Transaction) -> Run | None:
            where = conversation_id if run_id is None else await self._conversation_of(tx, agent_id, run_id)
            head = await read_head(tx, self._actor, agent_id, where)
            if head.lease is None and head.pending is not None and run_id in (None, head.pending.run_id):
                withdrawn[:] = [await read_owned(tx, self._actor, RUNS, head.pending.run_id)]
                agent = await read_owned(tx, self._actor, AGENTS, agent_id)
                await tx.put(HEADS, await withdraw(tx, agent, head, message_id, self._ports.clock.now()))
            # Withdrawn by an earlier attempt: it went through, only its acknowledgement was lost.
            return withdrawn[0] if withdrawn else await self._request_cancel(tx, head, run_id)

        run = await commit(self._ports, body)
        if run is not None and run.status is RunStatus.RUNNING:
            await self.take_up(run.id)
            self._supervisor.stop(run.id)
        return run

    async def search(self, query: MessageQuery, limit: int = 50) -> FoundMessages:
        """Return the messages that fit best; raise NotFound, InvalidInput, LimitExceeded. See message_search.py."""
        return await search_messages(self._ports, self._actor, query, limit)

    async def take_up(self, run_id: str, *, takeover: bool = False) -> bool:
        """Go on with a run whose process died, in the background; return whether there was one to take up."""
        with self._supervisor.claiming(run_id) as ours:
            if not ours:
                return False  # however late its lease is: a new one would only stop the turn that is at work
            taken = await take_up(self._ports, self._holder, run_id, takeover=takeover)
            if taken is None:
                return False
            self._supervisor.start(taken.run, taken.lease)
            return True

    async def _started(
        self, agent_id: str, drafts: Sequence[MessageDraft], options: TurnOptions, conversation_id: str | None
    ) -> tuple[Run, bool]:
        """Begin a turn and return its run, and whether it is new: not one that this input began before."""

        async def begin() -> Started:
            self._supervisor.check_open()
            return await start.commit()

        start = make_start(self._ports, self._actor, self._holder, agent_id, tuple(drafts), options, conversation_id)
        with self._supervisor.claiming(start.run_id) as ours:
            started = await self._when_free(agent_id, begin, options.wait_seconds)
            if started.lease is None or not ours:  # the request came again, and its first attempt is at work here
                return started.run, False
            self._supervisor.start(started.run, started.lease, tokens=options.tokens, resumed=started.resumed)
            return started.run, not started.resumed

    async def _when_free(self, agent_id: str, work: Callable[[], Awaitable[T]], wait_seconds: float) -> T:
        """Return what `work` gives once no other turn is in its way; raise AgentBusy if one still is at the end."""
        deadline = self._ports.clock.monotonic_ns() + int(wait_seconds * 1e9)
        while True:
            try:
                return await work()
            except Abandoned as abandoned:
                await self.take_up(abandoned.run_id)
                busy = AgentBusy(agent_id, abandoned.run_id)
            except AgentBusy as error:
                busy = error
            if self._ports.clock.monotonic_ns() >= deadline:
                raise busy
            await self._ports.clock.sleep(BUSY_POLL_MS / 1000)

    async def _again(self, run: Run) -> AsyncIterator[TurnEvent]:
        """Yield what a run gave before, waiting for its end if it is still at work."""
        live = self._supervisor.listen(run.id)
        if live is not None:
            async for event in live:
                if isinstance(event, TurnEnded):
                    run = event.run
        while run.status is RunStatus.RUNNING:
            await self._ports.clock.sleep(BUSY_POLL_MS / 1000)
            await self.take_up(run.id)
            run = await self._read_run(run.id)
        for message in await commit(self._ports, lambda tx: self._given_by(tx, run)):
            yield MessageStored(message=message)
        yield TurnEnded(run=run)

    async def _read_run(self, run_id: str) -> Run:
        return await commit(self._ports, lambda tx: read_owned(tx, self._actor, RUNS, run_id))

    async def _given_by(self, tx: Transaction, run: Run) -> Sequence[Message]:
        stored: list[Message] = []
        while page := await tx.scan(
            MESSAGES, "by_run", (run.id,), after=(stored[-1].seq,) if stored else None, limit=PAGE_ITEMS_MAX
        ):
            stored.extend(page)
        return [message for message in stored if message.step_id is not None]

    async def _conversation_of(self, tx: Transaction, agent_id: str, run_id: str) -> str | None:
        run = await read_owned(tx, self._actor, RUNS, run_id)
        if run.agent_id != agent_id:
            raise Refused(f"run {run_id} is not of agent {agent_id}")
        return run.conversation_id

    async def _request_cancel(self, tx: Transaction, head: AgentHead, run_id: str | None) -> Run | None:
        if run_id is None:
            run_id = head.lease.run_id if head.lease is not None else None
        if run_id is None:
            return None
        run = await read_owned(tx, self._actor, RUNS, run_id)
        if run.status is RunStatus.RUNNING and not run.cancel_requested:
            run = attrs.evolve(run, cancel_requested=True)
            await tx.put(RUNS, run)
        return run

"""Sending, streaming, listing, cancelling: what people do with an agent."""

from collections.abc import AsyncIterator, Sequence

import attrs

from kelpie_core.errors import AgentBusy, NotFound, Refused, TurnFailed
from kelpie_core.keys import Key
from kelpie_core.limits import BUSY_POLL_MS, PAGE_ITEMS_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import MESSAGES, RUNS
from kelpie_core.service.commit import commit
from kelpie_core.service.drafts import MessageDraft, Page, TurnOptions
from kelpie_core.service.owned import read_head, read_owned
from kelpie_core.service.paging import read_page
from kelpie_core.service.recovery import take_up
from kelpie_core.service.runs import find_message
from kelpie_core.service.supervisor import Supervisor
from kelpie_core.service.turn_events import MessageStored, RunStarted, TurnEnded, TurnEvent
from kelpie_core.service.turn_start import Abandoned, Started, TurnStart, make_start


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
        self, agent_id: str, drafts: Sequence[MessageDraft], options: TurnOptions = TurnOptions()
    ) -> TurnResult:
        """Run a turn on the messages and return what it gave.

        Raises NotFound, InvalidInput, LimitExceeded, AgentBusy, AlreadyExists (a part of the input was sent before),
        TurnFailed (the run ended as failed), LeaseLost.
        """
        messages: list[Message] = []
        result: TurnResult | None = None
        async for event in self.stream(agent_id, drafts, options):
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
        self, agent_id: str, drafts: Sequence[MessageDraft], options: TurnOptions = TurnOptions()
    ) -> AsyncIterator[TurnEvent]:
        """Run a turn on the messages and yield its events, `RunStarted` first, `TurnEnded` last.

        Closing the iterator does not stop the turn. Input whose `otid` was sent before begins no second turn: the
        events of the first are given again. Raises as `send`, but a failed run is a `TurnEnded` here.
        """
        start = make_start(self._ports, self._actor, self._holder, agent_id, tuple(drafts), options)
        with self._supervisor.claiming(start.run_id):
            started = await self._begin(start)
            if started.lease is None:
                events = self._again(started.run)
            else:
                events = self._supervisor.start(started.run, started.lease, tokens=options.tokens)
        yield RunStarted(run=started.run)
        async for event in events:
            yield event

    async def list(self, agent_id: str, page: Page = Page()) -> Sequence[Message]:
        """Return a page of the agent's messages, oldest first unless descending; raise NotFound, InvalidInput."""

        async def body(tx: Transaction) -> list[Message]:
            await read_head(tx, self._actor, agent_id)

            async def position(message_id: str) -> Key:
                message = await find_message(tx, message_id)
                if message.agent_id != agent_id:
                    raise NotFound("message", message_id)
                return (message.seq,)

            return await read_page(tx, MESSAGES, "key", (agent_id,), page, position)

        return await commit(self._ports, body)

    async def get(self, message_id: str) -> Message:
        """Return a message; raise NotFound."""

        async def body(tx: Transaction) -> Message:
            message = await find_message(tx, message_id)
            await read_head(tx, self._actor, message.agent_id)
            return message

        return await commit(self._ports, body)

    async def cancel(self, agent_id: str, run_id: str | None = None) -> Run | None:
        """Ask the agent's turn (that run, or the one that holds it) to end as cancelled; return its run, None if none.

        The input stays, every open tool call is answered. Raises NotFound, Refused (the run is another agent's).
        """
        run = await commit(self._ports, lambda tx: self._request_cancel(tx, agent_id, run_id))
        if run is not None and run.status is RunStatus.RUNNING:
            await self.take_up(run.id)
            self._supervisor.stop(run.id)
        return run

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

    async def _begin(self, start: TurnStart) -> Started:
        deadline = self._ports.clock.monotonic_ns() + int(start.options.wait_seconds * 1e9)
        while True:
            try:
                return await start.commit()
            except Abandoned as abandoned:
                await self.take_up(abandoned.run_id)
                busy = AgentBusy(start.agent_id, abandoned.run_id)
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
        return [message for message in stored if message.role in (Role.ASSISTANT, Role.TOOL) and message.step_id]

    async def _request_cancel(self, tx: Transaction, agent_id: str, run_id: str | None) -> Run | None:
        head = await read_head(tx, self._actor, agent_id)
        if run_id is None:
            run_id = head.lease.run_id if head.lease is not None else None
        if run_id is None:
            return None
        run = await read_owned(tx, self._actor, RUNS, run_id)
        if run.agent_id != agent_id:
            raise Refused(f"run {run_id} is not of agent {agent_id}")
        if run.status is RunStatus.RUNNING and not run.cancel_requested:
            run = attrs.evolve(run, cancel_requested=True)
            await tx.put(RUNS, run)
        return run

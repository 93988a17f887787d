"""Runs and their steps: the accounts of turns. Read only, but for the feedback that people give to a step."""

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import attrs

from kelpie_core.errors import NotFound
from kelpie_core.ids import is_id
from kelpie_core.keys import Key
from kelpie_core.limits import PAGE_ITEMS_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.message import Message
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.step import Feedback, Step
from kelpie_core.model.turn import StopReason
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, MESSAGES, RUNS, STEPS
from kelpie_core.service.commit import commit
from kelpie_core.service.drafts import Page
from kelpie_core.service.inputs import check_tags
from kelpie_core.service.matching import Selection, read_matching
from kelpie_core.service.owned import is_shown, is_there, read_conversation, read_owned

UNFINISHED = frozenset((RunStatus.CREATED, RunStatus.RUNNING))
_MICROSECOND = dt.timedelta(microseconds=1)


@attrs.frozen(kw_only=True)
class RunFilter:
    """Which runs to list; None does not matter, nor does an empty `agent_ids`.

    `thread_id` is a conversation's id, or an agent's for the runs on its default thread.
    """

    agent_ids: tuple[str, ...] = ()
    thread_id: str | None = None
    statuses: frozenset[RunStatus] | None = None
    stop_reasons: frozenset[StopReason] | None = None
    background: bool | None = None

    def matches(self, run: Run) -> bool:
        """Return whether a run is one of them."""
        return (
            (not self.agent_ids or run.agent_id in self.agent_ids)
            and self.thread_id in (None, run.thread_id)
            and (self.statuses is None or run.status in self.statuses)
            and (self.stop_reasons is None or run.stop_reason in self.stop_reasons)
            and self.background in (None, run.background)
        )

    def sources(self, organization_id: str) -> tuple[tuple[str, Key], ...]:
        """Return what to look through: as little as the indexes allow. Runs that are not ended are always few."""
        if self.statuses is not None and (self.statuses <= UNFINISHED or not (self.agent_ids or self.thread_id)):
            return tuple(("by_state", (organization_id, status.value)) for status in sorted(self.statuses))
        if self.thread_id is not None:
            return (("by_thread", (self.thread_id,)),)
        if self.agent_ids:
            return tuple(("by_agent", (agent_id,)) for agent_id in dict.fromkeys(self.agent_ids))
        return (("by_organization", (organization_id,)),)


@attrs.frozen(kw_only=True)
class StepFilter:
    """Which steps to list; what is empty or None does not matter. `model` is a handle or the name within it."""

    agent_id: str | None = None
    run_id: str | None = None
    model: str | None = None
    feedback: Feedback | None = None
    has_feedback: bool | None = None
    tags: frozenset[str] = frozenset()
    start: dt.datetime | None = None
    end: dt.datetime | None = None

    def matches(self, step: Step) -> bool:
        """Return whether a step is one of them, as far as it is not where one looks."""
        model = step.model or ""
        return (
            self.agent_id in (None, step.agent_id)
            and self.run_id in (None, step.run_id)
            and self.model in (None, model, model.rpartition("/")[2])
            and self.feedback in (None, step.feedback)
            and self.has_feedback in (None, step.feedback is not None)
            and (not self.tags or bool(self.tags.intersection(step.tags)))
        )


@attrs.frozen(kw_only=True)
class StepTimes:
    """When what came before a step was stored, when the model's reply was, and when its tools' returns were."""

    began_at: dt.datetime
    answered_at: dt.datetime
    ended_at: dt.datetime


@attrs.frozen
class Runs:
    """The actor's runs. Everything raises StoreError; what else is said at each method."""

    _ports: Ports
    _actor: Actor

    async def get(self, run_id: str) -> Run:
        """Return a run; raise NotFound."""
        return await commit(self._ports, lambda tx: self._read(tx, run_id))

    async def list(self, page: Page = Page(), which: RunFilter = RunFilter()) -> Sequence[Run]:
        """Return a page of runs, oldest first unless descending; raise NotFound, InvalidInput."""

        async def check(tx: Transaction) -> None:
            for agent_id in which.agent_ids:
                await read_owned(tx, self._actor, AGENTS, agent_id)
            if which.thread_id is not None:
                await check_thread(tx, self._actor, which.thread_id)

        async def keep(tx: Transaction, run: Run) -> bool:
            return which.matches(run) and await is_there(tx, run)

        async def position(tx: Transaction, run_id: str) -> Key:
            run = await self._read(tx, run_id)
            return (run.created_at, run.id)

        await commit(self._ports, check)
        selection = Selection(table=RUNS, sources=which.sources(self._actor.organization_id), keep=keep)
        return await read_matching(self._ports, selection, page, position)

    async def messages(self, run_id: str, page: Page = Page()) -> Sequence[Message]:
        """Return a page of the messages that a run stored, its input first; raise NotFound, InvalidInput."""
        await self.get(run_id)
        return await self._messages(run_id, page, is_shown)

    async def steps(self, run_id: str) -> Sequence[Step]:
        """Return the steps of a run, in order; raise NotFound."""

        async def body(tx: Transaction) -> list[Step]:
            await self._read(tx, run_id)
            return list(await tx.scan(STEPS, "by_run", (run_id,), limit=PAGE_ITEMS_MAX))

        return await commit(self._ports, body)

    async def all_messages(self, run_id: str) -> Sequence[Message]:
        """Return what a run stored, its input first; raise NotFound."""
        found: list[Message] = []
        while messages := await self.messages(
            run_id, Page(limit=PAGE_ITEMS_MAX, after=found[-1].id if found else None)
        ):
            found.extend(messages)
        return found

    async def step_times(self, step_id: str) -> StepTimes | None:
        """Return when a step began, was answered and ended; None if its messages are gone; raise NotFound."""
        step = await self.step(step_id)
        messages = await self.all_messages(step.run_id)
        own = [message for message in messages if message.step_id == step_id]
        if not own:
            return None
        before = [message.created_at for message in messages if message.seq < own[0].seq]
        began_at = before[-1] if before else own[0].created_at
        return StepTimes(began_at=began_at, answered_at=own[0].created_at, ended_at=own[-1].created_at)

    async def step(self, step_id: str) -> Step:
        """Return a step; raise NotFound."""
        return await commit(self._ports, lambda tx: self._read_step(tx, step_id))

    async def list_steps(self, page: Page = Page(), which: StepFilter = StepFilter()) -> Sequence[Step]:
        """Return a page of steps, oldest first unless descending; raise NotFound, InvalidInput."""
        source = ("by_organization", cast(Key, (self._actor.organization_id,)))
        if which.agent_id is not None:
            agent_id = which.agent_id
            await commit(self._ports, lambda tx: read_owned(tx, self._actor, AGENTS, agent_id))
            source = ("by_agent", (agent_id,))

        async def keep(tx: Transaction, step: Step) -> bool:
            if not which.matches(step):
                return False
            run = await tx.get(RUNS, (step.run_id,))
            return run is not None and await is_there(tx, run)

        async def position(tx: Transaction, step_id: str) -> Key:
            step = await self._read_step(tx, step_id)
            return (step.created_at, step.id)

        selection = Selection(
            table=STEPS,
            sources=(source,),
            keep=keep,
            low=None if which.start is None else (which.start - _MICROSECOND,),
            high=None if which.end is None else (which.end + _MICROSECOND,),
        )
        return await read_matching(self._ports, selection, page, position)

    async def step_messages(self, step_id: str, page: Page = Page()) -> Sequence[Message]:
        """Return a page of the messages that a step stored, the reply first; raise NotFound, InvalidInput."""
        step = await self.step(step_id)

        async def keep(tx: Transaction, message: Message) -> bool:
            return message.step_id == step_id and await is_shown(tx, message)

        return await self._messages(step.run_id, page, keep)

    async def give_feedback(self, step_id: str, feedback: Feedback | None, tags: tuple[str, ...] | None) -> Step:
        """Say what somebody thinks of a step, None to take it back; with `tags`, tag it. Return it; raise NotFound."""
        check_tags(tags or ())

        async def body(tx: Transaction) -> Step:
            old = await self._read_step(tx, step_id)
            step = attrs.evolve(old, feedback=feedback, tags=old.tags if tags is None else tags)
            await tx.put(STEPS, step)
            return step

        return await commit(self._ports, body)

    async def _messages(
        self, run_id: str, page: Page, keep: Callable[[Transaction, Message], Awaitable[bool]]
    ) -> Sequence[Message]:
        async def position(tx: Transaction, message_id: str) -> Key:
            message = await find_message(tx, message_id)
            if message.run_id != run_id:
                raise NotFound("message", message_id)
            return (message.seq,)

        selection = Selection(table=MESSAGES, sources=(("by_run", (run_id,)),), keep=keep)
        return await read_matching(self._ports, selection, page, position)

    async def _read(self, tx: Transaction, run_id: str) -> Run:
        run = await read_owned(tx, self._actor, RUNS, run_id)
        if not await is_there(tx, run):
            raise NotFound("run", run_id)  # its agent or conversation was deleted; the sweep has not come to it yet
        return run

    async def _read_step(self, tx: Transaction, step_id: str) -> Step:
        step = await read_owned(tx, self._actor, STEPS, step_id)
        run = await tx.get(RUNS, (step.run_id,))
        if run is None or not await is_there(tx, run):
            raise NotFound("step", step_id)
        return step


async def check_thread(tx: Transaction, actor: Actor, thread_id: str) -> None:
    """Raise NotFound unless the actor has that conversation, or for a default thread that agent."""
    if is_id("conv", thread_id):
        await read_conversation(tx, actor, thread_id)
    else:
        await read_owned(tx, actor, AGENTS, thread_id)


async def find_message(tx: Transaction, message_id: str) -> Message:
    """Return the message with that id, whoever owns it; raise NotFound."""
    found = await tx.scan(MESSAGES, "by_id", (message_id,), limit=1)
    if not found:
        raise NotFound("message", message_id)
    return found[0]

"""Conversations: create, read, list, change, delete, fork; and the system prompt as the model is given it.

A fork holds copies of the messages in its source's window, at most WINDOW_MESSAGES_MAX of them: what the API asks for,
at a bounded cost, in one commit. Copies, not spans of the source: so either can be deleted or reset and the other stays
whole, and no read has to follow a thread into another one. A copy has an id, a run and a step of its own, as an
imported message has; what it was copied from still belongs to its run alone. An exchange whose calls are not all
answered yet (the source is in mid-turn) is left out: its returns will come in the source only.
"""

import contextlib
from collections.abc import Sequence
from typing import Literal

import attrs

from kelpie_core.errors import InvalidInput, NotFound, StoreError
from kelpie_core.ids import draw_id
from kelpie_core.keys import Key
from kelpie_core.limits import HANDLE_CHARS_MAX, TEXT_CHARS_MAX, WINDOW_MESSAGES_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent
from kelpie_core.model.conversation import Conversation
from kelpie_core.model.message import Message
from kelpie_core.model.sweep import Sweep
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, CONVERSATIONS, HEADS, SWEEPS
from kelpie_core.service.commit import commit
from kelpie_core.service.departures import check_not_departed, note_departure, place_by_creation
from kelpie_core.service.drafts import ConversationChanges, ConversationDraft, Page, changed
from kelpie_core.service.history import read_window
from kelpie_core.service.inputs import check_limit, check_text
from kelpie_core.service.matching import Selection, read_matching
from kelpie_core.service.new_thread import first_message, put_new_thread
from kelpie_core.service.owned import read_blocks, read_conversation, read_head, read_owned
from kelpie_core.service.sweeps import run_sweep
from kelpie_core.turn.window import rendered_system, visible

Order = Literal["created_at", "last_message_at", "last_run_completion"]
CONTEXT_TOKENS_MAX = 1_000_000_000
_INDEX: dict[Order, str] = {"created_at": "", "last_message_at": "_message", "last_run_completion": "_run"}


@attrs.frozen(kw_only=True)
class ConversationState:
    """A conversation and the last messages that the model may see of it."""

    conversation: Conversation
    window_ids: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ConversationFilter:
    """Which conversations to list. `archived`: only those, only the others, or with None both. Hidden ones never."""

    agent_id: str | None = None
    archived: bool | None = False
    summary_search: str | None = None
    order: Order = "created_at"

    def matches(self, conversation: Conversation) -> bool:
        """Return whether a conversation is one of them."""
        if conversation.hidden or (self.archived is not None and self.archived is not bool(conversation.archived_at)):
            return False
        return (self.summary_search or "").casefold() in (conversation.summary or "").casefold()


@attrs.frozen
class Conversations:
    """The conversations of the actor's agents. Everything raises StoreError; what else is said at each method."""

    _ports: Ports
    _actor: Actor

    async def create(self, agent_id: str, draft: ConversationDraft) -> ConversationState:
        """Store a new conversation of an agent and return it; raise NotFound, InvalidInput, LimitExceeded."""
        fields = attrs.asdict(draft, recurse=False)
        made = self._made(agent_id, fields)

        async def body(tx: Transaction) -> ConversationState:
            agent = await read_owned(tx, self._actor, AGENTS, agent_id)
            return await self._put_new(tx, agent, made, ())

        return await commit(self._ports, body)

    async def fork(
        self,
        agent_id: str,
        conversation_id: str | None = None,
        *,
        message_id: str | None = None,
        hidden: bool = False,
    ) -> ConversationState:
        """Store a new conversation with what a thread's window holds, up to a message if one is named; return it.

        Raises NotFound, InvalidInput (the message is not in the window, or its tool calls are answered only later).
        """
        made = self._made(agent_id, {"hidden": hidden})

        async def body(tx: Transaction) -> ConversationState:
            agent = await read_owned(tx, self._actor, AGENTS, agent_id)
            head = await read_head(tx, self._actor, agent_id, conversation_id)
            shared = _up_to(await read_window(tx, head, WINDOW_MESSAGES_MAX), message_id)
            return await self._put_new(tx, agent, await self._like(tx, made, conversation_id), shared)

        return await commit(self._ports, body)

    async def get(self, conversation_id: str) -> Conversation:
        """Return a conversation; raise NotFound."""
        return await commit(self._ports, lambda tx: read_conversation(tx, self._actor, conversation_id))

    async def state(self, conversation_id: str) -> ConversationState:
        """Return a conversation with its window; raise NotFound."""

        async def body(tx: Transaction) -> ConversationState:
            conversation = await read_conversation(tx, self._actor, conversation_id)
            return await self._state(tx, conversation)

        return await commit(self._ports, body)

    async def list(
        self, page: Page = Page(), which: ConversationFilter = ConversationFilter()
    ) -> Sequence[Conversation]:
        """Return a page of conversations, oldest first unless descending; raise NotFound, InvalidInput."""
        owner, name = (which.agent_id, "by_agent") if which.agent_id is not None else (None, "by_organization")
        if owner is not None:
            await commit(self._ports, lambda tx: read_owned(tx, self._actor, AGENTS, owner))
        source = (name + _INDEX[which.order], (owner or self._actor.organization_id,))

        async def keep(tx: Transaction, conversation: Conversation) -> bool:
            return which.matches(conversation) and await tx.get(AGENTS, (conversation.agent_id,)) is not None

        selection = Selection(table=CONVERSATIONS, sources=(source,), keep=keep)

        async def position(tx: Transaction, key: str) -> Key:
            if which.order == "created_at":
                return await place_by_creation(tx, self._actor, CONVERSATIONS, key)
            return selection.place_of(source, await read_conversation(tx, self._actor, key))

        return await read_matching(self._ports, selection, page, position)

    async def update(self, conversation_id: str, changes: ConversationChanges) -> ConversationState:
        """Change a conversation and return it; raise NotFound, InvalidInput, LimitExceeded."""
        now = self._ports.clock.now()

        async def body(tx: Transaction) -> ConversationState:
            old = await read_conversation(tx, self._actor, conversation_id)
            new = attrs.evolve(changed(old, changes), updated_at=now, last_updated_by_id=self._actor.user_id)
            _check(new)
            await tx.put(CONVERSATIONS, new)
            return await self._state(tx, new)

        return await commit(self._ports, body)

    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation with its messages, runs and steps; a turn that runs in it ends. Raise NotFound."""
        now = self._ports.clock.now()
        sweep = Sweep(id=self._make_id("sweep"), conversation_ids=(conversation_id,), due_at=now)
        deleted = False

        async def body(tx: Transaction) -> None:
            nonlocal deleted
            if deleted and await tx.get(CONVERSATIONS, (conversation_id,)) is None:
                return  # an earlier attempt of ours went through, only its acknowledgement was lost
            conversation = await read_conversation(tx, self._actor, conversation_id)
            deleted = True
            await note_departure(tx, conversation, now)
            await tx.delete(CONVERSATIONS, (conversation_id,))
            await tx.delete(HEADS, (conversation_id,))
            await tx.put(SWEEPS, sweep)

        await commit(self._ports, body)
        with contextlib.suppress(StoreError):  # it is gone; the stored sweep sees to the rest at recovery
            await run_sweep(self._ports, sweep)

    async def compiled(self, agent_id: str, conversation_id: str | None = None) -> str:
        """Return the system prompt as the next model call of a thread is given it; raise NotFound.

        It is rendered anew for each call, so there is nothing to store.
        """

        async def body(tx: Transaction) -> str:
            await read_head(tx, self._actor, agent_id, conversation_id)
            agent = await read_owned(tx, self._actor, AGENTS, agent_id)
            return rendered_system(agent, await read_blocks(tx, agent))

        return await commit(self._ports, body)

    def _made(self, agent_id: str, fields: dict[str, object]) -> Conversation:
        now = self._ports.clock.now()
        conversation = Conversation(
            id=self._make_id("conv"),
            agent_id=agent_id,
            organization_id=self._actor.organization_id,
            created_by_id=self._actor.user_id,
            created_at=now,
            updated_at=now,
            **fields,  # type: ignore[arg-type]  # the draft's fields are the conversation's, which no type can say
        )
        _check(conversation)
        return conversation

    async def _like(self, tx: Transaction, made: Conversation, source_id: str | None) -> Conversation:
        """Return a fork configured as its source."""
        if source_id is None:
            return made
        source = await read_conversation(tx, self._actor, source_id)
        return attrs.evolve(
            made,
            summary=source.summary,
            description=source.description,
            model=source.model,
            model_settings=source.model_settings,
            context_window_limit=source.context_window_limit,
        )

    async def _put_new(
        self, tx: Transaction, agent: Agent, conversation: Conversation, shared: Sequence[Message]
    ) -> ConversationState:
        """Store a conversation, with the system message as it is now and copies of what it shares."""
        stored = await tx.get(CONVERSATIONS, (conversation.id,))
        if stored is not None:
            return await self._state(tx, stored)
        await check_not_departed(tx, CONVERSATIONS, conversation.id)
        first = await first_message(tx, agent, self._make_id("message"), conversation.created_at, conversation.id)
        messages = (first, *self._copies(shared, conversation.id))
        await put_new_thread(tx, messages)
        await tx.put(CONVERSATIONS, conversation)
        return ConversationState(conversation=conversation, window_ids=tuple(message.id for message in messages))

    def _copies(self, messages: Sequence[Message], conversation_id: str) -> tuple[Message, ...]:
        ids = {message.id: self._make_id("message") for message in messages}
        ids |= {key: self._make_id("run") for key in dict.fromkeys(m.run_id for m in messages) if key is not None}
        ids |= {key: self._make_id("step") for key in dict.fromkeys(m.step_id for m in messages) if key is not None}
        return tuple(
            attrs.evolve(
                message,
                id=ids[message.id],
                conversation_id=conversation_id,
                seq=seq,
                run_id=ids.get(message.run_id or ""),
                step_id=ids.get(message.step_id or ""),
                approval_request_id=ids.get(message.approval_request_id or "", message.approval_request_id),
            )
            for seq, message in enumerate(messages, 1)
        )

    async def _state(self, tx: Transaction, conversation: Conversation) -> ConversationState:
        head = await read_head(tx, self._actor, conversation.agent_id, conversation.id)
        window = await read_window(tx, head, WINDOW_MESSAGES_MAX)
        return ConversationState(conversation=conversation, window_ids=tuple(message.id for message in window))

    def _make_id(self, prefix: str) -> str:
        return draw_id(prefix, self._ports.entropy)


def _up_to(window: tuple[Message, ...], message_id: str | None) -> tuple[Message, ...]:
    """Return what a fork shares: no system message, for it has its own, and no half exchange."""
    if message_id is None:
        return visible(window)
    ids = [message.id for message in window]
    if message_id not in ids:
        raise NotFound("message", message_id)
    shared = visible(window[: ids.index(message_id) + 1])
    if window[ids.index(message_id)].tool_calls:
        raise InvalidInput("its tool calls are answered later: name their return", path="$.message_id")
    return shared


def _check(conversation: Conversation) -> None:
    """Raise unless a conversation is fit to be stored."""
    check_text(conversation.summary or "", "$.summary", chars_max=TEXT_CHARS_MAX)
    check_text(conversation.description or "", "$.description", chars_max=TEXT_CHARS_MAX)
    check_text(conversation.model or "", "$.model", chars_max=HANDLE_CHARS_MAX)
    if conversation.context_window_limit is not None:
        check_limit(conversation.context_window_limit, "$.context_window_limit", CONTEXT_TOKENS_MAX)

"""Conversations in the shapes of Letta's API: answers, bodies, queries."""

import datetime as dt
from collections.abc import Sequence
from typing import get_args

import attrs

from kelpie_core.errors import InvalidInput, Unsupported
from kelpie_core.ids import check_id, is_id
from kelpie_core.json_types import JsonObject
from kelpie_core.model.conversation import Conversation
from kelpie_core.service.conversations import ConversationFilter, Order
from kelpie_core.service.drafts import ConversationChanges, ConversationDraft
from kelpie_core.service.streams import Resumption
from kelpie_core.wire.letta_agent import CompactionFields, ModelSettingsFields
from kelpie_core.wire.letta_fields import present, typed
from kelpie_core.wire.letta_query import Query, one_of

DEFAULT = "default"
_ORDERS: tuple[Order, ...] = get_args(Order)
_ARCHIVED = {"unarchived": False, "archived": True, "all": None}
_CONVERSATION = ("summary", "description", "model", "context_window_limit")
_NULLABLE = (*_CONVERSATION, "model_settings", "last_message_at")


@attrs.frozen(kw_only=True)
class ConversationFields:
    """What the body of a new or changed conversation may hold."""

    summary: str | None = None
    description: str | None = None
    model: str | None = None
    model_settings: ModelSettingsFields | None = None
    context_window_limit: int | None = None
    hidden: bool | None = None
    archived: bool | None = None
    last_message_at: dt.datetime | None = None
    isolated_block_labels: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class RecompileFields:
    """What the body of a recompilation may hold."""

    agent_id: str | None = None
    compaction_settings: CompactionFields | None = None


@attrs.frozen(kw_only=True)
class FollowFields:
    """What the body of a request for a run's stream may hold."""

    agent_id: str | None = None
    run_id: str | None = None
    otid: str | None = None
    starting_after: int | None = None
    include_pings: bool | None = None
    batch_size: int | None = None
    poll_interval: float | None = None


@attrs.frozen(kw_only=True)
class ResetFields:
    """What the body of a reset may hold. The initial messages of an agent here are its system message, which stays."""

    add_default_initial_messages: bool | None = None


@attrs.frozen(kw_only=True)
class ThreadName:
    """Which thread a path names: a conversation, or the default thread of an agent."""

    agent_id: str | None = None
    conversation_id: str | None = None


def thread_name(word: str, agent_id: str | None) -> ThreadName:
    """Return the thread of a path's word: a conversation's id, an agent's id, or "default" with an agent's id.

    Raises InvalidInput.
    """
    if word == DEFAULT:
        if agent_id is None:
            raise InvalidInput("is required with the conversation 'default'", path="$.agent_id")
        return ThreadName(agent_id=check_id("agent", agent_id, path="$.agent_id"))
    if is_id("agent", word):
        return ThreadName(agent_id=word)
    return ThreadName(conversation_id=check_id("conv", word, path="$.conversation_id"))


def conversation_of(word: str | None, agent_id: str) -> str | None:
    """Return the conversation that a filter names, None for the agent's default thread; raise InvalidInput."""
    if word in (None, DEFAULT, agent_id):
        return None
    return check_id("conv", word or "", path="$.conversation_id")


def conversation_json(conversation: Conversation, window_ids: Sequence[str] | None = None) -> JsonObject:
    """Return a conversation; without `window_ids` it says that its window was not read."""
    return {
        "id": conversation.id,
        "agent_id": conversation.agent_id,
        "summary": conversation.summary,
        "description": conversation.description,
        "in_context_message_ids": None if window_ids is None else list(window_ids),
        "isolated_block_ids": [],
        "model": conversation.model,
        "model_settings": conversation.model_settings,
        "context_window_limit": conversation.context_window_limit,
        "archived": conversation.archived_at is not None,
        "archived_at": _time(conversation.archived_at),
        "hidden": conversation.hidden,
        "last_message_at": _time(conversation.last_message_at),
        "last_run_completion": _time(conversation.last_run_completion),
        "created_by_id": conversation.created_by_id,
        "last_updated_by_id": conversation.last_updated_by_id or conversation.created_by_id,
        "created_at": _time(conversation.created_at),
        "updated_at": _time(conversation.updated_at),
    }


def conversation_draft(raw: JsonObject) -> ConversationDraft:
    """Return the conversation that a body describes; raise InvalidInput, Unsupported."""
    fields = typed(raw, ConversationFields)
    if fields.isolated_block_labels:
        raise Unsupported("conversations.create with isolated_block_labels")
    return ConversationDraft(
        **present(fields, _CONVERSATION), model_settings=raw.get("model_settings"), hidden=bool(fields.hidden)
    )


def conversation_changes(raw: JsonObject, now: dt.datetime) -> ConversationChanges:
    """Return the changes of a conversation that a body describes; raise InvalidInput, Unsupported."""
    fields = typed(raw, ConversationFields)
    if fields.isolated_block_labels:
        raise Unsupported("conversations.update with isolated_block_labels")
    changes: JsonObject = {name: None for name in _NULLABLE if name in raw}
    changes |= present(fields, _CONVERSATION)
    if fields.model_settings is not None:
        changes["model_settings"] = raw["model_settings"]
    if fields.last_message_at is not None:
        changes["last_message_at"] = in_utc(fields.last_message_at, "$.last_message_at")
    if fields.archived is not None:
        changes["archived_at"] = now if fields.archived else None
    return ConversationChanges(**changes)


def conversation_filter(query: Query) -> ConversationFilter:
    """Return which conversations a query asks for; raise InvalidInput."""
    agent_id, order = one_of(query, "agent_id"), one_of(query, "order_by") or "created_at"
    status = one_of(query, "archive_status") or "unarchived"
    if order not in _ORDERS:
        raise InvalidInput(f"conversations cannot be ordered by {order[:80]!r}", path="$.order_by")
    if status not in _ARCHIVED:
        raise InvalidInput(f"expected unarchived, archived or all, got {status[:80]!r}", path="$.archive_status")
    return ConversationFilter(
        agent_id=None if agent_id is None else check_id("agent", agent_id, path="$.agent_id"),
        archived=_ARCHIVED[status],
        summary_search=one_of(query, "summary_search"),
        order=order,
    )


def reset_fields(raw: JsonObject) -> ResetFields:
    """Return what the body of a reset says; raise InvalidInput."""
    return typed(raw, ResetFields)


def in_utc(time: dt.datetime, path: str) -> dt.datetime:
    """Return a client's time in UTC, where one without a zone is taken to be; raise InvalidInput for one beyond it."""
    try:
        return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)
    except OverflowError as error:
        raise InvalidInput(f"is no time in UTC: {time.isoformat()}", path=path) from error


def _time(time: dt.datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def resumption_of(fields: FollowFields) -> Resumption:
    """Return from where on a body wants to be told a stream."""
    given = {"after": fields.starting_after, "chunks": fields.batch_size, "poll_seconds": fields.poll_interval}
    return attrs.evolve(Resumption(), **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]

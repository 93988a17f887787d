"""Searching messages in the shapes of Letta's API: the body of a search, and what it found."""

import datetime as dt

import attrs

from kelpie_core.errors import InvalidInput, Unsupported
from kelpie_core.ids import check_id, is_id
from kelpie_core.json_types import JsonObject
from kelpie_core.model.message import Message, Role
from kelpie_core.service.message_search import SPOKEN, FoundMessages, MessageQuery, role_of, said_in
from kelpie_core.wire.letta_conversation import DEFAULT, in_utc
from kelpie_core.wire.letta_fields import typed
from kelpie_core.wire.letta_message import MessageType

READ_BACK_TO = "x-search-read-back-to"
"""The header that says how far back a search read which did not read everything."""
_RESULTS_DEFAULT = 50
_TYPES = {Role.USER: MessageType.USER, Role.ASSISTANT: MessageType.ASSISTANT, Role.SYSTEM: MessageType.SYSTEM}


@attrs.frozen(kw_only=True)
class SearchFields:
    """What the body of a search may hold."""

    query: str | None = None
    agent_id: str | None = None
    conversation_id: str | None = None
    limit: int | None = None
    search_mode: str | None = None
    roles: tuple[str, ...] | None = None
    start_date: str | None = None
    end_date: str | None = None


@attrs.frozen(kw_only=True)
class MessageSearch:
    """A search that is asked for."""

    query: MessageQuery
    limit: int


def message_search(raw: JsonObject) -> MessageSearch:
    """Return the search that a body asks for; raise InvalidInput, Unsupported for one by meaning."""
    fields = typed(raw, SearchFields)
    if fields.search_mode == "vector":
        raise Unsupported("messages.search with search_mode vector")
    if fields.search_mode not in (None, "fts", "hybrid"):
        raise InvalidInput(f"expected fts, hybrid or vector, got {fields.search_mode[:80]!r}", path="$.search_mode")
    agent_id = None if fields.agent_id is None else check_id("agent", fields.agent_id, path="$.agent_id")
    return MessageSearch(
        query=MessageQuery(
            words=fields.query or "",
            agent_id=agent_id,
            thread_id=_thread_id(fields.conversation_id, agent_id),
            roles=_roles(fields.roles),
            start=_time(fields.start_date, "$.start_date"),
            end=_time(fields.end_date, "$.end_date"),
        ),
        limit=_RESULTS_DEFAULT if fields.limit is None else fields.limit,
    )


def found_json(found: FoundMessages) -> list[JsonObject]:
    """Return what was found, best first."""
    return [_found_json(message) for message in found.messages]


def _found_json(message: Message) -> JsonObject:
    return {
        "message_type": _TYPES[role_of(message)],
        "message_id": message.id,
        "content": said_in(message),
        "created_at": message.created_at.isoformat(),
        "agent_id": message.agent_id,
        "conversation_id": message.conversation_id,
    }


def _thread_id(word: str | None, agent_id: str | None) -> str | None:
    """Return the thread that is named, by its conversation's id or as the default one of the agent."""
    if word == DEFAULT:
        if agent_id is None:
            raise InvalidInput("is required with the conversation 'default'", path="$.agent_id")
        return agent_id
    return word if word is None or is_id("agent", word) else check_id("conv", word, path="$.conversation_id")


def _time(word: str | None, path: str) -> dt.datetime | None:
    if word is None:
        return None
    try:
        time = dt.datetime.fromisoformat(word)
    except ValueError as error:
        raise InvalidInput(f"expected an ISO date, got {word[:80]!r}", path=path) from error
    return in_utc(time, path)


def _roles(words: tuple[str, ...] | None) -> frozenset[Role]:
    known = {role.value: role for role in _TYPES}
    for word in words or ():
        if word not in known:
            raise InvalidInput(f"messages of the role {word[:80]!r} are not searched", path="$.roles")
    return frozenset(known[word] for word in words) if words else SPOKEN

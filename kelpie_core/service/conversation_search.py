"""The builtin tool `conversation_search`: what the agent itself can look up of what was said with it.

It reads, so it runs outside the commit that stores its return, and may run again after a crash.
"""

import datetime as dt

import msgspec

from kelpie_core.errors import CallerError
from kelpie_core.json_types import JsonObject
from kelpie_core.limits import SEARCH_ITEMS_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent
from kelpie_core.model.message import Role
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus, ToolType
from kelpie_core.ports import Ports
from kelpie_core.service.builtin_tools import CONVERSATION_SEARCH
from kelpie_core.service.message_search import SPOKEN, FoundMessages, MessageQuery, role_of, said_in, search_messages
from kelpie_core.texts import cut, encodable
from kelpie_core.turn.machine import error_return

RESULTS_DEFAULT = 5
RESULT_CHARS_MAX = 2_000
_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "tool": Role.TOOL}
_DAY = dt.timedelta(days=1) - dt.timedelta(microseconds=1)


class BadArguments(Exception):
    """The model asked in a way that makes no sense; the text is for it."""


def is_conversation_search(tool: Tool) -> bool:
    """Return whether a tool is the builtin one."""
    return tool.tool_type is not ToolType.CUSTOM and tool.name == CONVERSATION_SEARCH


async def run_conversation_search(ports: Ports, agent: Agent, call: ToolCall, arguments: JsonObject) -> ToolReturn:
    """Return what was found, or in an error return why nothing was looked for; raise StoreError."""
    try:
        query, limit = _query(agent, arguments), _limit(arguments)
        actor = Actor(user_id=agent.created_by_id, organization_id=agent.organization_id)
        found = await search_messages(ports, actor, query, limit)
    except (BadArguments, CallerError) as error:
        return error_return(call, encodable(str(error)))
    return ToolReturn(tool_call_id=call.id, status=ToolStatus.SUCCESS, text=_words(found))


def _query(agent: Agent, arguments: JsonObject) -> MessageQuery:
    words, roles = arguments.get("query") or "", arguments.get("roles") or []
    if not isinstance(words, str):
        raise BadArguments("argument 'query' must be a text")
    if not isinstance(roles, list) or not all(isinstance(role, str) and role in _ROLES for role in roles):
        raise BadArguments(f"argument 'roles' must be a list of: {', '.join(_ROLES)}")
    return MessageQuery(
        words=encodable(words),
        agent_id=agent.id,
        roles=frozenset(_ROLES[role] for role in roles) or SPOKEN,
        start=_time(arguments, "start_date"),
        end=_time(arguments, "end_date"),
    )


def _limit(arguments: JsonObject) -> int:
    limit = arguments.get("limit")
    if limit is None:
        return RESULTS_DEFAULT
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= SEARCH_ITEMS_MAX:
        raise BadArguments(f"argument 'limit' must be a whole number from 1 to {SEARCH_ITEMS_MAX}")
    return limit


def _time(arguments: JsonObject, name: str) -> dt.datetime | None:
    """Return a time in UTC, where one without a zone is taken to be. A day that ends a search counts as a whole."""
    word = arguments.get(name)
    if not word:
        return None
    try:
        time = dt.datetime.fromisoformat(str(word))
        time = time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)
        return time + _DAY if name == "end_date" and len(str(word)) == len("2026-01-01") else time
    except (ValueError, OverflowError):
        raise BadArguments(f"argument {name!r} must be an ISO date or time, as 2026-01-31T12:00") from None


def _words(found: FoundMessages) -> str:
    results = [
        {
            "date": message.created_at.isoformat(),
            "role": role_of(message).value,
            "content": cut(said_in(message), RESULT_CHARS_MAX),
        }
        for message in found.messages
    ]
    told: JsonObject = {"results": results}
    if found.read_back_to is not None:
        told["searched_back_to"] = found.read_back_to.isoformat()
        told["note"] = "What is older was not searched: to search that, give searched_back_to as end_date."
    return msgspec.json.encode(told).decode()

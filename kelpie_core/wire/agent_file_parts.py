"""Blocks, tools, messages and agents as both generations of agent files write them: JSON to values of the model.

What is unknown of a part goes to its `extra` as it stands. What is unknown of an element of a message (a content part,
a tool call, a tool return) goes there too, under the name of the list and by position: `{"content": [{}, {"x": 1}]}`.
"""

import datetime as dt
from collections.abc import Sequence

from kelpie_core.json_types import JsonObject
from kelpie_core.limits import (
    BLOCK_LIMIT_CHARS_DEFAULT,
    BLOCK_LIMIT_CHARS_MAX,
    HANDLE_CHARS_MAX,
    LABEL_CHARS_MAX,
    NAME_CHARS_MAX,
    TAGS_MAX,
    TOOL_RETURN_CHARS_DEFAULT,
    TURN_STEPS_MAX,
)
from kelpie_core.model.agent import Agent, AgentType, TurnLimits
from kelpie_core.model.block import Block
from kelpie_core.model.content import ContentPart, OpaquePart, ReasoningPart, TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus, ToolType
from kelpie_core.wire.agent_file import NOBODY, TIME_UNKNOWN
from kelpie_core.wire.json_reader import Fields, wrong_length

FILE_FIELDS = "agent_file"
"""The name under which an agent's `extra` keeps what its file said about itself."""
_NUMBER_MAX = 1_000_000_000_000
# What other products keep with an agent and we have no room for yet: refused unless empty, never dropped in silence.
_NO_ROOM = (
    "memory_blocks", "tools", "source_ids", "folder_ids", "files_agents", "group_ids", "identity_ids",
    "multi_agent_group",
)  # fmt: skip


def read_block(fields: Fields, block_id: str) -> Block:
    """Return a memory block; raise LimitExceeded if it holds more than its own limit."""
    limit = fields.integer("limit", BLOCK_LIMIT_CHARS_DEFAULT, value_max=BLOCK_LIMIT_CHARS_MAX)
    created_at, updated_at = _times(fields)
    return Block(
        id=block_id,
        organization_id=NOBODY,
        created_by_id=NOBODY,
        label=fields.text("label", chars_min=1, chars_max=LABEL_CHARS_MAX),
        value=fields.text("value", chars_max=limit),
        limit=limit,
        description=fields.text_or_none("description"),
        read_only=fields.flag("read_only") or False,
        hidden=fields.flag("hidden"),
        tags=_tags(fields),
        metadata=_metadata(fields, "metadata", "metadata_"),
        created_at=created_at,
        updated_at=updated_at,
        extra=fields.rest,
    )


def read_tool(fields: Fields, tool_id: str) -> Tool:
    """Return a tool. Its source is kept whatever it is: it need not be Python."""
    created_at, updated_at = _times(fields)
    return Tool(
        id=tool_id,
        organization_id=NOBODY,
        created_by_id=NOBODY,
        name=fields.text("name", chars_min=1, chars_max=NAME_CHARS_MAX),
        tool_type=fields.choice("tool_type", ToolType, ToolType.CUSTOM),
        description=fields.text_or_none("description"),
        source_type=fields.text_or_none("source_type"),
        source_code=fields.text_or_none("source_code"),
        json_schema=fields.object_or_none("json_schema"),
        args_json_schema=fields.object_or_none("args_json_schema"),
        tags=_tags(fields),
        return_char_limit=fields.integer("return_char_limit", TOOL_RETURN_CHARS_DEFAULT, value_max=_NUMBER_MAX),
        default_requires_approval=fields.flag("default_requires_approval"),
        idempotent=fields.flag("idempotent") or False,
        metadata=_metadata(fields, "metadata_", "metadata"),
        created_at=created_at,
        updated_at=updated_at,
        extra=fields.rest,
    )


def read_message(fields: Fields, message_id: str, agent_id: str, seq: int) -> Message:
    """Return a message."""
    content, content_left = _content(fields)
    calls, calls_left = _tool_calls(fields)
    returns, returns_left = _tool_returns(fields)
    _check_constant(fields, "type", "message")
    return Message(
        id=message_id,
        agent_id=agent_id,
        seq=seq,
        role=fields.choice("role", Role),
        content=content,
        tool_calls=calls,
        tool_call_id=fields.text_or_none("tool_call_id"),
        tool_returns=returns,
        name=fields.text_or_none("name"),
        otid=fields.text_or_none("otid"),
        sender_id=fields.text_or_none("sender_id"),
        run_id=fields.text_or_none("run_id"),
        step_id=fields.text_or_none("step_id"),
        group_id=fields.text_or_none("group_id"),
        batch_item_id=fields.text_or_none("batch_item_id"),
        model=fields.text_or_none("model"),
        approve=fields.flag("approve"),
        approval_request_id=fields.text_or_none("approval_request_id"),
        denial_reason=fields.text_or_none("denial_reason"),
        approvals=fields.each("approvals", dict),
        is_error=fields.flag("is_err") or False,
        created_at=fields.time("created_at") or TIME_UNKNOWN,
        extra=fields.rest | content_left | calls_left | returns_left,
    )


def read_agent(
    fields: Fields, agent_id: str, block_ids: tuple[str, ...], tool_ids: tuple[str, ...], secrets: dict[str, str]
) -> Agent:
    """Return an agent without its history; raise Unsupported for what we have no room for yet."""
    fields.refuse(*_NO_ROOM)
    fields.reserve(FILE_FIELDS)
    created_at, updated_at = _times(fields)
    return Agent(
        id=agent_id,
        organization_id=NOBODY,
        created_by_id=NOBODY,
        name=fields.text("name", chars_min=1, chars_max=NAME_CHARS_MAX),
        agent_type=fields.choice("agent_type", AgentType, AgentType.LETTA_V1),
        system=fields.text_or_none("system") or "",
        description=fields.text_or_none("description"),
        model=fields.text_or_none("model", chars_max=HANDLE_CHARS_MAX),
        embedding=fields.text_or_none("embedding", chars_max=HANDLE_CHARS_MAX),
        llm_config=fields.object_or_none("llm_config"),
        embedding_config=fields.object_or_none("embedding_config"),
        model_settings=fields.object_or_none("model_settings"),
        block_ids=block_ids,
        tool_ids=tool_ids,
        tool_rules=fields.each("tool_rules", dict),
        tags=_tags(fields),
        metadata=_metadata(fields, "metadata", "metadata_"),
        secrets=secrets,
        timezone=fields.text_or_none("timezone", chars_max=NAME_CHARS_MAX),
        message_buffer_autoclear=fields.flag("message_buffer_autoclear") or False,
        hidden=fields.flag("hidden"),
        limits=_turn_limits(fields),
        created_at=created_at,
        updated_at=updated_at,
        extra=fields.rest,
    )


def read_secrets(fields: Fields, name: str) -> dict[str, str]:
    """Return environment values by name, {} if the field is absent."""
    values = Fields(fields.object_or_none(name) or {}, fields.at(name))
    return {key: values.text_or_none(key) or "" for key in tuple(values.rest)}


def _times(fields: Fields) -> tuple[dt.datetime, dt.datetime]:
    created_at = fields.time("created_at") or TIME_UNKNOWN
    return created_at, fields.time("updated_at") or created_at


def _tags(fields: Fields) -> tuple[str, ...]:
    path = fields.at("tags")
    tags = fields.each("tags", str, count_max=TAGS_MAX)
    for number, tag in enumerate(tags):
        if not 1 <= len(tag) <= LABEL_CHARS_MAX:
            raise wrong_length(tag, LABEL_CHARS_MAX, f"{path}[{number}]")
    return tags


def _metadata(fields: Fields, name: str, other: str) -> JsonObject:
    """Return the user's metadata under its usual name, or else under the other one."""
    value = fields.object_or_none(name)
    return (fields.object_or_none(other) if value is None else value) or {}


def _check_constant(fields: Fields, name: str, wanted: str) -> None:
    value = fields.text_or_none(name)
    if value not in (None, wanted):
        raise fields.error(name, f"must be {wanted!r}")


def _turn_limits(fields: Fields) -> TurnLimits:
    given = fields.object_or_none("turn_limits")
    if given is None:
        return TurnLimits()
    limits, default = Fields(given, fields.at("turn_limits")), TurnLimits()
    return TurnLimits(
        steps_max=limits.integer("steps_max", default.steps_max, value_max=TURN_STEPS_MAX),
        tool_calls_max=limits.integer("tool_calls_max", default.tool_calls_max, value_max=_NUMBER_MAX),
        tokens_max=limits.integer("tokens_max", default.tokens_max, value_max=_NUMBER_MAX),
        seconds_max=limits.integer("seconds_max", default.seconds_max, value_max=_NUMBER_MAX),
    )


def _left(name: str, parts: Sequence[JsonObject]) -> JsonObject:
    """Return what is left over of the elements of a list as an entry for `extra`; nothing if nothing is."""
    return {name: list(parts)} if any(parts) else {}


def _content(fields: Fields) -> tuple[tuple[ContentPart, ...], JsonObject]:
    given = fields.rest.get("content")
    if type(given) is str:
        return (TextPart(text=fields.text("content")),), {}
    parts = fields.parts("content")
    return tuple(map(_content_part, parts)), _left("content", [part.rest for part in parts])


def _content_part(part: Fields) -> ContentPart:
    kind = part.text("type")
    if kind == "text":
        return TextPart(text=part.text("text"), signature=part.text_or_none("signature"))
    if kind == "reasoning":
        return ReasoningPart(
            reasoning=part.text("reasoning"),
            is_native=part.flag("is_native") is not False,
            signature=part.text_or_none("signature"),
        )
    whole = {"type": kind, **part.rest}
    part.rest.clear()
    return OpaquePart(fields=whole)


def _tool_calls(fields: Fields) -> tuple[tuple[ToolCall, ...], JsonObject]:
    parts = fields.parts("tool_calls")
    return tuple(map(_tool_call, parts)), _left("tool_calls", [part.rest for part in parts])


def _tool_call(part: Fields) -> ToolCall:
    _check_constant(part, "type", "function")
    function = Fields(part.object_or_none("function") or {}, part.at("function"))
    call = ToolCall(
        id=part.text("id", chars_min=1), name=function.text("name", chars_min=1), arguments=function.text("arguments")
    )
    part.rest |= {"function": function.rest} if function.rest else {}
    return call


def _tool_returns(fields: Fields) -> tuple[tuple[ToolReturn, ...], JsonObject]:
    parts = fields.parts("tool_returns")
    return tuple(map(_tool_return, parts)), _left("tool_returns", [part.rest for part in parts])


def _tool_return(part: Fields) -> ToolReturn:
    return ToolReturn(
        tool_call_id=part.text_or_none("tool_call_id"),
        status=part.choice("status", ToolStatus),
        text=_return_text(part),
        stdout=_lines(part, "stdout"),
        stderr=_lines(part, "stderr"),
    )


def _return_text(part: Fields) -> str | None:
    """Return the text of a tool return. One made of parts is left over whole as well: not all parts are text."""
    given = part.rest.get("func_response")
    if type(given) is not list:
        return part.text_or_none("func_response")
    texts = [item.rest.get("text") for item in part.parts("func_response")]
    part.rest["func_response"] = given
    return "".join(text for text in texts if type(text) is str)


def _lines(part: Fields, name: str) -> tuple[str, ...] | None:
    """Return lines of output; no lines are not the same as not knowing."""
    lines = part.each(name, str) if part.rest.get(name) is not None else None
    part.rest.pop(name, None)
    return lines

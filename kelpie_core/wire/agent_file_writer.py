"""Stored records to the pieces of an agent file: one JSON document of the new generation, written front to back.

The pieces are `opening`, any number of `history`, then `closing`. So a file of any length passes through a memory that
holds one piece. Ids are the file's own and follow from order: `message-7` is the message with seq 7. Values of secrets
are never written, their names are.
"""

from collections.abc import Iterable, Mapping, Sequence

import attrs
import msgspec

from kelpie_core.json_types import JsonObject, JsonValue
from kelpie_core.model.agent import Agent, Span
from kelpie_core.model.block import Block
from kelpie_core.model.content import ContentPart, OpaquePart
from kelpie_core.model.message import Message
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn
from kelpie_core.wire.agent_file_current import NO_ROOM
from kelpie_core.wire.agent_file_parts import FILE_FIELDS

_AGENT_ID = "agent-0"
# What other products would add to an agent on import unless told not to.
_ADD_NOTHING: JsonObject = {
    "include_base_tools": False,
    "include_multi_agent_tools": False,
    "include_base_tool_rules": False,
    "include_default_source": False,
}


@attrs.frozen(kw_only=True)
class AgentSnapshot:
    """An agent at one moment, without its history: `window` is within the history that will be written."""

    agent: Agent
    window: tuple[Span, ...]
    blocks: tuple[Block, ...]
    tools: tuple[Tool, ...]


def message_id_at(seq: int) -> str:
    """Return the file's id of the message with that seq."""
    return f"message-{seq}"


def opening(snapshot: AgentSnapshot) -> bytes:
    """Return the beginning of the file, up to where the messages go."""
    agent = msgspec.json.encode(_agent(snapshot))
    return b'{"agents":[' + agent[:-1] + b',"messages":['


def history(messages: Sequence[Message], message_ids: Mapping[str, str], *, goes_on: bool) -> bytes:
    """Return a piece of the history; `message_ids` are the file's ids of stored messages that these refer to.

    It `goes_on` where a piece with messages came before it.
    """
    pieces = [msgspec.json.encode(_message(message, message_ids)) for message in messages]
    comma = b"," if messages and goes_on else b""
    return comma + b",".join(pieces)


def closing(snapshot: AgentSnapshot, created_at: JsonValue) -> bytes:
    """Return the end of the file: blocks, tools and what the imported file said about itself."""
    rest = {
        **dict.fromkeys(NO_ROOM, ()),
        "metadata": {},
        **snapshot.agent.extra.get(FILE_FIELDS, {}),
        "blocks": [_block(block, f"block-{place}") for place, block in enumerate(snapshot.blocks)],
        "tools": [_tool(tool, f"tool-{place}") for place, tool in enumerate(snapshot.tools)],
        "created_at": created_at,
    }
    return b"]}]," + msgspec.json.encode(rest)[1:]


def _agent(snapshot: AgentSnapshot) -> JsonObject:
    agent = snapshot.agent
    names = dict.fromkeys(agent.secrets, "")
    window = [message_id_at(seq) for span in snapshot.window for seq in range(span.first, span.end)]
    extra = {name: value for name, value in agent.extra.items() if name != FILE_FIELDS}
    return {
        **_ADD_NOTHING,
        **extra,
        "id": _AGENT_ID,
        "name": agent.name,
        "agent_type": agent.agent_type,
        "system": agent.system,
        "description": agent.description,
        "model": agent.model,
        "embedding": agent.embedding,
        "llm_config": agent.llm_config,
        "embedding_config": agent.embedding_config,
        "model_settings": agent.model_settings,
        "block_ids": [f"block-{place}" for place in range(len(snapshot.blocks))],
        "tool_ids": [f"tool-{place}" for place in range(len(snapshot.tools))],
        "tool_rules": agent.tool_rules,
        "tags": agent.tags,
        "metadata": agent.metadata,
        "tool_exec_environment_variables": names,
        "secrets": names,
        "timezone": agent.timezone,
        "message_buffer_autoclear": agent.message_buffer_autoclear,
        "hidden": agent.hidden,
        "turn_limits": agent.limits,
        "created_at": agent.created_at,
        "updated_at": agent.updated_at,
        "memory_blocks": (),
        "tools": (),
        "source_ids": (),
        "files_agents": (),
        "group_ids": (),
        "in_context_message_ids": window,
    }


def _block(block: Block, block_id: str) -> JsonObject:
    return {
        **block.extra,
        "id": block_id,
        "label": block.label,
        "value": block.value,
        "limit": block.limit,
        "description": block.description,
        "read_only": block.read_only,
        "hidden": block.hidden,
        "tags": block.tags,
        "metadata": block.metadata,
        "created_at": block.created_at,
        "updated_at": block.updated_at,
    }


def _tool(tool: Tool, tool_id: str) -> JsonObject:
    return {
        **tool.extra,
        "id": tool_id,
        "name": tool.name,
        "tool_type": tool.tool_type,
        "description": tool.description,
        "source_type": tool.source_type,
        "source_code": tool.source_code,
        "json_schema": tool.json_schema,
        "args_json_schema": tool.args_json_schema,
        "tags": tool.tags,
        "return_char_limit": tool.return_char_limit,
        "default_requires_approval": tool.default_requires_approval,
        "idempotent": tool.idempotent,
        "metadata_": tool.metadata,
        "created_at": tool.created_at,
        "updated_at": tool.updated_at,
    }


def _message(message: Message, message_ids: Mapping[str, str]) -> JsonObject:
    request_id = message.approval_request_id
    left = message.extra
    return {
        **left,
        "type": "message",
        "id": message_id_at(message.seq),
        "agent_id": _AGENT_ID,
        "role": message.role,
        "content": _merged(map(_content_part, message.content), left, "content"),
        "tool_calls": _merged(map(_tool_call, message.tool_calls), left, "tool_calls"),
        "tool_call_id": message.tool_call_id,
        "tool_returns": _merged(map(_tool_return, message.tool_returns), left, "tool_returns"),
        "name": message.name,
        "otid": message.otid,
        "sender_id": _AGENT_ID if message.sender_id == message.agent_id else message.sender_id,
        "run_id": message.run_id,
        "step_id": message.step_id,
        "group_id": message.group_id,
        "batch_item_id": message.batch_item_id,
        "model": message.model,
        "approve": message.approve,
        "approval_request_id": request_id if request_id is None else message_ids.get(request_id, request_id),
        "denial_reason": message.denial_reason,
        "approvals": message.approvals,
        "is_err": message.is_error,
        "created_at": message.created_at,
    }


def _merged(written: Iterable[JsonObject], left: JsonObject, name: str) -> list[JsonObject]:
    """Return the elements of a list of a message, each with what the import left over of it."""
    more = left.get(name)
    return list(written) if more is None else list(map(_merge, written, more))


def _merge(written: JsonObject, left: JsonObject) -> JsonObject:
    both = {name: _merge(written[name], left[name]) for name in left if type(written.get(name)) is dict}
    return {**written, **left, **both}


def _content_part(part: ContentPart) -> JsonObject:
    fields: JsonObject = part.fields if isinstance(part, OpaquePart) else msgspec.to_builtins(part)
    return fields


def _tool_call(call: ToolCall) -> JsonObject:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _tool_return(given: ToolReturn) -> JsonObject:
    return {
        "tool_call_id": given.tool_call_id,
        "status": given.status,
        "func_response": given.text,
        "stdout": given.stdout,
        "stderr": given.stderr,
    }

"""The new generation of agent files: lists of agents, blocks and tools that refer to each other by ids of the file."""

from collections.abc import Mapping

from kelpie_core.errors import InvalidInput
from kelpie_core.json_types import JsonObject
from kelpie_core.limits import AGENT_FILE_MESSAGES_MAX, BLOCKS_PER_AGENT_MAX, TOOLS_PER_AGENT_MAX
from kelpie_core.model.agent import Span
from kelpie_core.model.block import Block
from kelpie_core.model.message import Message
from kelpie_core.wire.agent_file import AgentEntry, AgentFile
from kelpie_core.wire.agent_file_checks import (
    Ids,
    check_labels,
    check_pairs,
    check_references,
    check_tool_names,
    spans_of,
)
from kelpie_core.wire.agent_file_parts import read_agent, read_block, read_message, read_secrets, read_tool
from kelpie_core.wire.json_reader import Fields

# Sections that exist but for which there is no room yet: refused unless empty.
NO_ROOM = ("groups", "files", "sources", "mcp_servers", "skills")


def read_current(root: JsonObject) -> AgentFile:
    """Return what a file of the new generation holds; raise InvalidInput, LimitExceeded or Unsupported."""
    fields, ids = Fields(root, "$"), Ids()
    fields.refuse(*NO_ROOM)
    blocks = [read_block(part, _new_id(part, ids)) for part in fields.parts("blocks")]
    tools = [read_tool(part, _new_id(part, ids)) for part in fields.parts("tools")]
    check_tool_names(tools)
    by_id = {block.id: block for block in blocks}
    tool_ids = dict.fromkeys(tool.id for tool in tools)
    agents = [_read_entry(part, ids, by_id, tool_ids) for part in fields.parts("agents")]
    if not agents:
        raise InvalidInput("holds no agent", path="$.agents")
    return AgentFile(
        agents=tuple(agents),
        blocks=tuple(blocks),
        tools=tuple(tools),
        created_at=fields.time("created_at"),
        metadata=fields.object_or_none("metadata") or {},
        extra=fields.rest,
    )


def _new_id(part: Fields, ids: Ids) -> str:
    return ids.add(part.text("id", chars_min=1), part.at("id"))


def _read_entry(fields: Fields, ids: Ids, blocks: Mapping[str, Block], tools: Mapping[str, object]) -> AgentEntry:
    agent_id = _new_id(fields, ids)
    block_ids = fields.each("block_ids", str, count_max=BLOCKS_PER_AGENT_MAX)
    check_references(block_ids, blocks, "block", fields.at("block_ids"))
    check_labels([blocks[block_id] for block_id in block_ids], fields.at("block_ids"))
    tool_ids = fields.each("tool_ids", str, count_max=TOOLS_PER_AGENT_MAX)
    check_references(tool_ids, tools, "tool", fields.at("tool_ids"))
    secrets = read_secrets(fields, "tool_exec_environment_variables") | read_secrets(fields, "secrets")
    parts = fields.parts("messages", count_max=AGENT_FILE_MESSAGES_MAX)
    messages = tuple(_read_message(part, ids, agent_id, seq) for seq, part in enumerate(parts))
    check_pairs(messages, fields.at("messages"))
    window = _read_window(fields, messages)
    agent = read_agent(fields, agent_id, block_ids, tool_ids, secrets)
    return AgentEntry(path=fields.path, agent=agent, messages=messages, window=window)


def _read_message(part: Fields, ids: Ids, agent_id: str, seq: int) -> Message:
    owner_id = part.text_or_none("agent_id")
    if owner_id not in (None, agent_id):
        raise part.error("agent_id", f"is {owner_id!r}, but the message stands with {agent_id!r}")
    return read_message(part, _new_id(part, ids), agent_id, seq)


def _read_window(fields: Fields, messages: tuple[Message, ...]) -> tuple[Span, ...]:
    places = {message.id: message.seq for message in messages}
    window_ids = fields.each("in_context_message_ids", str)
    check_references(window_ids, places, "message", fields.at("in_context_message_ids"))
    return spans_of(places[message_id] for message_id in window_ids)

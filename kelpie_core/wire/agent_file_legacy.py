"""The old generation of agent files: one flat agent, its parts without ids, the window as places in the history.

The parts get ids of the new generation's form (`block-0`), so that everything after reading is the same for both.
"""

from kelpie_core.errors import InvalidInput
from kelpie_core.json_types import JsonObject
from kelpie_core.limits import AGENT_FILE_MESSAGES_MAX, BLOCKS_PER_AGENT_MAX, TOOLS_PER_AGENT_MAX
from kelpie_core.model.agent import Span
from kelpie_core.model.message import Message
from kelpie_core.wire.agent_file import AgentEntry, AgentFile
from kelpie_core.wire.agent_file_checks import check_labels, check_pairs, check_tool_names, spans_of
from kelpie_core.wire.agent_file_parts import read_agent, read_block, read_message, read_tool
from kelpie_core.wire.json_reader import Fields

AGENT_ID = "agent-0"
ENVIRONMENT_FIELDS = "environment_variables"
"""The name under which an agent's `extra` keeps what the file says about its environment variables, values aside."""
_SIGNS = ("agent_type", "core_memory", "messages", "in_context_message_indices", "llm_config")


def is_legacy(root: JsonObject) -> bool:
    """Return whether a document looks like a file of the old generation."""
    return any(name in root for name in _SIGNS)


def read_legacy(root: JsonObject) -> AgentFile:
    """Return what a file of the old generation holds; raise InvalidInput, LimitExceeded or Unsupported."""
    fields = Fields(root, "$")
    parts = fields.parts("core_memory", count_max=BLOCKS_PER_AGENT_MAX)
    blocks = tuple(read_block(_without_ids(part), f"block-{place}") for place, part in enumerate(parts))
    check_labels(blocks, "$.core_memory", ".label")
    parts = fields.parts("tools", count_max=TOOLS_PER_AGENT_MAX)
    tools = tuple(read_tool(_without_ids(part), f"tool-{place}") for place, part in enumerate(parts))
    check_tool_names(tools)
    parts = fields.parts("messages", count_max=AGENT_FILE_MESSAGES_MAX)
    messages = tuple(
        read_message(_without_ids(part), f"message-{seq}", AGENT_ID, seq) for seq, part in enumerate(parts)
    )
    check_pairs(messages, "$.messages")
    window = _read_window(fields, messages)
    secrets = _read_environment(fields)
    ids = tuple(block.id for block in blocks), tuple(tool.id for tool in tools)
    agent = read_agent(_without_ids(fields), AGENT_ID, *ids, secrets)
    entry = AgentEntry(path="$", agent=agent, messages=messages, window=window)
    return AgentFile(agents=(entry,), blocks=blocks, tools=tools)


def _without_ids(fields: Fields) -> Fields:
    """Return the fields without ids that the file should not have: every part gets a new one anyway."""
    fields.rest.pop("id", None)
    fields.rest.pop("agent_id", None)
    return fields


def _read_window(fields: Fields, messages: tuple[Message, ...]) -> tuple[Span, ...]:
    places = fields.each("in_context_message_indices", int)
    seen: set[int] = set()
    for number, place in enumerate(places):
        path = f"$.in_context_message_indices[{number}]"
        if not 0 <= place < len(messages):
            raise InvalidInput(f"there is no message {place}, only {len(messages)} of them", path=path)
        if place in seen:
            raise InvalidInput(f"message {place} occurs twice", path=path)
        seen.add(place)
    return spans_of(places)


def _read_environment(fields: Fields) -> dict[str, str]:
    """Return the environment values by name; what else the file says about them is left over, the values are not."""
    fields.reserve(ENVIRONMENT_FIELDS)
    secrets: dict[str, str] = {}
    about: list[JsonObject] = []
    for part in fields.parts("tool_exec_environment_variables"):
        key = part.text("key", chars_min=1)
        if key in secrets:
            raise part.error("key", f"{key!r} occurs twice")
        secrets[key] = part.text_or_none("value") or ""
        about.append({"key": key, **part.rest})
    fields.rest |= {ENVIRONMENT_FIELDS: about} if about else {}
    return secrets

"""The tools that exist without anybody creating them. They become records of an organization on first use."""

import datetime as dt

from kelpie_core.json_types import JsonObject
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import AgentType
from kelpie_core.model.tool import Tool, ToolType

_LABEL = "The label of the memory block."
CONVERSATION_SEARCH = "conversation_search"
_MEMGPT = ("send_message", CONVERSATION_SEARCH, "core_memory_append", "core_memory_replace")
_SLEEPTIME = ("send_message", "memory_insert", "memory_replace", "memory_rethink", "memory_finish_edits")
_V2 = ("send_message", CONVERSATION_SEARCH, *_SLEEPTIME[1:])
_V1 = (CONVERSATION_SEARCH, "memory_insert", "memory_replace")
_BASE_TOOLS: dict[AgentType, tuple[str, ...]] = {
    AgentType.MEMGPT: _MEMGPT,
    AgentType.MEMGPT_V2: _V2,
    AgentType.SLEEPTIME: _SLEEPTIME,
    AgentType.REACT: (),
    AgentType.WORKFLOW: (),
}


def base_tools(agent_type: AgentType) -> tuple[str, ...]:
    """Return the names of the builtin tools that a new agent of that type gets."""
    return _BASE_TOOLS.get(agent_type, _V1)


def builtin_tool(name: str, tool_id: str, actor: Actor, now: dt.datetime) -> Tool | None:
    """Return the builtin tool of that name as a record of the actor's organization; None if there is none."""
    row = _BUILTIN.get(name)
    if row is None:
        return None
    tool_type, description, parameters = row
    properties = {key: {**_kind(kind), "description": words} for key, (kind, words, _) in parameters.items()}
    required = [key for key, (_, _, needed) in parameters.items() if needed]
    schema: JsonObject = {
        "name": name,
        "description": description,
        "parameters": {"type": "object", "properties": properties, "required": required},
    }
    return Tool(
        id=tool_id,
        organization_id=actor.organization_id,
        created_by_id=actor.user_id,
        name=name,
        tool_type=tool_type,
        description=description,
        json_schema=schema,
        tags=(tool_type.value,),
        idempotent=True,
        created_at=now,
        updated_at=now,
    )


def _kind(kind: str) -> JsonObject:
    """Return the schema of a type: of a JSON one, or of a list of some words, as `[a|b]`."""
    if not kind.startswith("["):
        return {"type": kind}
    return {"type": "array", "items": {"type": "string", "enum": kind[1:-1].split("|")}}


_Parameters = dict[str, tuple[str, str, bool]]
_BUILTIN: dict[str, tuple[ToolType, str, _Parameters]] = {
    "send_message": (
        ToolType.CORE,
        "Send a message to the user.",
        {"message": ("string", "The text of the message.", True)},
    ),
    CONVERSATION_SEARCH: (
        ToolType.CORE,
        "Search what was said in your conversations, also what you no longer see. The best matches come first.",
        {
            "query": ("string", "Words to search for. Left out: what was said last.", False),
            "roles": ("[assistant|user|tool]", "Whose messages to search. Left out: assistant and user.", False),
            "limit": ("integer", "How many messages to return, up to 100. Default 5.", False),
            "start_date": ("string", "Only messages after this ISO date or time, UTC unless it says its zone.", False),
            "end_date": ("string", "Only messages up to this ISO date or time; a date counts as a whole day.", False),
        },
    ),
    "core_memory_append": (
        ToolType.MEMORY_CORE,
        "Append a line to a memory block.",
        {"label": ("string", _LABEL, True), "content": ("string", "What to append.", True)},
    ),
    "core_memory_replace": (
        ToolType.MEMORY_CORE,
        "Replace a text in a memory block. An empty new text deletes.",
        {
            "label": ("string", _LABEL, True),
            "old_content": ("string", "The text to replace, exactly as it stands.", True),
            "new_content": ("string", "The text to put in its place.", True),
        },
    ),
    "memory_insert": (
        ToolType.SLEEPTIME_CORE,
        "Insert lines into a memory block.",
        {
            "label": ("string", _LABEL, True),
            "new_string": ("string", "What to insert.", True),
            "insert_line": ("integer", "After which line (0: the beginning). Default -1: the end.", False),
        },
    ),
    "memory_replace": (
        ToolType.SLEEPTIME_CORE,
        "Replace a text that occurs exactly once in a memory block.",
        {
            "label": ("string", _LABEL, True),
            "old_string": ("string", "The text to replace, exactly as it stands.", True),
            "new_string": ("string", "The text to put in its place.", True),
        },
    ),
    "memory_rethink": (
        ToolType.SLEEPTIME_CORE,
        "Rewrite a memory block as a whole.",
        {"label": ("string", _LABEL, True), "new_memory": ("string", "The new value of the block.", True)},
    ),
    "memory": (
        ToolType.SLEEPTIME_CORE,
        "Manage memory blocks as files: create, str_replace, insert, delete or rename.",
        {
            "command": ("string", "What to do: create, str_replace, insert, delete or rename.", True),
            "path": ("string", "The memory block, for every command but rename.", False),
            "file_text": ("string", "create: the value of the new block.", False),
            "description": ("string", "create: what the block is for. rename with path: its new description.", False),
            "old_string": ("string", "str_replace: the text to replace, which must occur exactly once.", False),
            "new_string": ("string", "str_replace: the text to put in its place.", False),
            "insert_line": ("integer", "insert: after which line (0: the beginning). Default -1: the end.", False),
            "insert_text": ("string", "insert: what to insert.", False),
            "old_path": ("string", "rename: the memory block.", False),
            "new_path": ("string", "rename: its new label.", False),
        },
    ),
    "memory_finish_edits": (ToolType.SLEEPTIME_CORE, "Say that all memory edits are done.", {}),
}
BUILTIN_TOOLS = frozenset(_BUILTIN)

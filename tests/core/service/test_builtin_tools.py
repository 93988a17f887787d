"""The tools that exist without anybody creating them."""

import pytest

from kelpie_core.json_types import JsonObject
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import AgentType
from kelpie_core.model.tool import ToolType
from kelpie_core.service.builtin_tools import BUILTIN_TOOLS, base_tools, builtin_tool
from kelpie_core.service.conversation_search import is_conversation_search
from kelpie_core.service.inputs import check_tool
from kelpie_core.service.tool_calls import is_memory_tool
from kelpie_core.turn.memory import MEMORY_TOOLS
from tests.house import OTHERS
from tests.twins import NOON

MEMGPT = ("send_message", "conversation_search", "core_memory_append", "core_memory_replace")
EDITS = ("memory_insert", "memory_replace", "memory_rethink", "memory_finish_edits")
V1 = ("conversation_search", "memory_insert", "memory_replace")
OPTIONAL = {"insert_line", "query", "roles", "limit", "start_date", "end_date"}
BASE = dict.fromkeys(AgentType, V1) | {
    AgentType.MEMGPT: MEMGPT,
    AgentType.MEMGPT_V2: ("send_message", "conversation_search", *EDITS),
    AgentType.SLEEPTIME: ("send_message", *EDITS),
    AgentType.REACT: (),
    AgentType.WORKFLOW: (),
}


@pytest.mark.parametrize(("agent_type", "expected"), BASE.items())
def test_base_tools_of_each_type(agent_type: AgentType, expected: tuple[str, ...]) -> None:
    """Each type of agent begins with its tools, and all of them are builtin."""
    assert expected == base_tools(agent_type)
    assert set(expected) <= BUILTIN_TOOLS


def test_every_builtin_tool_is_implemented() -> None:
    """What can be attached can be called, and the other way round."""
    assert MEMORY_TOOLS | {"conversation_search"} == BUILTIN_TOOLS


@pytest.mark.parametrize("name", sorted(BUILTIN_TOOLS))
def test_builtin_tool_is_a_good_record(name: str) -> None:
    """The record is the actor's, fit to be stored, resolved inside the commit, and describes each argument."""
    tool = builtin_tool(name, "tool-1", OTHERS, NOON)
    assert tool is not None
    check_tool(tool)
    schema: JsonObject = tool.json_schema or {}
    assert ("tool-1", OTHERS.organization_id, OTHERS.user_id) == (tool.id, tool.organization_id, tool.created_by_id)
    assert (name, name, tool.description) == (tool.name, schema["name"], schema["description"])
    assert (True, True) == (tool.idempotent, is_memory_tool(tool) is not is_conversation_search(tool))
    properties = schema["parameters"]["properties"]
    assert [] == [key for key, value in properties.items() if not value["description"]]
    needed = ["command"] if name == "memory" else [key for key in properties if key not in OPTIONAL]
    assert needed == schema["parameters"]["required"]


def test_schema_in_full() -> None:
    """The model is told the arguments of a tool as a JSON schema."""
    tool = builtin_tool("memory_insert", "tool-1", Actor(), NOON)
    assert tool is not None
    text = {"type": "string", "description": "The label of the memory block."}
    expected = {
        "name": "memory_insert",
        "description": "Insert lines into a memory block.",
        "parameters": {
            "type": "object",
            "properties": {
                "label": text,
                "new_string": {"type": "string", "description": "What to insert."},
                "insert_line": {
                    "type": "integer",
                    "description": "After which line (0: the beginning). Default -1: the end.",
                },
            },
            "required": ["label", "new_string"],
        },
    }
    assert (ToolType.SLEEPTIME_CORE, expected) == (tool.tool_type, tool.json_schema)


def test_unknown_name_is_none() -> None:
    """There is no builtin tool of another name."""
    assert None is builtin_tool("fly", "tool-1", Actor(), NOON)

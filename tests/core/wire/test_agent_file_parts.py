"""Blocks, tools, messages and agents from JSON, with everything that has no name here left over in `extra`."""

import datetime as dt
from typing import Any

import pytest

from kelpie_core.model.agent import Agent, AgentType, TurnLimits
from kelpie_core.model.block import Block
from kelpie_core.model.content import OpaquePart, ReasoningPart, TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus, ToolType
from kelpie_core.wire.agent_file import NOBODY, TIME_UNKNOWN
from kelpie_core.wire.agent_file_parts import read_agent, read_block, read_message, read_secrets, read_tool
from kelpie_core.wire.json_reader import Fields

ONE, TWO = dt.datetime(2025, 1, 1, tzinfo=dt.UTC), dt.datetime(2025, 2, 2, tzinfo=dt.UTC)
TIMES = {"created_at": "2025-01-01T00:00:00", "updated_at": "2025-02-02T00:00:00Z"}
OWNER: dict[str, Any] = {"organization_id": NOBODY, "created_by_id": NOBODY}


def message_of(**fields: object) -> Message:
    """Return the message that these fields give, of a user unless they say otherwise."""
    return read_message(Fields({"role": "user", **fields}, "$"), "m", "a", 4)


def test_block_with_every_field() -> None:
    """Every field of a block that has a name here is read."""
    source: dict[str, Any] = {
        "label": "notes",
        "value": "v",
        "limit": 7,
        "description": "d",
        "read_only": True,
        "hidden": False,
    }
    source |= {"tags": ["t"], "metadata": {"k": 1}, "project_id": None, **TIMES}
    expected = Block(
        id="b", label="notes", value="v", limit=7, description="d", read_only=True, hidden=False, tags=("t",),
        metadata={"k": 1}, created_at=ONE, updated_at=TWO, extra={"project_id": None}, **OWNER,
    )  # fmt: skip
    assert expected == read_block(Fields(source, "$"), "b")


def test_tool_with_every_field() -> None:
    """Every field of a tool that has a name here is read; who made it elsewhere is left over."""
    source: dict[str, Any] = {
        "name": "n",
        "tool_type": "external_mcp",
        "description": "d",
        "source_type": "json",
        "source_code": "{",
    }
    source |= {"json_schema": {"a": 1}, "args_json_schema": {"b": 2}, "tags": ["t"], "return_char_limit": 1}
    source |= {"default_requires_approval": False, "idempotent": True, "metadata_": {"k": 1}, **TIMES}
    source |= {"created_by_id": "user-1"}
    expected = Tool(
        id="t", name="n", tool_type=ToolType.EXTERNAL_MCP, description="d", source_type="json", source_code="{",
        json_schema={"a": 1}, args_json_schema={"b": 2}, tags=("t",), return_char_limit=1,
        default_requires_approval=False, idempotent=True, metadata={"k": 1}, created_at=ONE, updated_at=TWO,
        extra={"created_by_id": "user-1"}, **OWNER,
    )  # fmt: skip
    assert expected == read_tool(Fields(source, "$"), "t")


def test_metadata_under_either_name() -> None:
    """Metadata is read under both names that files use; if both are there, the unusual one is left over."""
    both = {"label": "x", "value": "", "metadata_": {"a": 1}}
    assert {"a": 1} == read_block(Fields(both, "$"), "b").metadata
    block = read_block(Fields({**both, "metadata": {"b": 2}}, "$"), "b")
    assert ({"b": 2}, {"metadata_": {"a": 1}}) == (block.metadata, block.extra)


def test_agent_with_every_field() -> None:
    """Every field of an agent that has a name here is read."""
    source: dict[str, Any] = {"name": "n", "agent_type": "react_agent", "system": "s", "description": "d"}
    source |= {"model": "m", "embedding": "e", "llm_config": {"a": 1}, "embedding_config": {"b": 2}}
    source |= {"model_settings": {"c": 3}, "tool_rules": [{"type": "x"}], "tags": ["t"], "metadata": {"k": 1}}
    source |= {"timezone": "UTC", "message_buffer_autoclear": True, "hidden": True, **TIMES, "future": [1]}
    source |= {"turn_limits": {"steps_max": 1, "tool_calls_max": 2, "tokens_max": 3, "seconds_max": 4}}
    expected = Agent(
        id="a", name="n", agent_type=AgentType.REACT, system="s", description="d", model="m", embedding="e",
        llm_config={"a": 1}, embedding_config={"b": 2}, model_settings={"c": 3}, block_ids=("b",), tool_ids=("t",),
        tool_rules=({"type": "x"},), tags=("t",), metadata={"k": 1}, secrets={"K": "v"}, timezone="UTC",
        message_buffer_autoclear=True, hidden=True, created_at=ONE, updated_at=TWO, extra={"future": [1]},
        limits=TurnLimits(steps_max=1, tool_calls_max=2, tokens_max=3, seconds_max=4), **OWNER,
    )  # fmt: skip
    assert expected == read_agent(Fields(source, "$"), "a", ("b",), ("t",), {"K": "v"})


def test_agent_with_no_field() -> None:
    """An agent needs a name and nothing else."""
    expected = Agent(id="a", name="n", created_at=TIME_UNKNOWN, updated_at=TIME_UNKNOWN, **OWNER)
    assert expected == read_agent(Fields({"name": "n", "files_agents": []}, "$"), "a", (), (), {})


def test_message_with_every_field() -> None:
    """Every field of a message that has a name here is read."""
    texts = (
        "tool_call_id name otid sender_id run_id step_id group_id batch_item_id model approval_request_id denial_reason"
    )
    fields: dict[str, Any] = {name: name for name in texts.split()}
    more: dict[str, Any] = {"approve": False, "approvals": [{"type": "approval"}], "is_err": True}
    message = message_of(type="message", **fields, **more, created_at=TIMES["created_at"], updated_at=None)
    expected = Message(
        id="m", agent_id="a", seq=4, role=Role.USER, approve=False, approvals=({"type": "approval"},), is_error=True,
        created_at=ONE, extra={"updated_at": None}, **fields,
    )  # fmt: skip
    assert expected == message


@pytest.mark.parametrize(
    ("content", "expected", "left"),
    [
        (None, (), {}),
        ([], (), {}),
        ("", (TextPart(text=""),), {}),
        ("a\x00b", (TextPart(text="a\x00b"),), {}),
        ([{"type": "text", "text": "t", "signature": "s"}], (TextPart(text="t", signature="s"),), {}),
        (
            [{"type": "reasoning", "reasoning": "r", "is_native": False}, {"type": "reasoning", "reasoning": "q"}],
            (ReasoningPart(reasoning="r", is_native=False), ReasoningPart(reasoning="q")),
            {},
        ),
        (
            [{"type": "image", "source": {"type": "url"}}, {"type": "text", "text": "t", "x": None}],
            (OpaquePart(fields={"type": "image", "source": {"type": "url"}}), TextPart(text="t")),
            {"content": [{}, {"x": None}]},
        ),
    ],
)
def test_content(content: object, expected: tuple[object, ...], left: dict[str, object]) -> None:
    """Text and reasoning are understood, other parts carried along; what is unknown of a part is left over by place."""
    message = message_of(content=content)
    assert (expected, left) == (message.content, message.extra)


def test_tool_calls_leave_over() -> None:
    """What is unknown of a call or of its function is left over by place."""
    plain = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    odd = {"id": "2", "index": 1, "function": {"name": "g", "arguments": "not JSON", "strict": True}}
    message = message_of(tool_calls=[plain, odd])
    assert (ToolCall(id="1", name="f", arguments="{}"), ToolCall(id="2", name="g", arguments="not JSON")) == (
        message.tool_calls
    )
    assert {"tool_calls": [{}, {"index": 1, "function": {"strict": True}}]} == message.extra


def test_tool_returns() -> None:
    """No lines and not knowing them are told apart; a return made of parts keeps them, and its text is readable."""
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    message = message_of(
        tool_returns=[
            {"status": "error", "stdout": [], "stderr": ["e\n"]},
            {"status": "success", "tool_call_id": "1", "func_response": "r", "stdout": None},
            {"status": "success", "func_response": parts},
        ]
    )
    expected = (
        ToolReturn(tool_call_id=None, status=ToolStatus.ERROR, stdout=(), stderr=("e\n",)),
        ToolReturn(tool_call_id="1", status=ToolStatus.SUCCESS, text="r"),
        ToolReturn(tool_call_id=None, status=ToolStatus.SUCCESS, text="ab"),
    )
    assert (expected, {"tool_returns": [{}, {}, {"func_response": parts}]}) == (message.tool_returns, message.extra)


def test_secrets() -> None:
    """Environment values are read by name, null as empty, and are taken out of what is left over."""
    fields = Fields({"secrets": {"A": "1", "B": None}}, "$")
    assert ({"A": "1", "B": ""}, {}, {}) == (read_secrets(fields, "secrets"), read_secrets(fields, "more"), fields.rest)

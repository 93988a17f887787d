"""Files of the old generation. Damaged ones are in tests/core/service/test_bad_agent_files.py."""

from typing import Any

import pytest

from kelpie_core.errors import LimitExceeded
from kelpie_core.model.agent import Span
from kelpie_core.wire import agent_file_legacy
from kelpie_core.wire.agent_file_legacy import is_legacy, read_legacy


def old(**fields: object) -> dict[str, Any]:
    """Return a file of the old generation."""
    return {"agent_type": "memgpt_agent", "name": "moss", **fields}


def test_parts_get_ids() -> None:
    """Blocks, tools and messages get ids by place; ids that they should not have are dropped."""
    blocks = [{"label": "a", "value": "", "id": "block-x"}, {"label": "b", "value": ""}]
    messages = [{"role": "user", "id": "x", "agent_id": "y"}, {"role": "user"}]
    file = read_legacy(old(core_memory=blocks, tools=[{"name": "f"}], messages=messages, id="agent-x"))
    entry = file.agents[0]
    assert ("$", "agent-0", ("block-0", "block-1"), ("tool-0",)) == (
        entry.path, entry.agent.id, entry.agent.block_ids, entry.agent.tool_ids
    )  # fmt: skip
    assert ["block-0", "block-1", "tool-0"] == [*(block.id for block in file.blocks), *(tool.id for tool in file.tools)]
    expected: list[object] = [("message-0", "agent-0", {}), ("message-1", "agent-0", {})]
    assert expected == [(message.id, message.agent_id, message.extra) for message in entry.messages]
    assert {} == entry.agent.extra


def test_window_is_by_place() -> None:
    """The window is read from the places of its messages."""
    file = read_legacy(old(messages=[{"role": "user"}] * 4, in_context_message_indices=[0, 2, 3]))
    assert (Span(first=0, end=1), Span(first=2, end=4)) == file.agents[0].window


def test_environment_variables() -> None:
    """Values become secrets by name; what else is said of a variable is left over without its value."""
    variables = [{"key": "A", "value": "v", "description": "d"}, {"key": "B", "value": None}]
    agent = read_legacy(old(tool_exec_environment_variables=variables, version="0.1")).agents[0].agent
    assert {"A": "v", "B": ""} == agent.secrets
    assert {"version": "0.1", "environment_variables": [{"key": "A", "description": "d"}, {"key": "B"}]} == agent.extra


def test_signs_of_the_old_generation() -> None:
    """A flat agent is told by any of its own fields."""
    assert (True, True, False) == (is_legacy(old()), is_legacy({"messages": []}), is_legacy({"name": "x"}))


def test_messages_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """More messages than an agent may bring are refused."""
    monkeypatch.setattr(agent_file_legacy, "AGENT_FILE_MESSAGES_MAX", 1)
    with pytest.raises(LimitExceeded, match=r"^\$\.messages: has 2 items, 1 are allowed$"):
        read_legacy(old(messages=[{"role": "user"}] * 2))

"""Files of the new generation. Damaged ones are in tests/core/service/test_bad_agent_files.py."""

import pytest

from kelpie_core.errors import LimitExceeded
from kelpie_core.model.agent import Span
from kelpie_core.wire import agent_file_current
from kelpie_core.wire.agent_file_current import read_current
from tests.agent_files import NOON_TEXT, document_of
from tests.twins import NOON


def test_references_are_the_files() -> None:
    """Ids, order and references stay as the file has them."""
    file = read_current(document_of(messages=({}, {"agent_id": "agent-0"}, {})))
    entry = file.agents[0]
    assert ("$.agents[0]", "agent-0", ("block-0",), ("tool-0",)) == (
        entry.path, entry.agent.id, entry.agent.block_ids, entry.agent.tool_ids
    )  # fmt: skip
    expected = [("message-0", "agent-0", 0), ("message-1", "agent-0", 1), ("message-2", "agent-0", 2)]
    assert expected == [(message.id, message.agent_id, message.seq) for message in entry.messages]
    assert (["block-0"], ["tool-0"]) == ([block.id for block in file.blocks], [tool.id for tool in file.tools])


def test_window_keeps_its_order() -> None:
    """The window may leave messages out and put them in another order."""
    window = ["message-0", "message-3", "message-1", "message-2"]
    file = read_current(document_of(messages=({},) * 5, in_context_message_ids=window))
    assert (Span(first=0, end=1), Span(first=3, end=4), Span(first=1, end=3)) == file.agents[0].window


def test_file_without_a_window() -> None:
    """An agent whose file names no message for the window has an empty one."""
    document = document_of(messages=({},))
    del document["agents"][0]["in_context_message_ids"]
    assert () == read_current(document).agents[0].window


def test_secrets_of_both_names() -> None:
    """Environment variables and secrets are one thing; a value under the newer name wins."""
    document = document_of(tool_exec_environment_variables={"A": "old", "B": "b"}, secrets={"A": "new", "C": ""})
    assert {"A": "new", "B": "b", "C": ""} == read_current(document).agents[0].agent.secrets


def test_what_the_file_says_of_itself() -> None:
    """Its time, its metadata and unknown sections are kept; known sections without room must be empty and vanish."""
    more: dict[str, object] = {
        "metadata": {"r": "1"},
        "created_at": NOON_TEXT,
        "schema_version": "9",
        "groups": [],
        "skills": None,
    }
    file = read_current(document_of() | more)
    assert (NOON, {"r": "1"}, {"schema_version": "9"}) == (file.created_at, file.metadata, file.extra)


def test_messages_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """More messages than an agent may bring are refused before they are read."""
    monkeypatch.setattr(agent_file_current, "AGENT_FILE_MESSAGES_MAX", 2)
    read_current(document_of(messages=({}, {})))
    with pytest.raises(LimitExceeded, match=r"^\$\.agents\[0\]\.messages: has 3 items, 2 are allowed$"):
        read_current(document_of(messages=({}, {}, {})))

"""Stored records to the pieces of a file. That nothing is lost on the way round is in test_transfer.py."""

import json
from typing import Any

import attrs

from kelpie_core.model.agent import Agent, Span
from kelpie_core.model.content import OpaquePart, TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.wire.agent_file_reader import read_agent_file
from kelpie_core.wire.agent_file_writer import AgentSnapshot, closing, history, opening
from tests.twins import NOON

AGENT = Agent(
    id="agent-x",
    organization_id="org-x",
    created_by_id="user-x",
    name="fern",
    secrets={"KEY": "s3cret"},
    created_at=NOON,
    updated_at=NOON,
    extra={"include_base_tools": True, "agent_file": {"schema_version": "9", "metadata": {"r": 1}}},
)
SNAPSHOT = AgentSnapshot(agent=AGENT, window=(Span(first=1, end=2), Span(first=0, end=1)), blocks=(), tools=())
CALL = ToolCall(id="c", name="f", arguments="{}")
RETURN = ToolReturn(tool_call_id="c", status=ToolStatus.SUCCESS, text="ab")


def message_of(seq: int, **fields: Any) -> Message:
    """Return a stored message of the agent."""
    return Message(id=f"message-x{seq}", agent_id="agent-x", seq=seq, role=Role.USER, created_at=NOON, **fields)


def written(*pages: tuple[Message, ...], snapshot: AgentSnapshot = SNAPSHOT) -> dict[str, Any]:
    """Return the document made of a history in these pages."""
    pieces = [
        opening(snapshot),
        *(history(page, {"message-x0": "message-0"}, goes_on=n > 0) for n, page in enumerate(pages)),
        closing(snapshot, NOON),
    ]
    document: dict[str, Any] = json.loads(b"".join(pieces))
    return document


def test_pieces_make_one_document() -> None:
    """However the history is cut into pages, the document is the same."""
    one, two, three = message_of(0), message_of(1), message_of(2)
    expected = written((one, two, three))
    assert [expected] * 3 == [
        written((one,), (two, three)),
        written((one, two), (three,)),
        written((one,), (two,), (three,)),
    ]
    assert ["message-0", "message-1", "message-2"] == [message["id"] for message in expected["agents"][0]["messages"]]


def test_empty_history() -> None:
    """An agent without messages gives a document that can be read again."""
    document = written(snapshot=attrs.evolve(SNAPSHOT, window=()))
    assert ([], []) == (document["agents"][0]["messages"], document["agents"][0]["in_context_message_ids"])
    assert "fern" == read_agent_file(json.dumps(document).encode(), bytes_max=10_000).agents[0].agent.name


def test_file_speaks_of_its_own_ids() -> None:
    """No id of this house is in a file: agent, window and references between messages use the file's own."""
    asks = message_of(0, sender_id="agent-x")
    answer = message_of(1, approval_request_id="message-x0", sender_id="someone")
    document = written((asks, answer))
    agent = document["agents"][0]
    first, second = agent["messages"]
    assert ["message-1", "message-0"] == agent["in_context_message_ids"]
    assert ("agent-0", "agent-0", "agent-0") == (agent["id"], first["agent_id"], first["sender_id"])
    assert ("message-0", "someone") == (second["approval_request_id"], second["sender_id"])
    assert not [name for name in ("org-x", "user-x", "agent-x", "message-x") if name in json.dumps(document)]


def test_what_was_left_over_goes_back() -> None:
    """Unknown fields go back where they came from, at every depth; what the file said of itself goes to its top."""
    parts = [{"type": "text", "text": "ab"}]
    message = message_of(
        0,
        content=(OpaquePart(fields={"type": "image"}), TextPart(text="t")),
        tool_calls=(CALL,),
        tool_returns=(RETURN,),
        extra={
            "weather": {"wind": 1.0},
            "content": [{}, {"cited": None}],
            "tool_calls": [{"index": 0, "function": {"strict": True}}],
            "tool_returns": [{"func_response": parts, "took_ms": 3}],
        },
    )
    document = written((message,))
    shown = document["agents"][0]["messages"][0]
    assert {"wind": 1.0} == shown["weather"]
    assert [{"type": "image"}, {"type": "text", "text": "t", "signature": None, "cited": None}] == shown["content"]
    function = {"name": "f", "arguments": "{}", "strict": True}
    assert [{"id": "c", "type": "function", "function": function, "index": 0}] == shown["tool_calls"]
    (given,) = shown["tool_returns"]
    assert (parts, 3, "success") == (given["func_response"], given["took_ms"], given["status"])
    assert ("9", {"r": 1}, [], []) == tuple(
        document[name] for name in ("schema_version", "metadata", "groups", "skills")
    )


def test_importers_are_told_to_add_nothing() -> None:
    """A file says that no tools are to be added, unless the imported file said otherwise; secrets lose their values."""
    agent = written()["agents"][0]
    assert (True, False, False) == tuple(
        agent[f"include_{name}"] for name in ("base_tools", "multi_agent_tools", "default_source")
    )
    assert ({"KEY": ""}, {"KEY": ""}) == (agent["secrets"], agent["tool_exec_environment_variables"])
    assert "agent_file" not in agent

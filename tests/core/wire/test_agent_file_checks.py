"""What must hold between the parts of a file. What is refused, with its path, is in test_bad_agent_files.py."""

import pytest

from kelpie_core.errors import InvalidInput
from kelpie_core.model.agent import Span
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.wire.agent_file_checks import (
    Ids,
    check_labels,
    check_pairs,
    check_references,
    check_tool_names,
    spans_of,
)
from tests.twins import NOON


def asks(*call_ids: str, own: str | None = None, role: Role = Role.ASSISTANT) -> Message:
    """Return a message that makes tool calls."""
    calls = tuple(ToolCall(id=call_id, name="f", arguments="{}") for call_id in call_ids)
    return Message(id="m", agent_id="a", seq=0, role=role, tool_calls=calls, tool_call_id=own, created_at=NOON)


def answers(*call_ids: str | None, own: str | None = None) -> Message:
    """Return a message of tool returns."""
    returns = tuple(ToolReturn(tool_call_id=call_id, status=ToolStatus.SUCCESS) for call_id in call_ids)
    return Message(id="m", agent_id="a", seq=0, role=Role.TOOL, tool_returns=returns, tool_call_id=own, created_at=NOON)


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (asks("1"), answers("1")),
        (asks("1"), answers(own="1")),
        (asks("1", own="1"), answers(None, own="1")),
        (asks("1"), answers("1", own="1")),
        (asks("1", "2"), answers("2", "1", own="2")),
        (asks("1", "2"), answers("2"), answers(own="1")),
        (asks("1", role=Role.APPROVAL), asks(role=Role.APPROVAL), answers("1")),
        (asks("1"), asks(role=Role.USER), answers("1")),
        (asks("1"), answers("1"), asks("1"), answers("1")),
        (asks(own="an own id that calls nothing"),),
    ],
)
def test_pairs(messages: tuple[Message, ...]) -> None:
    """Each call has one return after it: named by the return or by its message, together or apart, in any order."""
    check_pairs(messages, "$.messages")


@pytest.mark.parametrize(
    ("messages", "path"),
    [
        ((answers("1"), asks("1")), "$.messages[0].tool_returns[0].tool_call_id"),
        ((asks("1"), answers("1"), answers(own="1")), "$.messages[2].tool_call_id"),
        ((asks("1", "2"), answers("2")), "$.messages[0].tool_calls[0].id"),
        ((asks("1"), asks("1"), answers("1")), "$.messages[1].tool_calls[0].id"),
        ((asks("1"), answers(None)), "$.messages[1].tool_returns[0].tool_call_id"),
        ((asks("1"), answers(None, None, own="1")), "$.messages[1].tool_returns[1].tool_call_id"),
    ],
)
def test_no_pairs(messages: tuple[Message, ...], path: str) -> None:
    """A call without a return, a return before its call, two of either, a return of nothing: the path names it."""
    with pytest.raises(InvalidInput) as caught:
        check_pairs(messages, "$.messages")
    assert path == caught.value.path


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ((), ()),
        ((3,), ((3, 4),)),
        ((0, 1, 2), ((0, 3),)),
        ((0, 2, 3, 7), ((0, 1), (2, 4), (7, 8))),
        ((5, 0, 1), ((5, 6), (0, 2))),
        ((2, 1), ((2, 3), (1, 2))),
    ],
)
def test_spans(places: tuple[int, ...], expected: tuple[tuple[int, int], ...]) -> None:
    """Places that follow each other share a span, and the order of the places stays."""
    assert tuple(Span(first=first, end=end) for first, end in expected) == spans_of(places)


def test_known_things_pass() -> None:
    """Distinct ids, known references and different labels and names raise nothing."""
    ids = Ids()
    assert ["x", "y"] == [ids.add("x", "$.a"), ids.add("y", "$.b")]
    check_references(("x", "y"), {"y": 1, "x": 2, "z": 3}, "thing", "$.c")
    check_labels((), "$.d")
    check_tool_names(())

"""Calls that wait for somebody's answer, and the answers in the wire's shape."""

import attrs
import pytest

from kelpie_core.errors import InvalidInput, Unsupported
from kelpie_core.model.approval import PendingApproval, Verdict, answers_of
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from tests.twins import NOON

TOOL = {"type": "tool", "tool_call_id": "c", "status": "success"}


def test_only_calls_that_ask_wait_for_an_answer() -> None:
    """The others stand beside them, so that the order of the reply is kept."""
    free = ToolCall(id="a", name="f", arguments="{}")
    asks = attrs.evolve(free, id="b", asks=True)
    waits = PendingApproval(message_id="m", run_id="r", step_id="s", calls=(free, asks, free), created_at=NOON)
    assert (asks,) == waits.asked


def test_answers() -> None:
    """A verdict may have a reason, a return output beside its text; parts of text are joined."""
    given = (
        {"type": "approval", "tool_call_id": "a", "approve": False, "reason": "no"},
        {"type": "approval", "tool_call_id": "b", "approve": True, "more": 1},
        {**TOOL, "tool_return": "six", "stdout": ["x"], "stderr": None},
        {**TOOL, "tool_return": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {**TOOL, "tool_return": []},
    )
    success = ToolReturn(tool_call_id="c", status=ToolStatus.SUCCESS)
    assert (
        Verdict(tool_call_id="a", approve=False, reason="no"),
        Verdict(tool_call_id="b", approve=True),
        attrs.evolve(success, text="six", stdout=("x",)),
        attrs.evolve(success, text="a\nb"),
        attrs.evolve(success, text=""),
    ) == answers_of(given)


@pytest.mark.parametrize(
    ("raw", "path", "words"),
    [
        ({}, "$.approvals[0].type", "no answer has the type 'None'"),
        ({"type": "maybe"}, "$.approvals[0].type", "no answer has the type 'maybe'"),
        ({"type": "approval", "tool_call_id": "c"}, "$.approvals[0]", "missing required field `approve`"),
        ({**TOOL, "status": "well", "tool_return": ""}, "$.approvals[0]", "Invalid enum value 'well'"),
        ({**TOOL}, "$.approvals[0].tool_return", "expected a text or a list of parts"),
        ({**TOOL, "tool_return": {}}, "$.approvals[0].tool_return", "expected a text or a list of parts"),
    ],
)
def test_what_is_no_answer(raw: dict[str, object], path: str, words: str) -> None:
    """It is refused with its place."""
    with pytest.raises(InvalidInput, match=words) as caught:
        answers_of((raw,))
    assert path == caught.value.path


def test_return_that_is_no_text() -> None:
    """Parts of other kinds are not taken: the model would not see them."""
    with pytest.raises(Unsupported, match="parts that are no text"):
        answers_of(({**TOOL, "tool_return": [{"type": "image"}]},))

"""A chat message."""

from kelpie_core.model.content import OpaquePart, ReasoningPart, TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.records import MESSAGES
from tests.twins import NOON


def test_message_comes_back_equal() -> None:
    """Parts of every kind, calls and returns are read back as they were stored."""
    message = Message(
        id="message-1",
        agent_id="agent-1",
        seq=7,
        role=Role.ASSISTANT,
        content=(TextPart(text="a"), ReasoningPart(reasoning="b"), OpaquePart(fields={"type": "image"})),
        tool_calls=(ToolCall(id="c1", name="f", arguments='{"x": '),),
        tool_returns=(ToolReturn(tool_call_id=None, status=ToolStatus.ERROR, text="no", stdout=("x",)),),
        approvals=({"approve": True},),
        created_at=NOON,
    )
    assert message == MESSAGES.decode(MESSAGES.encode(message))

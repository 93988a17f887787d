"""Windows of every kind, drawn: what imports, broken turns and other providers may have left behind."""

from hypothesis import strategies as st

from kelpie_core.model.content import ContentPart, OpaquePart, ReasoningPart, TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus
from tests.server.world.language_model.samples import image, message, tool

TEXTS = st.sampled_from(("", " ", "\n", "hi", "é\U0001f600", "\ud800", "x" * 50))
IDS = st.sampled_from(("a", "b", "c", "call 1", "é", "", "y" * 50))
NAMES = st.sampled_from(("look", "look up", "look_up", "", "é", "n" * 70, "n" * 71))
ARGUMENTS = st.sampled_from(("{}", '{"a":1}', "", "{", "[]", "null", '"x"', "\ud800"))
MODELS = st.sampled_from((None, "own/m1", "other/m1"))
STATUSES = st.sampled_from(ToolStatus)


def _parts() -> st.SearchStrategy[ContentPart]:
    return st.one_of(
        st.builds(TextPart, text=TEXTS),
        st.builds(ReasoningPart, reasoning=TEXTS, signature=st.sampled_from((None, ""))),
        st.just(ReasoningPart(reasoning="hm", signature="signed: hm")),
        st.just(OpaquePart(fields={"type": "redacted_reasoning", "data": "zz"})),
        st.just(OpaquePart(fields={"type": "tool_call", "id": "a"})),
        st.just(image(type="base64", data="AA", media_type="image/png")),
        st.just(image(type="url", url="https://x/y.png")),
        st.just(image(type="letta", file_id="f")),
    )


CALLS = st.builds(ToolCall, id=IDS, name=NAMES, arguments=ARGUMENTS)
RETURNS = st.builds(ToolReturn, tool_call_id=st.none() | IDS, status=STATUSES, text=st.none() | TEXTS)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Draw a message of any role, with whatever may stand in it."""
    role = draw(st.sampled_from(Role))
    calls = draw(st.lists(CALLS, max_size=3)) if role in (Role.ASSISTANT, Role.APPROVAL) else []
    returns = draw(st.lists(RETURNS, max_size=3)) if role is Role.TOOL else []
    return message(
        role,
        *draw(st.lists(_parts(), max_size=3)),
        tool_calls=tuple(calls),
        tool_returns=tuple(returns),
        tool_call_id=draw(st.none() | IDS) if role is Role.TOOL else None,
        name=draw(st.none() | NAMES),
        model=draw(MODELS),
    )


WINDOWS = st.lists(messages(), max_size=12).map(tuple)
TOOLS: st.SearchStrategy[tuple[Tool, ...]] = st.lists(NAMES.map(tool), max_size=4).map(tuple)

"""The window: spans that grow behind and are cut in front, and what the model sees of them."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie_core.model.agent import Agent, Span
from kelpie_core.model.block import Block
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.turn.window import answers_of, extended, rendered_system, tail, visible
from tests.twins import NOON


@st.composite
def windows(draw: st.DrawFn) -> tuple[Span, ...]:
    """Draw spans in order, with gaps between them."""
    spans, place = [], 0
    for gap, length in draw(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=5)):
        spans.append(Span(first=place + gap, end=place + gap + length))
        place += gap + length
    return tuple(spans)


def numbers(window: tuple[Span, ...]) -> list[int]:
    """Return the sequence numbers in a window."""
    return [number for span in window for number in range(span.first, span.end)]


@given(window=windows(), gap=st.integers(0, 3), count=st.integers(0, 5))
def test_extended_adds_behind(window: tuple[Span, ...], gap: int, count: int) -> None:
    """The new messages come last; what touches the last span makes it longer, so the window stays small."""
    first = (window[-1].end if window else 0) + gap
    longer = extended(window, first, first + count)
    assert numbers(window) + list(range(first, first + count)) == numbers(longer)
    assert len(window) + (count > 0 and (gap > 0 or not window)) == len(longer)


@given(window=windows(), count=st.integers(0, 30))
def test_tail_is_the_end(window: tuple[Span, ...], count: int) -> None:
    """The tail holds the last so many messages, all if there are fewer, in order, and no empty span."""
    all_numbers = numbers(window)
    kept = tail(window, count)
    assert all_numbers[max(len(all_numbers) - count, 0) :] == numbers(kept)
    assert [] == [span for span in kept if span.first >= span.end]


def message(seq: int, role: Role, *, calls: str = "", answers: str = "", **fields: object) -> Message:
    """Return a message that makes and answers calls, one letter each."""
    return Message(
        id=f"m{seq}",
        agent_id="a",
        seq=seq,
        role=role,
        tool_calls=tuple(ToolCall(id=letter, name="f", arguments="") for letter in calls),
        tool_returns=tuple(ToolReturn(tool_call_id=letter, status=ToolStatus.SUCCESS) for letter in answers),
        created_at=NOON,
        **fields,  # type: ignore[arg-type]
    )


def seen(*messages: Message) -> list[int]:
    """Return the numbers of the messages that the model sees."""
    return [one.seq for one in visible(messages)]


SYSTEM, USER = message(0, Role.SYSTEM), message(1, Role.USER)


def test_leading_system_message_is_left_out() -> None:
    """The stored first system message is not sent, for it is rendered anew; a later one is."""
    assert [] == seen(SYSTEM)
    assert [1, 2] == seen(SYSTEM, USER, message(2, Role.SYSTEM))
    assert [7, 8] == seen(message(7, Role.SYSTEM), message(8, Role.USER))
    assert [] == seen()


def test_whole_exchange_is_seen() -> None:
    """Calls with all their returns stay."""
    assert [1, 2, 3] == seen(USER, message(2, Role.ASSISTANT, calls="ab"), message(3, Role.TOOL, answers="ab"))


@pytest.mark.parametrize(
    "messages",
    [
        (message(2, Role.ASSISTANT, calls="a"),),
        (message(3, Role.TOOL, answers="a"),),
        (message(2, Role.ASSISTANT, calls="ab"), message(3, Role.TOOL, answers="a")),
        (message(2, Role.ASSISTANT, calls="a"), message(3, Role.TOOL, answers="ab")),
        (
            message(2, Role.ASSISTANT, calls="ab"),
            message(3, Role.TOOL, answers="a"),
            message(4, Role.TOOL, tool_call_id="c"),
        ),
    ],
)
def test_half_exchange_is_not_seen(messages: tuple[Message, ...]) -> None:
    """Calls without all their returns go, and so do the returns that they leave behind."""
    assert [1] == seen(USER, *messages)


CALLS = st.text(alphabet="abcd", max_size=3).map(lambda text: "".join(sorted(set(text))))
EXCHANGES = st.lists(
    st.one_of(
        CALLS.map(lambda calls: message(0, Role.ASSISTANT, calls=calls)),
        CALLS.filter(bool).map(lambda answers: message(0, Role.TOOL, answers=answers)),
        st.just(USER),
    ),
    max_size=8,
)


@given(messages=EXCHANGES)
def test_no_half_is_ever_seen(messages: list[Message]) -> None:
    """In what the model sees, each call has a return and each return a call; and nothing else was taken away."""
    numbered = tuple(attrs.evolve(one, seq=number) for number, one in enumerate(messages))
    kept = visible(numbered)
    calls = {call.id for one in kept for call in one.tool_calls}
    answers = {answer for one in kept for answer in answers_of(one)}
    assert calls == answers
    plain = [one for one in numbered if not one.tool_calls and not answers_of(one)]
    assert plain == [one for one in kept if not one.tool_calls and not answers_of(one)]


def test_old_files_name_the_call_on_the_message() -> None:
    """A return without an id of its own answers the call that its message names, in either shape."""
    bare = ToolReturn(tool_call_id=None, status=ToolStatus.SUCCESS)
    assert ("x",) == answers_of(message(1, Role.TOOL, tool_call_id="x"))
    assert ("x",) == answers_of(attrs.evolve(message(1, Role.TOOL, tool_call_id="x"), tool_returns=(bare,)))
    assert ("a", "b") == answers_of(message(1, Role.TOOL, answers="ab"))
    assert () == answers_of(message(1, Role.TOOL))
    assert () == answers_of(message(1, Role.USER, tool_call_id="x"))


AGENT = Agent(
    id="a", organization_id="o", created_by_id="u", name="Ada", system="Be kind.", created_at=NOON, updated_at=NOON
)


def block(label: str, value: str, **fields: object) -> Block:
    """Return a block."""
    return Block(
        id=label,
        organization_id="o",
        created_by_id="u",
        label=label,
        value=value,
        limit=100,
        created_at=NOON,
        updated_at=NOON,
        **fields,  # type: ignore[arg-type]
    )


def test_system_without_blocks_is_bare() -> None:
    """An agent without memory has its system prompt and nothing else."""
    assert "Be kind." == rendered_system(AGENT, ())


def test_system_shows_the_blocks() -> None:
    """Each block stands below the prompt with its description, its size and whether it may be changed."""
    blocks = (block("human", "Name: Bo"), block("rules", "", description="What holds.", read_only=True))
    expected = """Be kind.

<memory_blocks>
<human>
<metadata>chars_current=8 chars_limit=100</metadata>
<value>
Name: Bo
</value>
</human>
<rules>
<description>What holds.</description>
<metadata>chars_current=0 chars_limit=100</metadata>
<metadata>read_only=true</metadata>
<value>

</value>
</rules>
</memory_blocks>"""
    assert expected == rendered_system(AGENT, blocks)

"""A turn's events as the events of Letta's streams."""

import attrs
import pytest
from letta_client.types.agents import LettaStreamingResponse

from kelpie_core.errors import InvariantBroken
from kelpie_core.model.content import ReasoningPart
from kelpie_core.model.message import Role
from kelpie_core.model.run import Run, RunError, RunStatus
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.model.turn import StopReason
from kelpie_core.ports import ReasoningDelta, TextDelta, ToolCallDelta
from kelpie_core.service.turn_events import Delta, MessageStored, RunStarted, TurnEnded
from kelpie_core.wire.letta_message import MessageType, otid_of
from kelpie_core.wire.letta_stream import LettaStream, StreamEvent, message_of
from tests.core.wire.letta_samples import MESSAGE_ID, NOW, RUN_ID, STEP_ID, message, read_by_sdk, run


class CountingEntropy:
    """Entropy that counts."""

    def __init__(self) -> None:
        self._last = 0

    def bits(self, count: int) -> int:
        """Return the next number."""
        self._last += 1
        return self._last


def stream(**fields) -> LettaStream:
    """Return a stream of a run that has begun."""
    at_work = run(status=RunStatus.RUNNING, stop_reason=None, background=fields.pop("background", False))
    return LettaStream(run=at_work, entropy=CountingEntropy(), **fields)


def delta(part) -> Delta:
    """Return a piece of the sample message."""
    return Delta(message_id=MESSAGE_ID, run_id=RUN_ID, step_id=STEP_ID, created_at=NOW, part=part)


def told(events: list[StreamEvent], *names: str) -> list[tuple[object, ...]]:
    """Return the named fields of events, each of which the SDK has read."""
    for event in events:
        read_by_sdk(LettaStreamingResponse, event.data)  # type: ignore[arg-type]
    return [tuple(event.data.get(name) for name in ("message_type", *names)) for event in events]


def failed(error: RunError | None = None) -> Run:
    """Return a run that failed."""
    return run(status=RunStatus.FAILED, stop_reason=StopReason.LLM_API_ERROR, error=error)


def test_begins_with_a_ping():
    """The first event is a ping with the run's id and an id of its own."""
    events = stream().begin(NOW)
    assert [("ping", RUN_ID, None)] == told(events, "run_id", "seq_id")
    assert "ping-00000000-0000-4000-8000-000000000001" == events[0].data["id"]


def test_no_pings_for_who_wants_none():
    """Without pings the stream begins with what the turn says."""
    silent = stream(pings=False)
    assert ([], []) == (silent.begin(NOW), silent.ping(NOW))


def test_a_ping_is_a_sign_of_life():
    """A ping may come at any time."""
    assert [("ping",)] == told(stream().ping(NOW))


def test_no_ping_after_the_end():
    """Behind its end a stream gives no sign of life."""
    letta = stream()
    letta.feed(TurnEnded(run=run()))
    assert [] == letta.ping(NOW)


def test_events_of_a_background_stream_are_counted():
    """In the background the first event is a ping however few are wanted, and every event has the next number."""
    letta = stream(background=True, pings=False)
    events = [*letta.begin(NOW), *letta.feed(MessageStored(message=message(Role.ASSISTANT, "hi")))]
    events += letta.feed(TurnEnded(run=run(background=True)))
    assert [("ping", 1), ("assistant_message", 2), ("stop_reason", 3), ("usage_statistics", 4)] == told(
        events, "seq_id"
    )


def test_a_stored_message_is_told_whole():
    """Without deltas a message comes once, in its variants."""
    stored = message(Role.ASSISTANT, ReasoningPart(reasoning="hm"), "hi")
    events = stream().feed(MessageStored(message=stored))
    assert [("reasoning_message", "hm", None), ("assistant_message", None, "hi")] == told(
        events, "reasoning", "content"
    )


@pytest.mark.parametrize("role", [Role.USER, Role.SYSTEM])
def test_input_is_not_sent_back(role):
    """What the caller sent is not told."""
    assert [] == stream().feed(MessageStored(message=message(role, "hi")))


def test_the_start_of_a_run_says_nothing_more():
    """The first ping has told of it."""
    assert [] == stream().feed(RunStarted(run=run()))


def test_deltas_share_the_id_of_their_message():
    """Pieces of reasoning and text come under the id, step and parts that the stored message will have."""
    letta = stream()
    pieces = (ReasoningDelta(text="h"), ReasoningDelta(text="m"), TextDelta(text="hi"), TextDelta(text=" you"))
    events = [event for piece in pieces for event in letta.feed(delta(piece))]
    first, second = otid_of(MESSAGE_ID, 0), otid_of(MESSAGE_ID, 1)
    assert [
        ("reasoning_message", MESSAGE_ID, STEP_ID, first, "h", None),
        ("reasoning_message", MESSAGE_ID, STEP_ID, first, "m", None),
        ("assistant_message", MESSAGE_ID, STEP_ID, second, None, "hi"),
        ("assistant_message", MESSAGE_ID, STEP_ID, second, None, " you"),
    ] == told(events, "id", "step_id", "otid", "reasoning", "content")


def test_what_came_in_deltas_is_not_told_again():
    """When the message is stored only those parts are told that no delta told."""
    letta = stream()
    letta.feed(delta(TextDelta(text="hi")))
    calls = (ToolCall(id="c1", name="add", arguments="{}"),)
    events = letta.feed(MessageStored(message=message(Role.ASSISTANT, "hi", tool_calls=calls)))
    assert [("tool_call_message",)] == told(events)


def test_a_tool_call_comes_name_first():
    """A call is told by its name, then its arguments in fragments, its id with each, both as one and as several."""
    letta = stream()
    pieces = (
        ToolCallDelta(index=0, id="c1", name="add", arguments='{"a"'),
        ToolCallDelta(index=0, arguments=":1}"),
        ToolCallDelta(index=1, id="c2", name="sub"),
        ToolCallDelta(index=1, arguments="{}"),
    )
    events = [event for piece in pieces for event in letta.feed(delta(piece))]
    calls = [
        {"name": "add", "tool_call_id": "c1"},
        {"arguments": '{"a"', "tool_call_id": "c1"},
        {"arguments": ":1}", "tool_call_id": "c1"},
        {"name": "sub", "tool_call_id": "c2"},
        {"arguments": "{}", "tool_call_id": "c2"},
    ]
    assert [("tool_call_message", call, call) for call in calls] == told(events, "tool_call", "tool_calls")


def test_tool_returns_are_told():
    """The returns of a step come when they are stored."""
    returned = ToolReturn(tool_call_id="c1", status=ToolStatus.SUCCESS, text="3")
    events = stream().feed(MessageStored(message=message(Role.TOOL, tool_returns=(returned,))))
    assert [("tool_return_message", "3")] == told(events, "tool_return")


def test_types_select_what_is_told():
    """Only the asked-for variants come, in deltas and stored; the end comes always."""
    letta = stream(types=frozenset((MessageType.REASONING,)))
    assert [] == letta.feed(delta(TextDelta(text="hi")))
    assert [("reasoning_message",)] == told(letta.feed(delta(ReasoningDelta(text="hm"))))
    assert [] == letta.feed(MessageStored(message=message(Role.ASSISTANT, "hi", id=MESSAGE_ID[:-1] + "0")))
    assert ["stop_reason", "usage_statistics"] == [e.data["message_type"] for e in letta.feed(TurnEnded(run=run()))]


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.CANCELLED])
def test_an_end_tells_reason_and_usage(status):
    """A turn that ended, of itself or because it was asked to, tells why and what it used."""
    letta = stream()
    assert not letta.ended
    events = letta.feed(TurnEnded(run=run(status=status)))
    assert [("stop_reason", "end_turn", None), ("usage_statistics", None, 10)] == told(
        events, "stop_reason", "total_tokens"
    )
    assert letta.ended


def test_a_failure_is_an_error():
    """A failed run ends in an error event that says what failed, and nothing that looks like an answer."""
    events = stream().feed(TurnEnded(run=failed(RunError(type="llm_rate_limit", message="429"))))
    assert [None, "error"] == [event.name for event in events]
    assert [
        ("stop_reason", None, None, None, None),
        ("error_message", RUN_ID, "llm_rate_limit", message_of("llm_rate_limit"), "429"),
    ] == told(events, "run_id", "error_type", "message", "detail")
    assert "llm_api_error" == events[0].data["stop_reason"]


def test_a_failure_without_words_is_an_error_too():
    """A run that failed and does not say why is an internal error."""
    assert ("error_message", "internal_error") == told(stream().feed(TurnEnded(run=failed())), "error_type")[1]


def test_a_stream_can_fail_by_itself():
    """When not even the failure could be stored, the stream still says that it failed."""
    letta = stream()
    events = letta.fail("internal_error", "the disk is full")
    assert [("stop_reason", "error", None), ("error_message", None, "the disk is full")] == told(
        events, "stop_reason", "detail"
    )
    assert letta.ended


def test_a_stream_ends_once():
    """A second end is our own mistake."""
    letta = stream()
    letta.feed(TurnEnded(run=run()))
    with pytest.raises(InvariantBroken):
        letta.fail("internal_error", "again")


def test_every_kind_of_error_has_words():
    """A kind that is not known is told as the server's."""
    assert message_of("anything") == message_of("internal_error")
    assert message_of("llm_timeout") != message_of("internal_error")


def call_delta(name=None, arguments="", *, index=0, asks=False) -> Delta:
    """Return a piece of a call."""
    part = ToolCallDelta(index=index, id=name and f"c{index}", name=name, arguments=arguments)
    return attrs.evolve(delta(part), asks=asks)


def test_call_that_asks_comes_as_a_request():
    """Pieces of a call that will wait are pieces of a request for approval, and the stored message adds nothing."""
    letta = stream()
    pieces = [call_delta("rm", asks=True), call_delta(arguments="{}", asks=True)]
    events = [event for piece in pieces for event in letta.feed(piece)]
    expected = [
        ("approval_request_message", {"name": "rm", "tool_call_id": "c0"}),
        ("approval_request_message", {"arguments": "{}", "tool_call_id": "c0"}),
    ]
    assert expected == told(events, "tool_call")
    call = ToolCall(id="c0", name="rm", arguments="{}", asks=True)
    assert [] == letta.feed(MessageStored(message=message(Role.APPROVAL, tool_calls=(call,))))


def test_speech_by_a_call_comes_whole():
    """Pieces of send_message are not told; the words come as the assistant's once they are stored, after any text."""
    letta = stream()
    assert 1 == len(letta.feed(delta(TextDelta(text="hm"))))
    assert [] == letta.feed(call_delta("send_message"))
    assert [] == letta.feed(call_delta(arguments='{"message": "hi"}'))
    call = ToolCall(id="c0", name="send_message", arguments='{"message": "hi"}')
    stored = MessageStored(message=message(Role.ASSISTANT, "hm", tool_calls=(call,)))
    assert [("assistant_message", "hi")] == told(letta.feed(stored), "content")


def test_speech_by_a_call_is_left_out_for_who_does_not_want_it():
    """Who asks for other variants only is not told the words."""
    letta = stream(types=frozenset({MessageType.TOOL_RETURN}))
    call = ToolCall(id="c0", name="send_message", arguments='{"message": "hi"}')
    assert [] == letta.feed(MessageStored(message=message(Role.ASSISTANT, tool_calls=(call,))))


@pytest.mark.parametrize("alone", [True, False])
def test_speech_that_is_none_comes_as_a_call(alone):
    """A send_message without words is a call like any other, told whole, whatever was told of others in pieces."""
    letta = stream()
    bad = ToolCall(id="c0", name="send_message", arguments="{}")
    other = ToolCall(id="c1", name="add", arguments="{}")
    assert [] == letta.feed(call_delta("send_message", "{}"))
    if not alone:
        assert 2 == len(letta.feed(call_delta("add", "{}", index=1)))
    calls = (bad,) if alone else (bad, other)
    events = letta.feed(MessageStored(message=message(Role.ASSISTANT, tool_calls=calls)))
    assert [("tool_call_message", ["c0"])] == [
        (event.data["message_type"], [one["tool_call_id"] for one in event.data["tool_calls"]]) for event in events
    ]

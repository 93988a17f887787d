"""Anthropic's events to pieces of a reply."""

import pytest

from kelpie_core.errors import ModelError
from kelpie_core.model.content import OpaquePart
from kelpie_core.model.turn import Usage
from kelpie_core.ports import ModelFinished, ReasoningDelta, TextDelta, ToolCallDelta, WholePart
from kelpie_server.world.language_model.anthropic_events import MessageEvents
from kelpie_server.world.language_model.names import Names

START = {
    "type": "message_start",
    "message": {"usage": {"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1}},
}
STOP = {"type": "message_stop"}


def end(reason="end_turn", **usage):
    """Return the last but one event."""
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 7, **usage}}


def block(index, kind, *deltas, **fields):
    """Return the events of a block."""
    begun = {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}
    changes = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [begun, *changes, {"type": "content_block_stop", "index": index}]


def read(*events):
    """Return the pieces of events, and how they end."""
    decoder = MessageEvents(provider="p", names=Names(("look up",)))
    return [piece for event in events for piece in decoder.feed(event)], decoder.end()


def pieces_of(*events):
    """Return the pieces of the blocks of an answer."""
    return read(START, *events, end(), STOP)[0]


def test_text():
    """Text comes in deltas; pings and kinds that nobody knows yet say nothing."""
    events = block(0, "text", {"type": "text_delta", "text": "hi"}, {"type": "citations_delta"}, text="o")
    assert [TextDelta(text="o"), TextDelta(text="hi")] == pieces_of({"type": "ping"}, *events, {"type": "new"})


def test_thoughts():
    """A thought comes in deltas and ends with its signature, one that is redacted comes whole."""
    thought = block(
        0,
        "thinking",
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": "si"},
        {"type": "signature_delta", "signature": "g"},
        thinking="",
        signature="",
    )
    at_once = block(1, "thinking", thinking="whole", signature="s2")
    hidden = block(2, "redacted_thinking", data="zz")
    expected = [
        ReasoningDelta(text="hm"),
        ReasoningDelta(text="", signature="sig"),
        ReasoningDelta(text="whole"),
        ReasoningDelta(text="", signature="s2"),
        WholePart(part=OpaquePart(fields={"type": "redacted_reasoning", "data": "zz"})),
    ]
    assert expected == pieces_of(*thought, *at_once, *hidden)


def test_calls():
    """Calls are numbered among themselves, bear our names, and have their arguments in pieces or at once."""
    first = block(1, "tool_use", {"type": "input_json_delta", "partial_json": "{}"}, id="a", name="look_up", input={})
    second = block(4, "tool_use", id="b", name="g", input={"x": 1})
    stray = {"type": "content_block_delta", "index": 9, "delta": {"type": "input_json_delta", "partial_json": "?"}}
    expected = [
        ToolCallDelta(index=0, id="a", name="look up"),
        ToolCallDelta(index=0, arguments="{}"),
        ToolCallDelta(index=1, id="b", name="g"),
        ToolCallDelta(index=1, arguments='{"x":1}'),
    ]
    assert expected == pieces_of(*first, *second, stray)


def test_usage():
    """What was read from the cache and written to it belongs to the prompt; later counts go before earlier ones."""
    details = {"thinking_tokens": 3}
    usage = Usage(
        prompt_tokens=16, completion_tokens=7, cached_input_tokens=4, cache_write_tokens=2, reasoning_tokens=3
    )
    last = end(cache_creation_input_tokens=2, output_tokens_details=details)
    assert ([], ModelFinished(usage=usage)) == read(START, last, STOP)
    assert ([], ModelFinished()) == read({"type": "message_start", "message": {}}, {**end(), "usage": None}, STOP)


@pytest.mark.parametrize(
    ("reason", "truncated"), [("tool_use", False), ("max_tokens", True), ("model_context_window_exceeded", True)]
)
def test_end(reason, truncated):
    """The reason says whether the answer was cut off at a bound."""
    assert truncated == read(START, end(reason), STOP)[1].truncated


def test_refusal_with_words():
    """A refusal in words is an answer."""
    words = block(0, "text", {"type": "text_delta", "text": "no"})
    assert [TextDelta(text="no")] == read(START, *words, end("refusal"), STOP)[0]


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([START, end()], "llm_error"),
        ([START, end("refusal"), STOP], "llm_bad_request"),
        ([START, {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}], "llm_error"),
        ([START, {"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}], "llm_rate_limit"),
    ],
)
def test_answers_that_are_none(events, kind):
    """What was cut, refused in silence or broken off is never taken for an answer."""
    with pytest.raises(ModelError) as failure:
        read(*events)
    assert kind == failure.value.kind

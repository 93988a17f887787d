"""Chunks of a chat completion to pieces of a reply."""

import pytest

from kelpie_core.errors import ModelError
from kelpie_core.model.turn import Usage
from kelpie_core.ports import ModelFinished, ReasoningDelta, TextDelta, ToolCallDelta
from kelpie_server.world.language_model.names import Names
from kelpie_server.world.language_model.openai_chunks import ChatChunks

STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def chunk(**delta):
    """Return a chunk."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def piece(index, key=None, name=None, arguments=None):
    """Return a piece of a call; what is None is not there."""
    fields = {"index": index, "id": key}
    function = {"name": name, "arguments": arguments}
    return {
        **{k: v for k, v in fields.items() if v is not None},
        "function": {k: v for k, v in function.items() if v is not None},
    }


def read(*chunks, done=True):
    """Return the pieces of chunks, and how they end."""
    decoder = ChatChunks(provider="p", names=Names(("look up",)))
    return [each for one in chunks for each in decoder.feed(one)], decoder.end(done=done)


def pieces_of(*chunks):
    """Return the pieces of chunks."""
    return read(*chunks)[0]


@pytest.mark.parametrize(
    ("delta", "pieces"),
    [
        ({"role": "assistant", "content": ""}, []),
        ({"content": "hi"}, [TextDelta(text="hi")]),
        ({"content": None, "refusal": "no"}, [TextDelta(text="no")]),
        ({"reasoning_content": "hm"}, [ReasoningDelta(text="hm")]),
        ({"reasoning": "hm", "content": "so"}, [ReasoningDelta(text="hm"), TextDelta(text="so")]),
        ({"reasoning": "hm", "reasoning_content": "hm"}, [ReasoningDelta(text="hm")]),
        (
            {"content": [{"type": "thinking", "thinking": [{"text": "hm"}]}, {"type": "text", "text": "so"}, 7]},
            [ReasoningDelta(text="hm"), TextDelta(text="so")],
        ),
        ({"content": {"text": "x"}, "reasoning": 7, "tool_calls": 7}, []),
        ({"tool_calls": [7, {}]}, [ToolCallDelta(index=0)]),
    ],
)
def test_what_a_delta_says(delta, pieces):
    """Text, refusals and reasoning in every form that is about; what is of no known form says nothing."""
    both = {"reasoning_content", "reasoning"} <= set(delta)
    assert (pieces if not both else [ReasoningDelta(text="hm")]) == pieces_of(chunk(**delta))


CALLS = [
    ToolCallDelta(index=0, id="a", name="f"),
    ToolCallDelta(index=0, arguments="{}"),
    ToolCallDelta(index=1, id="b", name="g"),
    ToolCallDelta(index=1, arguments="[]"),
]


@pytest.mark.parametrize(
    "calls",
    [
        [piece(0, "a", "f"), piece(0, arguments="{}"), piece(1, "b", "g"), piece(1, arguments="[]")],
        [piece(None, "a", "f"), piece(None, arguments="{}"), piece(None, "b", "g"), piece(None, arguments="[]")],
        [piece(0, "a", "f"), piece(0, arguments="{}"), piece(0, "b", "g"), piece(0, arguments="[]")],
        [piece(3, "a", "f", ""), piece(3, arguments="{}"), piece(5, "b", "g", ""), piece(5, arguments="[]")],
    ],
    ids=["as it should be", "no index", "all with one index", "odd numbers"],
)
def test_calls_are_told_apart(calls):
    """However a server numbers its calls, the pieces of each find together."""
    assert CALLS == pieces_of(*(chunk(tool_calls=[call]) for call in calls))


def test_whole_calls_in_one_chunk():
    """Calls may come whole, with neither index nor id, and their arguments as an object."""
    calls = [{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "g", "arguments": "{}"}}]
    expected = [
        ToolCallDelta(index=0, name="f", arguments='{"a":1}'),
        ToolCallDelta(index=1, name="g", arguments="{}"),
    ]
    assert expected == pieces_of(chunk(tool_calls=calls))


def test_names_are_led_back():
    """The model calls a tool by the name that it was given, and we hear ours."""
    assert [ToolCallDelta(index=0, id="a", name="look up")] == pieces_of(chunk(tool_calls=[piece(0, "a", "look_up")]))


def test_ids_that_repeat_belong_to_their_call():
    """A server that sends the id with each piece is understood."""
    calls = [piece(0, "a", "f"), piece(1, "b", "g"), piece(0, "a", arguments="1"), piece(1, "b", arguments="2")]
    assert [0, 1, 0, 1] == [each.index for each in pieces_of(chunk(tool_calls=calls))]


@pytest.mark.parametrize(("reason", "truncated"), [("stop", False), ("tool_calls", False), ("length", True)])
def test_end(reason, truncated):
    """The reason of the end says whether the answer was cut off at a bound; it need not be followed by [DONE]."""
    end = {"choices": [{"delta": {"content": "x"}, "finish_reason": reason}]}
    assert ModelFinished(truncated=truncated) == read(end, done=False)[1]


def test_usage():
    """The tokens come behind the end, in a chunk of their own, with what was cached and thought."""
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    counted = Usage(prompt_tokens=10, completion_tokens=5, cached_input_tokens=4, reasoning_tokens=3)
    assert ModelFinished(usage=counted) == read(STOP, {"choices": [], "usage": usage})[1]
    other = {"prompt_tokens": 10, "prompt_cache_hit_tokens": 4, "completion_tokens": None}
    assert Usage(prompt_tokens=10, cached_input_tokens=4) == read(STOP, {"choices": [], "usage": other})[1].usage


def test_answer_that_was_not_streamed():
    """A server that does not stream sends the message whole."""
    message = {
        "role": "assistant",
        "content": "hi",
        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}],
    }
    whole = {
        "choices": [{"message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    pieces = [TextDelta(text="hi"), ToolCallDelta(index=0, id="a", name="f", arguments="{}")]
    assert (pieces, ModelFinished(usage=Usage(prompt_tokens=1, completion_tokens=2))) == read(whole)


@pytest.mark.parametrize(
    ("chunks", "done", "kind"),
    [
        ([], False, "llm_error"),
        ([chunk(content="half")], False, "llm_error"),
        ([[]], True, "llm_error"),
        ([{"choices": [7]}], True, "llm_error"),
        ([{"choices": [{"delta": {}, "finish_reason": "error"}]}], True, "llm_error"),
        ([{"choices": [{"delta": {}, "finish_reason": "content_filter"}]}], True, "llm_bad_request"),
        ([{"error": {"message": "x", "code": 429}}], True, "llm_rate_limit"),
        ([{"object": "error", "message": "maximum context length is 1"}], True, "llm_context_overflow"),
    ],
)
def test_answers_that_are_none(chunks, done, kind):
    """What was cut, cannot be read, was held back or is an error is never taken for an answer."""
    with pytest.raises(ModelError) as failure:
        read(*chunks, done=done)
    assert kind == failure.value.kind


def test_answer_cut_by_a_filter():
    """What the filter let pass is an answer."""
    end = {"choices": [{"delta": {}, "finish_reason": "content_filter"}]}
    assert ([TextDelta(text="half")], ModelFinished()) == read(chunk(content="half"), end)

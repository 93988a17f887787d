"""Anthropic asked through its SDK, over a real socket."""

import asyncio

import anthropic
import httpx2
import pytest

from kelpie_core.errors import ModelError
from kelpie_core.model.turn import Usage
from kelpie_core.ports import ModelFinished, ReasoningDelta, TextDelta, ToolCallDelta
from kelpie_server.world.language_model.anthropic_sdk import AnthropicSdk, failure_in
from tests.server.world.language_model.samples import call_of, request, tool, user
from tests.server.world.language_model.wire_server import IMPATIENT, PATIENCE, Reply, document, events, leaves_at_once
from tests.server.world.language_model.wire_server import ask as ask_at

HI = request(user("h\ud800"), tools=(tool(),))
MESSAGE: dict[str, object] = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "m1",
    "content": [],
    "stop_reason": None,
}
START = {"type": "message_start", "message": {**MESSAGE, "usage": {"input_tokens": 1, "output_tokens": 1}}}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}
STOP = {"type": "message_stop"}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def ask(*arguments, **fields):
    """Return what the adapter makes of the replies."""
    return ask_at(AnthropicSdk, *arguments, version="", **fields)


def block(index, kind, delta, **fields):
    """Return the events of a block."""
    return (
        {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}},
        {"type": "content_block_delta", "index": index, "delta": delta},
        {"type": "content_block_stop", "index": index},
    )


HELLO = block(0, "text", {"type": "text_delta", "text": "he"}, text="")


def error(kind, message, status):
    """Return a refusal."""
    return document({"type": "error", "error": {"type": kind, "message": message}}, status)


def test_question():
    """One attempt, whatever comes; half characters are mended."""
    told = ask(HI, error("api_error", "x", 500))
    ((line, headers, body),) = told.server.asked
    assert ("POST /v1/messages", "Bearer sk-secret-key-1") == (line, headers["authorization"])
    assert ("m1", True, "h\ufffd") == (body["model"], body["stream"], body["messages"][0]["content"][0]["text"])


def test_streamed_answer():
    """Thoughts with their signature, text, calls and usage come piece by piece; pings say nothing."""
    thought = block(0, "thinking", {"type": "thinking_delta", "thinking": "hm"}, thinking="", signature="s")
    text = block(1, "text", {"type": "text_delta", "text": "hi"}, text="")
    used = block(2, "tool_use", {"type": "input_json_delta", "partial_json": "{}"}, id="a", name="look", input={})
    reply = events(START, {"type": "ping"}, *thought, *text, *used, END, STOP, done=False)
    expected = (
        ReasoningDelta(text="hm"),
        ReasoningDelta(text="", signature="s"),
        TextDelta(text="hi"),
        ToolCallDelta(index=0, id="a", name="look"),
        ToolCallDelta(index=0, arguments="{}"),
        ModelFinished(usage=Usage(prompt_tokens=1, completion_tokens=2)),
    )
    assert (expected, None) == ((told := ask(HI, reply)).chunks, told.error)


FAILURES = [
    (error("authentication_error", "sk-secret-key-1 is no key", 401), ("llm_authentication", False, None)),
    (error("invalid_request_error", "prompt is too long: 2 > 1", 400), ("llm_context_overflow", False, None)),
    (error("invalid_request_error", "Your credit balance is too low", 400), ("llm_insufficient_credits", False, None)),
    (error("invalid_request_error", "messages: bad", 400), ("llm_bad_request", False, None)),
    (document(OVERLOADED, 529, "retry-after: 7"), ("llm_error", True, 7.0)),
    (
        document({"type": "error", "error": {"type": "rate_limit_error"}}, 429, "retry-after: 3"),
        ("llm_rate_limit", True, 3.0),
    ),
    (Reply(status=502, pieces=(b"<html>",), kind="text/html"), ("llm_error", True, None)),
    (events(OVERLOADED, done=False), ("llm_error", True, None)),
    (events(b"event: message_start\ndata: {garbage\n\n", done=False), ("llm_error", True, None)),
    (events({"type": "message_start"}, done=False), ("llm_error", True, None)),
    (events({"type": "content_block_delta", "index": 0}, done=False), ("llm_error", True, None)),
    (Reply(), ("llm_error", True, None)),
    (Reply(ends=False), ("llm_error", True, None)),
]


@pytest.mark.parametrize(("reply", "failure"), FAILURES)
def test_failures(reply, failure):
    """Each way to fail has its kind, and no error tells the key."""
    told = ask(HI, reply)
    assert ((), failure, 1) == (told.chunks, told.failure, len(told.server.asked))
    assert "secret" not in str(told.error)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(pieces=events(START, *HELLO, done=False).pieces, ends=False),
        events(START, *HELLO, done=False),
        events(START, *HELLO, OVERLOADED, done=False),
    ],
)
def test_failures_in_the_middle(reply):
    """What was said before a failure is heard, and then the failure: an answer without its end is none."""
    told = ask(HI, reply)
    assert ((TextDelta(text="he"),), ("llm_error", True, None)) == (told.chunks, told.failure)


def test_silence():
    """A server that only sends pings is given up."""
    reply = Reply(pieces=events({"type": "ping"}, START, done=False).pieces, hangs=True)
    assert ("llm_timeout", True, None) == ask(HI, reply, patience=IMPATIENT).failure


def test_cancelling_closes_the_connection():
    """Who is cancelled while it waits leaves at once: the server hears it."""
    reply = Reply(pieces=events(START, *HELLO, done=False).pieces, hangs=True)
    assert leaves_at_once(AnthropicSdk, HI, reply, version="")


def test_nobody_there():
    """Where nobody listens the failure says so and passes."""

    async def run():
        async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
            stream = AnthropicSdk(lambda base_url: client, PATIENCE).stream(call_of(HI, "http://127.0.0.1:1"))
            return [chunk async for chunk in stream]

    with pytest.raises(ModelError, match="ollama: the connection failed") as failure:
        asyncio.run(run())
    assert ("llm_error", True) == (failure.value.kind, failure.value.retriable)


def test_no_connection_in_time():
    """A connection that takes too long is a timeout."""
    late = anthropic.APITimeoutError(request=httpx2.Request("POST", "http://h"))
    assert "llm_timeout" == failure_in(late, call_of(HI).endpoint).kind

"""OpenAI asked through its SDK, over a real socket."""

import asyncio

import httpx2
import openai
import pytest

from kelpie_core.errors import ModelError
from kelpie_core.model.turn import Usage
from kelpie_core.ports import ModelFinished, ReasoningDelta, TextDelta, ToolCallDelta
from kelpie_server.world.language_model.openai_sdk import OpenAISdk, failure_in
from tests.server.world.language_model.samples import call_of, request, tool, user
from tests.server.world.language_model.wire_server import (
    IMPATIENT,
    PATIENCE,
    Reply,
    ask,
    document,
    events,
    leaves_at_once,
)

HI = request(user("h\ud800"), tools=(tool(),), model_settings={"max_output_tokens": 5, "verbosity": "low"})
STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}
WHOLE = ModelFinished(usage=Usage(prompt_tokens=1, completion_tokens=2))


def chunk(**delta):
    """Return a chunk."""
    return {"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]}


def test_question():
    """The same question as without the SDK, in OpenAI's dialect; one attempt, whatever comes."""
    told = ask(OpenAISdk, HI, document({"error": {"message": "x"}}, 500), official=True)
    ((line, headers, body),) = told.server.asked
    assert ("POST /v1/chat/completions", "Bearer sk-secret-key-1") == (line, headers["authorization"])
    assert ("m1", True, 5, "h\ufffd") == (
        body["model"],
        body["stream_options"]["include_usage"],
        body["max_completion_tokens"],
        body["messages"][1]["content"],
    )


def test_streamed_answer():
    """Text, thoughts, calls and usage come piece by piece."""
    calls = [{"index": 0, "id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    reply = events(chunk(reasoning_content="hm"), chunk(content="hi"), chunk(tool_calls=calls), STOP, USAGE)
    expected = (
        ReasoningDelta(text="hm"),
        TextDelta(text="hi"),
        ToolCallDelta(index=0, id="a", name="look", arguments="{}"),
        WHOLE,
    )
    assert (expected, None) == ((told := ask(OpenAISdk, HI, reply)).chunks, told.error)


FAILURES = [
    (document({"error": {"message": "sk-secret-key-1 is no key"}}, 401), ("llm_authentication", False, None)),
    (document({"error": {"message": "slow"}}, 429, "retry-after: 7"), ("llm_rate_limit", True, 7.0)),
    (document({"error": {"code": "context_length_exceeded"}}, 400), ("llm_context_overflow", False, None)),
    (document({"error": {"code": "insufficient_quota"}}, 429), ("llm_insufficient_credits", False, None)),
    (Reply(status=503, pieces=(b"<html>",), kind="text/html"), ("llm_error", True, None)),
    (events({"error": {"message": "x", "type": "server_error"}}), ("llm_error", True, None)),
    (events(b"data: {garbage\n\n"), ("llm_error", True, None)),
    (Reply(pieces=(b"<html>",), kind="text/html"), ("llm_error", True, None)),
    (Reply(), ("llm_error", True, None)),
    (Reply(ends=False), ("llm_error", True, None)),
]


@pytest.mark.parametrize(("reply", "failure"), FAILURES)
def test_failures(reply, failure):
    """Each way to fail has its kind, and no error tells the key."""
    told = ask(OpenAISdk, HI, reply)
    assert ((), failure, 1) == (told.chunks, told.failure, len(told.server.asked))
    assert "secret" not in str(told.error)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(pieces=events(chunk(content="he")).pieces[:1], ends=False),
        Reply(pieces=events(chunk(content="he")).pieces[:1]),
        events(chunk(content="he"), {"error": {"message": "overloaded"}}),
    ],
)
def test_failures_in_the_middle(reply):
    """What was said before a failure is heard, and then the failure."""
    told = ask(OpenAISdk, HI, reply)
    assert ((TextDelta(text="he"),), ("llm_error", True, None)) == (told.chunks, told.failure)


def test_silence():
    """A server that says nothing is given up."""
    told = ask(OpenAISdk, HI, Reply(hangs=True), patience=IMPATIENT)
    assert ("llm_timeout", True, None) == told.failure


def test_cancelling_closes_the_connection():
    """Who is cancelled while it waits leaves at once: the server hears it."""
    assert leaves_at_once(OpenAISdk, HI, Reply(pieces=events(chunk(content="he")).pieces[:1], hangs=True))


def test_nobody_there():
    """Where nobody listens the failure says so and passes."""

    async def run():
        async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
            stream = OpenAISdk(lambda base_url: client, PATIENCE).stream(call_of(HI, "http://127.0.0.1:1"))
            return [chunk async for chunk in stream]

    with pytest.raises(ModelError, match="ollama: the connection failed") as failure:
        asyncio.run(run())
    assert ("llm_error", True) == (failure.value.kind, failure.value.retriable)


def test_no_connection_in_time():
    """A connection that takes too long is a timeout."""
    late = openai.APITimeoutError(request=httpx2.Request("POST", "http://h"))
    assert "llm_timeout" == failure_in(late, call_of(HI).endpoint).kind

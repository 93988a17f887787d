"""An endpoint of chat completions, asked directly over a real socket."""

import asyncio

import httpx2
import pytest

from kelpie_core.errors import ModelError
from kelpie_core.model.turn import Usage
from kelpie_core.ports import ModelFinished, ReasoningDelta, TextDelta, ToolCallDelta
from kelpie_server.world.language_model import chat_endpoint
from kelpie_server.world.language_model.chat_endpoint import ChatEndpoint
from kelpie_server.world.language_model.json_body import decoded, encoded
from kelpie_server.world.language_model.openai_body import chat_body, names_of
from tests.server.world.language_model.samples import call_of, request, tool, user
from tests.server.world.language_model.wire_server import (
    IMPATIENT,
    PATIENCE,
    Reply,
    ask,
    document,
    events,
    leaves_at_once,
    serving,
)

HI = request(user("hi"), tools=(tool(),))
STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
WHOLE = ModelFinished(usage=Usage(prompt_tokens=1, completion_tokens=2))


def chunk(**delta):
    """Return a chunk."""
    return {"choices": [{"index": 0, "delta": delta}]}


ANSWER = events(chunk(content="he"), chunk(content="llo"), STOP, USAGE)
HELLO = (TextDelta(text="he"), TextDelta(text="llo"), WHOLE)


def test_question():
    """The question is one POST with the key and the body, half characters mended."""
    told = ask(ChatEndpoint, request(user("h\ud800")), ANSWER)
    ((line, headers, body),) = told.server.asked
    wanted = ("POST /v1/chat/completions", "Bearer sk-secret-key-1", "application/json", "text/event-stream")
    assert wanted == (line, headers["authorization"], headers["content-type"], headers["accept"])
    asked = request(user("h\ufffd"))
    assert decoded(encoded(chat_body(asked, "m1", names_of(asked), official=False))) == body


def test_without_a_key_none_is_sent():
    """An endpoint without a key is asked without one."""
    assert "authorization" not in chat_endpoint._headers(None)


def test_streamed_answer():
    """Text, thoughts, calls and usage come piece by piece."""
    calls = [{"index": 0, "id": "a", "function": {"name": "look", "arguments": "{}"}}]
    reply = events(chunk(reasoning="hm"), chunk(content="hi"), chunk(tool_calls=calls), STOP, USAGE)
    expected = (
        ReasoningDelta(text="hm"),
        TextDelta(text="hi"),
        ToolCallDelta(index=0, id="a", name="look", arguments="{}"),
        WHOLE,
    )
    assert (expected, None) == (ask(ChatEndpoint, HI, reply).chunks, None)


@pytest.mark.parametrize(
    "reply",
    [
        events(b": waiting\n\n", chunk(content="he"), b": still\r\n\r\n", chunk(content="llo"), STOP, USAGE),
        events(chunk(content="he"), chunk(content="llo"), STOP, USAGE, done=False),
        events(chunk(content="he"), chunk(content="llo"), USAGE),
        Reply(pieces=tuple(bytes((byte,)) for byte in b"".join(ANSWER.pieces))),
    ],
    ids=["comments", "no [DONE]", "no reason", "byte by byte"],
)
def test_streams_of_every_kind(reply):
    """Whatever servers leave out or put in, the answer is the same."""
    assert HELLO == ask(ChatEndpoint, HI, reply).chunks


def test_answer_that_was_not_streamed():
    """A server that answers with one document is understood."""
    choices = [{"message": {"content": "hello"}, "finish_reason": "stop"}]
    told = ask(ChatEndpoint, HI, document({"choices": choices, "usage": USAGE["usage"]}))
    assert (TextDelta(text="hello"), WHOLE) == told.chunks


FAILURES = [
    (document({"error": {"message": "no"}}, 401), ("llm_authentication", False, None)),
    (document({"error": {"message": "slow"}}, 429, "retry-after: 7"), ("llm_rate_limit", True, 7.0)),
    (document({"error": {"message": "bad"}}, 400), ("llm_bad_request", False, None)),
    (document({"error": {"code": "context_length_exceeded"}}, 400), ("llm_context_overflow", False, None)),
    (document({"error": {"message": "pay"}}, 402), ("llm_insufficient_credits", False, None)),
    (Reply(status=503, pieces=(b"<html>",), kind="text/html"), ("llm_error", True, None)),
    (Reply(status=504, kind="text/html"), ("llm_timeout", True, None)),
    (Reply(status=500, pieces=(b"half",), ends=False), ("llm_error", True, None)),
    (document({"error": {"message": "x", "code": 429}}), ("llm_rate_limit", True, None)),
    (events({"error": {"message": "x", "type": "overloaded_error"}}), ("llm_error", True, None)),
    (events(b"data: {garbage\n\n"), ("llm_error", True, None)),
    (events(b"data: " + b"[" * 100_000 + b"\n\n"), ("llm_error", True, None)),
    (Reply(pieces=(b"<html>hello</html>",), kind="text/html"), ("llm_error", True, None)),
    (Reply(pieces=(b"not json",), kind="application/json"), ("llm_error", True, None)),
    (Reply(), ("llm_error", True, None)),
    (Reply(ends=False), ("llm_error", True, None)),
]


@pytest.mark.parametrize(("reply", "failure"), FAILURES)
def test_failures(reply, failure):
    """Each way to fail has its kind, and says nothing before it."""
    told = ask(ChatEndpoint, HI, reply)
    assert ((), failure) == (told.chunks, told.failure)
    assert "secret" not in str(told.error)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(pieces=ANSWER.pieces[:1], ends=False),
        Reply(pieces=ANSWER.pieces[:1]),
        events(chunk(content="he"), {"error": {"message": "overloaded"}}),
        events(chunk(content="he"), b"data: {garbage\n\n"),
    ],
    ids=["connection cut", "ended early", "error in the stream", "garbage"],
)
def test_failures_in_the_middle(reply):
    """What was said before a failure is heard, and then the failure."""
    told = ask(ChatEndpoint, HI, reply)
    assert ((TextDelta(text="he"),), ("llm_error", True, None)) == (told.chunks, told.failure)


@pytest.mark.parametrize(("pieces", "heard"), [((), ()), (ANSWER.pieces[:1], (TextDelta(text="he"),))])
def test_silence(pieces, heard):
    """A server that says nothing, or nothing more, is given up, and its connection closed."""
    told = ask(ChatEndpoint, HI, Reply(pieces=pieces, hangs=True), patience=IMPATIENT)
    assert (heard, ("llm_timeout", True, None)) == (told.chunks, told.failure)


def test_comments_are_no_signs_of_life():
    """A server that only says that it is still there is given up as well."""
    told = ask(ChatEndpoint, HI, Reply(pieces=(b": ping\n\n",) * 3, hangs=True), patience=IMPATIENT)
    assert ("llm_timeout", True, None) == told.failure


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://no.such.host.invalid/v1"])
def test_nobody_there(url):
    """Where nobody listens, or the name is nobody's, the failure says so and passes."""

    async def run():
        async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
            stream = ChatEndpoint(lambda base_url: client, PATIENCE).stream(call_of(HI, url))
            return [chunk async for chunk in stream]

    with pytest.raises(ModelError, match="ollama: the connection failed") as failure:
        asyncio.run(run())
    assert ("llm_error", True) == (failure.value.kind, failure.value.retriable)


def test_connections_are_used_again():
    """A connection whose answer was read to its end asks the next question."""

    async def run():
        async with serving(ANSWER) as (server, url), httpx2.AsyncClient(trust_env=False, verify=False) as client:
            endpoint = ChatEndpoint(lambda base_url: client, PATIENCE)
            for _ in range(3):
                assert HELLO == tuple([chunk async for chunk in endpoint.stream(call_of(HI, url))])
            return len(server.serving), len(server.asked)

    assert (1, 3) == asyncio.run(run())


def test_cancelling_closes_the_connection():
    """Who is cancelled while it waits leaves at once: the server hears it."""
    assert leaves_at_once(ChatEndpoint, HI, Reply(pieces=ANSWER.pieces[:1], hangs=True))


def test_answers_are_bounded(monkeypatch):
    """A document without an end is not read for ever."""
    monkeypatch.setattr(chat_endpoint, "BODY_BYTES_MAX", 10)
    told = ask(ChatEndpoint, HI, Reply(pieces=(b"x" * 11,), kind="application/json"))
    assert (("llm_error", True, None), True) == (told.failure, "more than 10 bytes" in str(told.error))

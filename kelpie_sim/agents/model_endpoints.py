"""Scripted providers as HTTP services of the world: chat completions as OpenAI speaks them, messages as Anthropic does.

They take the same scripts as language_model.py and meet the same faults, but as bytes over the network: what asks a
provider in production runs as it is. A request that is not sound (model_checks.py) is refused, and a finding: nobody
may ever be able to provoke one.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.ports import ModelChunk, TextDelta, ToolCallDelta
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.language_model import AT_CALL, chunks_of, kinds_at, malformed
from kelpie_sim.agents.model_checks import Unsound, check_chat, check_tools, check_turns, signature_of, texts_of
from kelpie_sim.faults import Fault
from kelpie_sim.seed import Stream
from kelpie_sim.simulation import World
from kelpie_sim.world.asgi import Message, Receive, Send
from kelpie_sim.world.host import Host

MODEL_NAME = "scripted"
CONTEXT_TOKENS = 100_000
RETRY_AFTER_SECONDS = 2
GARBAGE = '{"choices": [{"delta": garbage'
_JSON, _EVENTS = b"application/json", b"text/event-stream"


class _Cut(Exception):
    """The answer breaks off; the server closes the connection."""


class _Ended(Exception):
    """The answer breaks off, but its body ends as if that were all: some proxies do that."""


@attrs.define(eq=False)
class ModelEndpoint:
    """What both providers have in common: an ASGI app on a host, whose paths the two below answer.

    `asked` are the bodies that came, oldest first.
    """

    world: World
    host: Host
    latency_ms_max: int = 20
    asked: list[JsonObject] = attrs.field(factory=list)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        body = await _body(receive)
        try:
            if scope["method"] == "GET":
                listed = {"data": [{"id": MODEL_NAME, "object": "model", "max_model_len": CONTEXT_TOKENS}]}
                await _answer(send, 200, listed)
            else:
                await self._reply(json.loads(body), send)
        except Unsound as error:
            self.world.check(False, f"{self.host.name}: {error}")
            await _answer(send, 400, {"error": {"type": "invalid_request_error", "message": str(error)}})

    @property
    def _stream(self) -> Stream:
        return self.world.streams.stream(f"model/{self.host.name}")

    async def _reply(self, body: JsonObject, send: Send) -> None:
        self.asked.append(body)
        await asyncio.sleep(self._stream.between(1, self.latency_ms_max) / 1_000)
        script, step = self.script_in(body)
        verdict = self.world.faults.verdict(f.MODEL, f.MODEL_CALL, host=self.host.name, applies=AT_CALL)
        chunks = list(chunks_of(script, step, len(body["messages"])))
        if verdict is not None:
            verdict.fire()
            if not isinstance(verdict.fault, f.LlmEmptyReply):
                await self._refuse(verdict.fault, send)
                return
            chunks = []
        await _start(send, 200, _EVENTS)
        with suppress(_Ended):
            for event in self.events(body, chunks):
                await self._send(event, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _refuse(self, fault: Fault, send: Send) -> None:
        status, kind, words = 500, "server_error", "the provider failed"
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if isinstance(fault, f.LlmTimeout):
            await asyncio.sleep(fault.timeout_ms / 1_000)
            status, kind, words = 504, "timeout_error", "the model did not answer in time"
        elif isinstance(fault, f.LlmRateLimited):
            status, kind, words = 429, "rate_limit_error", "too many requests"
            headers = ((b"retry-after", b"%d" % RETRY_AFTER_SECONDS),)
        elif isinstance(fault, f.LlmContextOverflow):
            status, kind, words = 400, "invalid_request_error", "prompt is too long: maximum context length is 100000"
        await _answer(send, status, {"type": "error", "error": {"type": kind, "message": words}}, *headers)

    async def _send(self, event: "_Event", send: Send) -> None:
        """Send an event, unless a fault strikes at its piece."""
        verdict = None
        if event.chunk is not None:
            kinds = kinds_at(event.chunk)
            verdict = self.world.faults.verdict(f.MODEL, f.MODEL_CHUNK, host=self.host.name, applies=kinds)
        data = event.encoded()
        if verdict is not None:
            verdict.fire()
            data = await self._harmed(verdict.fault, event)
        await send({"type": "http.response.body", "body": data, "more_body": True})
        await asyncio.sleep(0)

    async def _harmed(self, fault: Fault, event: "_Event") -> bytes:
        match fault:
            case f.LlmSlow(latency_ms=latency_ms):
                await asyncio.sleep(latency_ms / 1_000)
            case f.LlmStreamCut():
                raise self._stream.pick((_Cut, _Ended))
            case f.LlmHang(hang_ms=hang_ms):
                await asyncio.sleep(hang_ms / 1_000)
                raise _Cut
            case f.LlmGarbledChunk():
                return attrs.evolve(event, data=GARBAGE).encoded()
            case f.LlmErrorInStream():
                error = {"type": "error", "error": {"type": "overloaded_error", "message": "overloaded"}}
                return attrs.evolve(event, name=event.name and "error", data=json.dumps(error)).encoded()
            case f.LlmMalformedToolCall():
                assert event.chunk is not None, "faults strike at pieces"
                return event.remade(malformed(event.chunk)).encoded()
        return event.encoded()

    def script_in(self, body: JsonObject) -> tuple[str, int]:
        """Return the script and the number of its step; raise Unsound."""
        raise NotImplementedError

    def events(self, body: JsonObject, chunks: "list[ModelChunk]") -> "Iterator[_Event]":
        """Yield the events of an answer."""
        raise NotImplementedError


@attrs.frozen(kw_only=True)
class _Event:
    """An event of a stream. `chunk` is the piece that it brings, if any, and `remake` its data for another piece."""

    data: str
    name: str | None = None
    chunk: ModelChunk | None = None
    remake: Callable[[ModelChunk], JsonObject] | None = None

    def encoded(self) -> bytes:
        """Return the event as bytes."""
        name = f"event: {self.name}\n" if self.name else ""
        return f"{name}data: {self.data}\n\n".encode()

    def remade(self, chunk: ModelChunk) -> "_Event":
        """Return the event with another piece."""
        assert self.remake is not None, "what has a piece can be made anew"
        return attrs.evolve(self, data=json.dumps(self.remake(chunk)))


class ChatCompletions(ModelEndpoint):
    """POST /v1/chat/completions."""

    def script_in(self, body: JsonObject) -> tuple[str, int]:
        """Return the script and the number of its step; raise Unsound."""
        messages = body["messages"]
        if not body.get("stream") or not messages:
            raise Unsound("no stream, or no messages")
        check_tools([tool["function"] for tool in body.get("tools", ())])
        check_chat(messages)
        last = max((n for n, message in enumerate(messages) if message["role"] == "user"), default=-1)
        script = messages[last]["content"] if last >= 0 else ""
        return script, sum(message["role"] == "assistant" for message in messages[last + 1 :])

    def events(self, body: JsonObject, chunks: list[ModelChunk]) -> Iterator[_Event]:
        """Yield chunks, the reason of the end, the usage, [DONE]."""
        for chunk in chunks:
            yield _Event(data=json.dumps(_chat_chunk(chunk)), chunk=chunk, remake=_chat_chunk)
        reason = "tool_calls" if any(isinstance(chunk, ToolCallDelta) for chunk in chunks) else "stop"
        yield _Event(data=json.dumps({**_COMMON, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
        usage = {"prompt_tokens": len(body["messages"]), "completion_tokens": len(chunks)}
        usage["total_tokens"] = sum(usage.values())
        yield _Event(data=json.dumps({**_COMMON, "choices": [], "usage": usage}))
        yield _Event(data="[DONE]")


_COMMON = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL_NAME}


def _chat_chunk(chunk: ModelChunk) -> JsonObject:
    delta: JsonObject = {}
    if isinstance(chunk, TextDelta):
        delta = {"role": "assistant", "content": chunk.text}
    elif isinstance(chunk, ToolCallDelta):
        named = {"id": chunk.id, "type": "function"} if chunk.id else {}
        function = {"name": chunk.name, "arguments": ""} if chunk.id else {"arguments": chunk.arguments}
        delta = {"tool_calls": [{"index": chunk.index, **named, "function": function}]}
    return {**_COMMON, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


class Messages(ModelEndpoint):
    """POST /v1/messages. Asked to think, it thinks before its calls, and wants to see its thoughts again."""

    def script_in(self, body: JsonObject) -> tuple[str, int]:
        """Return the script and the number of its step; raise Unsound."""
        messages = body["messages"]
        check_tools(body.get("tools", []))
        check_turns(messages, bool(body.get("thinking")))
        texts = [n for n, message in enumerate(messages) if message["role"] == "user" and texts_of(message)]
        last = texts[-1] if texts else -1
        script = texts_of(messages[last])[-1] if texts else ""
        return script, sum(message["role"] == "assistant" for message in messages[last + 1 :])

    def events(self, body: JsonObject, chunks: list[ModelChunk]) -> Iterator[_Event]:
        """Yield the events from message_start to message_stop."""
        tokens = {"input_tokens": len(body["messages"]), "output_tokens": 1}
        start = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL_NAME, "content": []}
        yield _event({"type": "message_start", "message": {**start, "stop_reason": None, "usage": tokens}})
        calls = [chunk for chunk in chunks if isinstance(chunk, ToolCallDelta)]
        first = 0
        if body.get("thinking") and calls:
            yield from _thought(f"about {len(body['messages'])} messages")
            first = 1
        yield from self._blocks(chunks, first)
        delta = {"stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None}
        yield _event({"type": "message_delta", "delta": delta, "usage": {"output_tokens": len(chunks)}})
        yield _event({"type": "message_stop"})

    def _blocks(self, chunks: list[ModelChunk], first: int) -> Iterator[_Event]:
        """Yield a block for the text or one for each call."""
        at: int | None = None
        for chunk in chunks:
            index = first + (chunk.index if isinstance(chunk, ToolCallDelta) else 0)
            if index != at:
                if at is not None:
                    yield _event({"type": "content_block_stop", "index": at})
                at = index
                yield _event({"type": "content_block_start", "index": index, "content_block": _block(chunk)})
            remake = _remaker(index)
            yield _event(remake(chunk), chunk, remake)
        if at is not None:
            yield _event({"type": "content_block_stop", "index": at})


def _event(
    value: JsonObject, chunk: ModelChunk | None = None, remake: Callable[[ModelChunk], JsonObject] | None = None
) -> _Event:
    return _Event(data=json.dumps(value), name=value["type"], chunk=chunk, remake=remake)


def _thought(thought: str) -> Iterator[_Event]:
    block = {"type": "thinking", "thinking": "", "signature": ""}
    yield _event({"type": "content_block_start", "index": 0, "content_block": block})
    said = {"type": "thinking_delta", "thinking": thought}
    signed = {"type": "signature_delta", "signature": signature_of(thought)}
    for delta in (said, signed):
        yield _event({"type": "content_block_delta", "index": 0, "delta": delta})
    yield _event({"type": "content_block_stop", "index": 0})


def _block(chunk: ModelChunk) -> JsonObject:
    if isinstance(chunk, ToolCallDelta):
        return {"type": "tool_use", "id": chunk.id, "name": chunk.name, "input": {}}
    return {"type": "text", "text": ""}


def _remaker(index: int) -> Callable[[ModelChunk], JsonObject]:
    def remake(chunk: ModelChunk) -> JsonObject:
        delta = {"type": "text_delta", "text": getattr(chunk, "text", "")}
        if isinstance(chunk, ToolCallDelta):
            delta = {"type": "input_json_delta", "partial_json": chunk.arguments}
        return {"type": "content_block_delta", "index": index, "delta": delta}

    return remake


async def _body(receive: Receive) -> bytes:
    return b"".join([piece async for piece in _pieces(receive)])


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def _start(send: Send, status: int, kind: bytes, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind), *headers]})


async def _answer(send: Send, status: int, value: JsonObject, *headers: tuple[bytes, bytes]) -> None:
    data = json.dumps(value).encode()
    await _start(send, status, _JSON, (b"content-length", b"%d" % len(data)), *headers)
    await send({"type": "http.response.body", "body": data, "more_body": False})

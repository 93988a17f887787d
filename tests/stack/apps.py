"""The application that the stack's tests serve: plain answers, good and bad, streams of every kind, and two providers
of language models as far as their SDKs need them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

CHUNK = b"x" * 65_536
WORDS = ("once ", "upon ", "a ", "time")


def make_app() -> Starlette:
    """Return a new application. `app.state` counts the streams that are open, and knows whether it is up."""

    @asynccontextmanager
    async def alive(app: Starlette) -> AsyncIterator[dict[str, object]]:
        app.state.up = True
        yield {"greeting": "hello"}
        app.state.up = False

    app = Starlette(routes=[*_plain(), *_streams(), *_providers()], lifespan=alive)
    app.state.open = app.state.sent = app.state.asked = 0
    return app


# --- plain answers


def _plain() -> list[Route]:
    return [
        Route("/echo", echo, methods=["POST"]),
        Route("/slow", slow),
        Route("/fail", fail),
        Route("/blocking", blocking),
    ]


async def echo(request: Request) -> Response:
    """Answer with what was asked, and with what the lifespan left."""
    request.app.state.asked += 1
    return JSONResponse({"body": (await request.body()).decode(), "greeting": request.state.greeting})


async def slow(request: Request) -> Response:
    """Answer after a while."""
    await asyncio.sleep(float(request.query_params["seconds"]))
    request.app.state.asked += 1
    return PlainTextResponse("at last")


async def fail(request: Request) -> Response:
    """Break."""
    raise ValueError("broken on purpose")


def blocking(request: Request) -> Response:
    """Answer from a worker thread, as plain functions do."""
    return PlainTextResponse("from a thread")


# --- streams


def _streams() -> list[Route]:
    return [
        Route("/events", events),
        Route("/sse", sse),
        Route("/big", big),
        Route("/half", half),
    ]


def counted(request: Request, items: AsyncIterator[object]) -> AsyncIterator[object]:
    """Count a stream as open for as long as it is."""

    async def counting() -> AsyncIterator[object]:
        request.app.state.open += 1
        try:
            async for item in items:
                request.app.state.sent += 1
                yield item
        finally:
            request.app.state.open -= 1

    return counting()


async def numbers(request: Request, form: Callable[[int], object]) -> AsyncIterator[object]:
    """Count up to what the query says, one by one."""
    for number in range(int(request.query_params["n"])):
        await asyncio.sleep(0.01)
        yield form(number)


async def events(request: Request) -> Response:
    """Send events through Starlette's own streaming."""
    stream = counted(request, numbers(request, lambda number: f"data: {number}\n\n"))
    return StreamingResponse(stream, media_type="text/event-stream")  # type: ignore[arg-type]


async def sse(request: Request) -> Response:
    """Send events through sse-starlette, with a ping every second."""
    return EventSourceResponse(counted(request, numbers(request, lambda number: {"data": number})), ping=1)


async def big(request: Request) -> Response:
    """Send many chunks as fast as they are taken."""

    async def chunks() -> AsyncIterator[object]:
        for _ in range(int(request.query_params["n"])):
            yield CHUNK

    return StreamingResponse(counted(request, chunks()))  # type: ignore[arg-type]


async def half(request: Request) -> Response:
    """Break in the middle of an answer."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"the beginning"
        raise ValueError("broken on purpose")

    return StreamingResponse(chunks())


# --- providers of language models


def _providers() -> list[Route]:
    return [
        Route("/v1/chat/completions", openai_chat, methods=["POST"]),
        Route("/v1/messages", anthropic_messages, methods=["POST"]),
    ]


def _sse(lines: list[tuple[str, object]]) -> Response:
    async def frames() -> AsyncIterator[str]:
        for name, data in lines:
            await asyncio.sleep(0.02)
            head = f"event: {name}\n" if name else ""
            yield f"{head}data: {data if isinstance(data, str) else json.dumps(data)}\n\n"

    return StreamingResponse(frames(), media_type="text/event-stream")


async def openai_chat(request: Request) -> Response:
    """Answer as /v1/chat/completions does."""
    asked = await request.json()
    head = {"id": "chat-1", "created": 1, "model": asked["model"]}
    if not asked.get("stream"):
        message = {"role": "assistant", "content": "".join(WORDS)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice]})
    deltas = [
        {**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": word}}]}
        for word in WORDS
    ]
    return _sse([*(("", delta) for delta in deltas), ("", "[DONE]")])


async def anthropic_messages(request: Request) -> Response:
    """Answer as /v1/messages does."""
    asked = await request.json()
    usage = {"input_tokens": 1, "output_tokens": 4}
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": asked["model"], "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    text = {"type": "text", "text": "".join(WORDS)}
    if not asked.get("stream"):
        return JSONResponse({**message, "content": [text], "stop_reason": "end_turn"})
    deltas = [{"type": "text_delta", "text": word} for word in WORDS]
    return _sse(
        [
            ("message_start", {"type": "message_start", "message": message}),
            ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {**text, "text": ""}}),
            *(("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}) for delta in deltas),
            ("content_block_stop", {"type": "content_block_stop", "index": 0}),
            ("message_delta", {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}),
            ("message_stop", {"type": "message_stop"}),
        ]
    )

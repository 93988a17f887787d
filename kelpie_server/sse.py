"""Answers that come piece by piece: streams of events, and long documents.

Written on asyncio alone, so that they run on a simulated loop, and with every end decided: a stream of events ends
with [DONE] and its body ends after it, whatever happened; a stream that is told from a log, and can be resumed, has no
[DONE] if it was not told to its end; a document that breaks off cuts the connection, so that no client takes a part for
the whole. A client that goes away ends the answer, not the turn.

A client that reads slowly holds up its own answer and nothing else: each event is sent when the one before was taken.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Generic, Protocol, TypeVar

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from kelpie_core.errors import KelpieError
from kelpie_core.model.run import Run
from kelpie_core.ports import Clock
from kelpie_core.wire.letta_stream import StreamEvent

T = TypeVar("T")
E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)
DONE = b"data: [DONE]\n\n"
STOPPING = "the server is stopping; the turn goes on when it is back"
_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]

_log = structlog.get_logger(__name__)


def frame_of(event: StreamEvent) -> bytes:
    """Return an event as it stands in the stream."""
    name = b"" if event.name is None else b"event: " + event.name.encode() + b"\n"
    return name + b"data: " + msgspec.json.encode(event.data) + b"\n\n"


async def begun(items: AsyncIterator[T]) -> tuple[T, AsyncIterator[T]]:
    """Return the first item and the rest. What fails before it raises here, where it can still become a status."""
    return await anext(items), items


class Teller(Protocol[E_contra]):
    """What makes the events of one stream. `ended`: the last one was given out, and [DONE] may follow."""

    run: Run

    @property
    def ended(self) -> bool:
        """Return whether the last event was given out."""

    def begin(self, now: dt.datetime) -> list[StreamEvent]:
        """Return the first events."""

    def ping(self, now: dt.datetime) -> list[StreamEvent]:
        """Return a sign of life."""

    def feed(self, event: E_contra) -> list[StreamEvent]:
        """Return what an event is on the wire."""

    def fail(self, kind: str, message: str) -> list[StreamEvent]:
        """Return the news that the events broke off."""


class EventStream(Generic[E]):
    """The answer that tells a turn as it goes, with a ping every `ping_seconds`."""

    def __init__(self, letta: Teller[E], events: AsyncIterator[E], clock: Clock, ping_seconds: float) -> None:
        self._letta = letta
        self._events = events
        self._clock = clock
        self._ping_seconds = ping_seconds
        self._sending = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
        try:
            await until_gone(receive, self._tell(send), self._ping(send))
        except asyncio.CancelledError:
            # Only a server that stops cancels an answer, or its turn. The client is to hear of it.
            await self._fail(send, STOPPING)
            await self._end(send)
            if is_cancelled():
                raise
        finally:
            await closed(self._events)

    async def _tell(self, send: Send) -> None:
        await self._send(send, self._letta.begin(self._clock.now()))
        try:
            async for event in self._events:
                await self._send(send, self._letta.feed(event))
        except KelpieError as error:
            _log.error("stream_failed", run_id=self._letta.run.id, error=str(error))
            await self._fail(send, str(error))
        except Exception as error:
            _log.error("stream_broke", run_id=self._letta.run.id, exc_info=error)
            await self._fail(send, "internal error")
        if not self._letta.ended:
            await self._fail(send, "the turn's events broke off")
        await self._end(send)

    async def _end(self, send: Send) -> None:
        async with self._sending:
            body = DONE if self._letta.ended else b""
            await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _ping(self, send: Send) -> None:
        while True:
            await self._clock.sleep(self._ping_seconds)
            async with self._sending:
                await _write(send, self._letta.ping(self._clock.now()))

    async def _fail(self, send: Send, detail: str) -> None:
        if not self._letta.ended:
            await self._send(send, self._letta.fail("internal_error", detail))

    async def _send(self, send: Send, events: list[StreamEvent]) -> None:
        async with self._sending:
            await _write(send, events)


class Document:
    """The answer that sends a document of unknown length in chunks, the first of which is there already."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes], headers: dict[str, str]) -> None:
        self._first = first
        self._rest = rest
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer; raise what the chunks raise, which makes the server cut the connection."""
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        try:
            await until_gone(receive, self._tell(send))
        finally:
            await closed(self._rest)

    async def _tell(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        async for chunk in self._rest:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _write(send: Send, events: list[StreamEvent]) -> None:
    if events:
        await send({"type": "http.response.body", "body": b"".join(map(frame_of, events)), "more_body": True})


async def until_gone(
    receive: Receive, work: Coroutine[object, object, None], *beside: Coroutine[object, object, None]
) -> None:
    """Run `work` to its end, or until the client has gone; `beside` runs as long. Raise what `work` raises."""
    main = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(receive))
    tasks = (main, gone, *map(asyncio.ensure_future, beside))
    try:
        await asyncio.wait((main, gone), return_when=asyncio.FIRST_COMPLETED)
        if main.done():
            main.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def closed(items: AsyncIterator[T]) -> None:
    """Close an iterator that can be closed: a generator's own clean-up runs now, not when it is collected."""
    if isinstance(items, AsyncGenerator):
        await items.aclose()


def is_cancelled() -> bool:
    """Return whether somebody cancels this very task; else a CancelledError only came through it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue

"""An ASGI application on a host without a server's bytes: exchanges of a request and its answer, and the lifespan.

What the application sees is what uvicorn would show it, and so is what becomes of its errors: before the answer has
begun they are a 500, after that the body breaks off. What it cannot see is TCP: there are no connections to keep, and
what it sends while a piece is under way goes along with the next.

Laws: the application runs on the server's host, and dies with it. Pieces arrive in the order in which they were sent,
each whole. A client is told nothing by a host that lost power: it waits until it loses patience, unless it has more
to send.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from enum import Enum
from hashlib import blake2b
from typing import Any, Protocol

from kelpie_sim.errors import HostDead
from kelpie_sim.incarnation import INCARNATION, Incarnation
from kelpie_sim.loop import SimLoop

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[object]]
Headers = list[tuple[bytes, bytes]]
# A server tells which version of the protocol it speaks: the one that uvicorn does.
ASGI = {"version": "3.0", "spec_version": "2.3"}
STARTUP_FAILURE = 3
# How much of an answer may be under way or unread before its sender has to wait, as with a connection's buffers.
WINDOW_BYTES = 65_536
# What the heads would take on the wire: they travel unwritten.
REQUEST_HEAD_BYTES, RESPONSE_HEAD_BYTES = 400, 200
# Shorter bodies are on the trace as they are, longer ones as their hash.
BODY_SHOWN_BYTES_MAX = 64
_FAILED_HEADERS = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
_FAILED_BODY = b"Internal Server Error"


class Ending(Enum):
    """How an answer ended."""

    COMPLETE = "complete"
    CUT = "cut"
    """The server closed the connection before the end."""
    RESET = "reset"
    """The connection broke."""


# A piece of an answer: status and headers, some of the body, or the end.
_Piece = tuple[int, Headers] | bytes | Ending


class Way(Protocol):
    """The way between the two ends of an exchange. Both raise OSError for what does not get through."""

    async def forth(self, what: str, size_bytes: int) -> None:
        """Take something from the client to the server; return when it has arrived."""

    async def back(self, what: str, size_bytes: int) -> None:
        """Take something from the server to the client; return when it has arrived."""


class Exchange:
    """One request and its answer. The methods of the server's side run on its host, the others on the client's."""

    def __init__(self, way: Way, scope: Message) -> None:
        self.scope = scope
        self.status = 0
        self.headers: Headers = []
        self.ending: Ending | None = None
        self._loop: SimLoop = asyncio.get_running_loop()  # type: ignore[assignment]  # Nothing else simulates.
        self._way = way
        self._headless = scope["method"] == "HEAD"
        # The server's side.
        self._asked: deque[Message] = deque()
        self._news = asyncio.Event()
        self._left = False
        self._started = False
        self._complete = False
        self._outbox: list[_Piece] = []
        self._unread_bytes = 0
        self._room = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._life: Incarnation | None = None
        # The client's side.
        self.written_s = 0.0
        """When the request was written, and the wait for its answer began."""
        self.asking: asyncio.Future[None] | None = None
        """What goes on its way although the client waits no longer."""
        self._chunks: deque[bytes] = deque()
        self._waiter: asyncio.Future[bool] | None = None

    # --- the client's side

    async def head(self, timeout_seconds: float | None) -> None:
        """Wait until `status` and `headers` are there, or the end. Raise TimeoutError."""
        while not self.status and self.ending is None:
            await self._wait(timeout_seconds)

    async def chunk(self, timeout_seconds: float | None) -> bytes:
        """Return the next piece of the body, none at its end. Raise TimeoutError."""
        while not self._chunks:
            if self.ending is not None:
                return b""
            await self._wait(timeout_seconds)
        chunk = self._chunks.popleft()
        self._unread_bytes -= len(chunk)
        self._room.set()
        return chunk

    async def ask(self, body: bytes, more: bool) -> None:
        """Send the beginning of the request. Raise OSError."""
        target = f"{self.scope['method']} {self.scope['path']}"
        self._record(target, body)
        await self._way.forth(target, REQUEST_HEAD_BYTES + len(body))
        self.take(body, more)

    async def refuse(self) -> None:
        """Learn that nobody listens. Raise OSError."""
        await self._way.back("http refused", 0)

    async def upload(self, body: bytes, more: bool) -> None:
        """Send a further piece of the request. Raise OSError."""
        self._record("http request", body)
        await self._way.forth("http request", len(body))
        if self._life is not None and not self._life.alive:
            raise ConnectionResetError("Connection reset by peer")
        self.take(body, more)

    def leave(self) -> None:
        """Go away: the server learns it when the news reaches it."""
        if self.ending is None:
            self.ending = Ending.RESET
            self._loop.create_task(self._tell_left(), name="http leave")

    async def _tell_left(self) -> None:
        asking = self.asking
        if asking is not None:
            await asyncio.wait([asking])
        if asking is None or not (asking.cancelled() or asking.exception()):
            with suppress(OSError):
                await self._way.forth("http close", 0)
                self.client_left()

    async def _wait(self, timeout_seconds: float | None) -> None:
        waiter = self._waiter = self._loop.create_future()
        timer = None if timeout_seconds is None else self._loop.call_later(timeout_seconds, _expire, waiter)
        try:
            if not await waiter:
                raise TimeoutError
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def end(self, ending: Ending) -> None:
        """End the answer at the client."""
        if self.ending is None:
            self.ending = ending
            self._wake()

    def _arrive(self, pieces: list[_Piece]) -> None:
        """Take what has arrived of the answer."""
        for piece in pieces if self.ending is None else ():
            if isinstance(piece, bytes):
                self._chunks.append(piece)
            elif isinstance(piece, Ending):
                self.ending = piece
            else:
                self.status, self.headers = piece
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(True)

    # --- the server's side

    def take(self, body: bytes, more: bool) -> None:
        """Take a piece of the request."""
        self._asked.append({"type": "http.request", "body": body, "more_body": more})
        self._news.set()

    def client_left(self) -> None:
        """Learn that there is nobody any more who listens."""
        self._left = True
        self._news.set()
        self._room.set()

    async def run(self, app: App) -> None:
        """Run the application, and make of its errors what uvicorn would."""
        self._life = INCARNATION.get()
        try:
            result = await app(self.scope, self.receive, self.send)
        except (KeyboardInterrupt, HostDead, GeneratorExit):
            raise
        except BaseException as error:
            await self._fail()
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            if result is not None or not self._complete:
                await self._fail(close=result is not None)

    async def _fail(self, *, close: bool = False) -> None:
        if self._left or self._complete:
            return
        if self._started or close:
            self._complete = True
            self._post(Ending.CUT)
        else:
            await self.send({"type": "http.response.start", "status": 500, "headers": _FAILED_HEADERS})
            await self.send({"type": "http.response.body", "body": _FAILED_BODY})

    async def receive(self) -> Message:
        """Return what the client sent next; once it has left or was answered, that it is gone."""
        while not self._asked and not self._left and not self._complete:
            self._news.clear()
            await self._news.wait()
        if self._left or self._complete:
            return {"type": "http.disconnect"}
        return self._asked.popleft()

    async def send(self, message: Message) -> None:
        """Send a piece of the answer; nothing happens when the client has left. Raise RuntimeError out of turn.

        It waits while too much is under way, or unread.
        """
        while self._unread_bytes > WINDOW_BYTES and not self._left:
            self._room.clear()
            await self._room.wait()
        if self._left:
            return
        kind, expected = message["type"], "http.response.body" if self._started else "http.response.start"
        if self._complete:
            raise RuntimeError(f"Unexpected ASGI message '{kind}' sent, after response already completed.")
        if kind != expected:
            raise RuntimeError(f"Expected ASGI message '{expected}', but got '{kind}'.")
        if not self._started:
            self._started = True
            self._post((message["status"], list(message.get("headers", ()))))
            return
        body = b"" if self._headless else bytes(message.get("body", b""))
        if body:
            self._post(body)
        if not message.get("more_body", False):
            self._complete = True
            self._news.set()
            self._post(Ending.COMPLETE)

    def _post(self, piece: _Piece) -> None:
        """Send a piece of the answer with whatever else is to be sent. Who posts it may end or be cancelled now.

        Raise HostDead when the host has lost power, or its world is over.
        """
        if self._loop.is_closed() or (self._life is not None and not self._life.alive):
            raise HostDead("the server of this answer is gone")
        self._outbox.append(piece)
        self._unread_bytes += len(piece) if isinstance(piece, bytes) else 0
        if self._pump is None:
            self._pump = self._loop.create_task(self._carry(), name="http answer")

    async def _carry(self) -> None:
        while self._outbox:
            pieces, self._outbox = self._outbox, []
            try:
                await self._way.back(*self._told(pieces))
            except OSError:
                self.client_left()
                self.end(Ending.RESET)
                break
            self._arrive(pieces)
        self._pump = None

    def _told(self, pieces: list[_Piece]) -> tuple[str, int]:
        """Put pieces of the answer on the trace; return what to call them, and how long they are."""
        body = b"".join(piece for piece in pieces if isinstance(piece, bytes))
        ending = pieces[-1].value if isinstance(pieces[-1], Ending) else ""
        head = pieces[0][0] if isinstance(pieces[0], tuple) else 0
        what = f"http {head or 'body'} {ending}".rstrip()
        self._record(what, body)
        return what, len(body) + (RESPONSE_HEAD_BYTES if head else 0)

    def _record(self, what: str, body: bytes) -> None:
        """Put a body on the trace; what has none is there as the network's packet."""
        if not body:
            return
        shown = body if len(body) <= BODY_SHOWN_BYTES_MAX else blake2b(body, digest_size=16).digest()
        self._loop.trace.record("http", what, shown)


def _expire(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)


class Lifespan:
    """The startup and the shutdown of an application, which need not know of either."""

    def __init__(self, app: App) -> None:
        self.state: dict[str, Any] = {}
        self.refusal: Exception | None = None
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[str] = asyncio.Queue()
        self._supported = True
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Start the application up. Raise SystemExit when it fails, as a server's process ends then."""
        self._task = asyncio.ensure_future(self._run())
        if await self._ask("startup") == "failed":
            sys.exit(STARTUP_FAILURE)

    async def shutdown(self) -> None:
        """Shut the application down."""
        if self._supported:
            await self._ask("shutdown")

    async def _ask(self, what: str) -> str:
        self._to_app.put_nowait({"type": f"lifespan.{what}"})
        return await self._from_app.get()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {**ASGI, "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._to_app.get, self._send)
        except Exception as error:
            # To raise is how an application says that it knows no lifespan. One that knows it says "failed" before.
            self.refusal = error
        finally:
            self._supported = False
            self._from_app.put_nowait("unsupported")

    async def _send(self, message: Message) -> None:
        self._from_app.put_nowait(message["type"].rpartition(".")[2])

"""Requests of httpx and its twin as messages from host to host, with the errors that they would have over TCP.

A way to the service is kept open for as long as httpx keeps a connection, and breaks like one: by a reset, or when one
of its ends lost power. Timeouts are those of the request.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from kelpie_sim.world.asgi import ASGI, WINDOW_BYTES, Ending, Exchange, Message
from kelpie_sim.world.host import current_host
from kelpie_sim.world.network.names import HARNESS

if TYPE_CHECKING:
    from kelpie_sim.world.http import HttpService

DEFAULT_PORTS = {"http": 80, "https": 443}
# What the buffers of a connection hold that nobody empties: the kernel's and asyncio's.
BUFFERED_BYTES = 2 * WINDOW_BYTES
# For so long httpx keeps a connection that nobody uses.
KEEP_ALIVE_SECONDS = 5.0


class Messages(Protocol):
    """What takes messages from host to host: the simulated network."""

    async def reach(self, from_host: str, to_host: str) -> int:
        """Connect to a host; return which of its lives answered. Raise OSError."""

    async def travel(
        self, from_host: str, to_host: str, what: str, size_bytes: int, *, incarnation: int | None = None
    ) -> None:
        """Return when a message has arrived at that life of a host. Raise OSError when it does not get through."""


@attrs.define(eq=False)
class _Way:
    """The way between a life of a client's host and one of the service's, like a connection that is kept open."""

    network: Messages
    client: str
    client_incarnation: int | None
    server: str
    server_incarnation: int
    used_s: float

    async def forth(self, what: str, size_bytes: int) -> None:
        """Take something to the server."""
        await self.network.travel(self.client, self.server, what, size_bytes, incarnation=self.server_incarnation)

    async def back(self, what: str, size_bytes: int) -> None:
        """Take something to the client."""
        await self.network.travel(self.server, self.client, what, size_bytes, incarnation=self.client_incarnation)


class _Transport:
    """A transport of httpx, or of its twin, that brings requests to a service by messages."""

    library: Any

    def __init__(self, service: HttpService) -> None:
        self._service = service
        self._ways: dict[str, _Way] = {}

    async def handle_async_request(self, request: Any) -> Any:
        """Return the answer as soon as its head is there."""
        timeouts = request.extensions.get("timeout") or {}
        library, read_seconds = self.library, timeouts.get("read")
        exchange = await self._sent(request, timeouts)
        waited_s = asyncio.get_running_loop().time() - exchange.written_s
        try:
            await exchange.head(None if read_seconds is None else read_seconds - waited_s)
        except TimeoutError as error:
            exchange.leave()
            raise library.ReadTimeout("", request=request) from error
        except BaseException:
            exchange.leave()
            raise
        if not exchange.status:
            raise _broken(library, exchange, request, "Server disconnected without sending a response.")
        stream = types_of(library.__name__).body(exchange, request, read_seconds)
        return library.Response(exchange.status, headers=exchange.headers, stream=stream, request=request)

    async def _sent(self, request: Any, timeouts: dict[str, float | None]) -> Exchange:
        """Connect and send the whole request.

        What fits into buffers is written at once, and goes on its way whatever the client does: the wait for it is one
        for the answer. Raise ConnectTimeout, ConnectError, WriteTimeout, ReadTimeout, ReadError.
        """
        library, service = self.library, self._service
        try:
            self._check_leads_to(request.url)
            way = self._open_way() or await self._connect(timeouts.get("connect"))
        except OSError as error:
            raise _lost(error, library.ConnectTimeout, library.ConnectError, request) from error
        exchange = Exchange(way, _scope(service, request, way.client))
        whole = isinstance(request.stream, library.ByteStream)
        body = b"".join(request.stream) if whole else b""
        buffered = whole and len(body) <= BUFFERED_BYTES
        try:
            await (self._ask_at_once if buffered else self._ask_in_time)(exchange, request, body, timeouts)
        except OSError as error:
            self._ways.pop(way.client, None)
            late = library.ReadTimeout if buffered else library.WriteTimeout
            raise _lost(error, late, library.ReadError, request) from error
        return exchange

    async def _ask_at_once(
        self, exchange: Exchange, request: Any, body: bytes, timeouts: dict[str, float | None]
    ) -> None:
        exchange.written_s = asyncio.get_running_loop().time()
        asking = exchange.asking = asyncio.ensure_future(self._ask(exchange, request, body, more=False))
        try:
            async with asyncio.timeout(timeouts.get("read")):
                await asyncio.shield(asking)
        except BaseException:
            exchange.leave()
            raise

    async def _ask_in_time(
        self, exchange: Exchange, request: Any, body: bytes, timeouts: dict[str, float | None]
    ) -> None:
        whole, write_seconds = bool(body), timeouts.get("write")
        async with asyncio.timeout(write_seconds):
            await self._ask(exchange, request, body, more=not whole)
        if not whole:
            await self._upload(exchange, request, write_seconds)
        exchange.written_s = asyncio.get_running_loop().time()

    async def _ask(self, exchange: Exchange, request: Any, body: bytes, more: bool) -> None:
        """Take the beginning of a request to the service. Raise OSError, ConnectError."""
        await exchange.ask(body, more)
        if not self._service.accept(exchange):
            await exchange.refuse()
            raise self.library.ConnectError("All connection attempts failed", request=request)

    def _check_leads_to(self, url: Any) -> None:
        service = self._service
        port = url.port or DEFAULT_PORTS.get(url.scheme)
        if (url.host, port, url.scheme == "https") != (service.host.name, service.port, service.tls):
            raise ConnectionRefusedError(f"this client leads to {service.base_url} only")

    def _open_way(self) -> _Way | None:
        """Return the way to the service that is kept open since its last use, if any."""
        client, life = _asker()
        way, now_s = self._ways.get(client), asyncio.get_running_loop().time()
        if way is None or way.client_incarnation != life or now_s > way.used_s + KEEP_ALIVE_SECONDS:
            return None
        way.used_s = now_s
        return way

    async def _connect(self, connect_seconds: float | None) -> _Way:
        """Open a way. Raise OSError."""
        service = self._service
        server = service.host.name
        client, life = _asker()
        async with asyncio.timeout(connect_seconds):
            answered = await service.network.reach(client, server)
        now_s = asyncio.get_running_loop().time()
        way = self._ways[client] = _Way(service.network, client, life, server, answered, now_s)
        return way

    async def _upload(self, exchange: Exchange, request: Any, write_seconds: float | None) -> None:
        try:
            async for chunk in request.stream:
                async with asyncio.timeout(write_seconds):
                    await exchange.upload(chunk, more=True)
            async with asyncio.timeout(write_seconds):
                await exchange.upload(b"", more=False)
        except BaseException:
            exchange.leave()
            raise


class _Body:
    """The body of an answer, as it comes."""

    library: Any

    def __init__(self, exchange: Exchange, request: Any, read_seconds: float | None) -> None:
        self._exchange = exchange
        self._request = request
        self._read_seconds = read_seconds

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        exchange = self._exchange
        try:
            chunk = await exchange.chunk(self._read_seconds)
        except TimeoutError as error:
            exchange.leave()
            raise self.library.ReadTimeout("", request=self._request) from error
        if chunk:
            return chunk
        if exchange.ending is Ending.COMPLETE:
            raise StopAsyncIteration
        what = "peer closed connection without sending complete message body (incomplete chunked read)"
        raise _broken(self.library, exchange, self._request, what)

    async def aclose(self) -> None:
        """Leave, unless the answer has ended."""
        self._exchange.leave()


def _asker() -> tuple[str, int | None]:
    """Return whose code runs: the name of its host, and which of its lives."""
    host = current_host()
    return (HARNESS, None) if host is None else (host.name, host.incarnation)


def _lost(error: OSError, late: Any, broken: Any, request: Any) -> Exception:
    kind, text = (late, "") if isinstance(error, TimeoutError) else (broken, str(error))
    return kind(text, request=request)  # type: ignore[no-any-return]


def _broken(library: Any, exchange: Exchange, request: Any, cut: str) -> Exception:
    if exchange.ending is Ending.CUT:
        return library.RemoteProtocolError(cut, request=request)  # type: ignore[no-any-return]
    return library.ReadError("", request=request)  # type: ignore[no-any-return]


@attrs.frozen
class _Types:
    transport: Callable[[HttpService], Any]
    body: Callable[[Exchange, Any, float | None], Any]


@cache
def types_of(library: str) -> _Types:
    """Return transport and body as subclasses of what the library asks for."""
    module: Any = importlib.import_module(library)
    made = {"library": module}
    return _Types(
        type("MessageTransport", (_Transport, module.AsyncBaseTransport), made),
        type("MessageBody", (_Body, module.AsyncByteStream), made),
    )


def _scope(service: HttpService, request: Any, client: str) -> Message:
    url = request.url
    return {
        "type": "http",
        "asgi": ASGI,
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.partition(b"?")[0],
        "root_path": "",
        "query_string": url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": (client, 0),
        "server": (service.host.name, service.port),
    }

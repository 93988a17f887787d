"""A gateway in front of an ASGI application, and what gateways and busy services do to requests.

The port "http" has one operation, `http_request`. Its faults are those of an intermediary or of a service under load:
they answer in place of the application, or spoil its answer. What happens to connections is the network's part.

    app = Gateway(app, world.faults, host)
"""

import asyncio

import attrs

from kelpie_sim.faults import Fault, FaultBoard, Verdict
from kelpie_sim.world.asgi import App, Message, Receive, Send
from kelpie_sim.world.host import Host

PORT = "http"
HTTP_REQUEST = "http_request"
OPERATIONS = frozenset((HTTP_REQUEST,))
_PIECE_BYTES = 65_536


@attrs.frozen(kw_only=True)
class HttpServerError(Fault):
    """The request is refused with `status`, and never reaches the application. Acts on `http_request`."""

    port = PORT
    status: int = 503


@attrs.frozen(kw_only=True)
class HttpRateLimited(Fault):
    """The request is refused with 429 and the time to wait before another. Acts on `http_request`."""

    port = PORT
    retry_after_s: int = 1


@attrs.frozen(kw_only=True)
class HttpTimeout(Fault):
    """Nothing answers; after `timeout_ms` the gateway gives up with 504. Acts on `http_request`."""

    port = PORT
    timeout_ms: int = 60_000


@attrs.frozen(kw_only=True)
class HttpAnswerLost(Fault):
    """The application does its work, and the client is told `status` all the same. Acts on `http_request`."""

    port = PORT
    status: int = 502


@attrs.frozen(kw_only=True)
class HttpResponseTooLarge(Fault):
    """The answer is followed by `extra_bytes` of blanks, which no reader of JSON minds. Acts on `http_request`."""

    port = PORT
    extra_bytes: int = 1_000_000


class Gateway:
    """An application behind a gateway on its host. The subject of a fault is the path of the request."""

    def __init__(self, app: App, board: FaultBoard, host: Host | None = None) -> None:
        self._app = app
        self._board = board
        self._host = host

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request on, unless a fault of the port strikes."""
        verdict = self._verdict(scope) if scope["type"] == "http" else None
        if verdict is None:
            await self._app(scope, receive, send)
            return
        verdict.fire()
        fault = verdict.fault
        if isinstance(fault, HttpResponseTooLarge):
            await self._app(scope, receive, _Padded(send, fault.extra_bytes).send)
        elif isinstance(fault, HttpAnswerLost):
            await self._app(scope, receive, _swallow)
            await _refuse(send, fault.status)
        elif isinstance(fault, HttpTimeout):
            await asyncio.sleep(fault.timeout_ms / 1_000)
            await _refuse(send, 504)
        elif isinstance(fault, HttpRateLimited):
            await _refuse(send, 429, (b"retry-after", b"%d" % fault.retry_after_s))
        elif isinstance(fault, HttpServerError):
            await _refuse(send, fault.status)

    def _verdict(self, scope: Message) -> Verdict | None:
        host = None if self._host is None else self._host.name
        return self._board.verdict(PORT, HTTP_REQUEST, host=host, subject=scope["path"])


class _Padded:
    """Sends an answer and then blanks; its length is left to the framing."""

    def __init__(self, send: Send, extra_bytes: int) -> None:
        self._send = send
        self._extra_bytes = extra_bytes

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"content-length"]
            await self._send({**message, "headers": headers})
            return
        last = not message.get("more_body", False)
        await self._send({**message, "more_body": True})
        if last:
            await self._pad()

    async def _pad(self) -> None:
        for start in range(0, self._extra_bytes, _PIECE_BYTES):
            piece = b" " * min(_PIECE_BYTES, self._extra_bytes - start)
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def _swallow(message: Message) -> None:
    """Take what the application sends, and tell nobody."""


async def _refuse(send: Send, status: int, *headers: tuple[bytes, bytes]) -> None:
    body = b"%d by the gateway" % status
    described = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": described})
    await send({"type": "http.response.body", "body": body, "more_body": False})

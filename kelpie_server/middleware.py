"""What happens to every request: a path without its trailing slash, an id, a line in the log."""

import re

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kelpie_core.ids import draw_uuid4
from kelpie_core.ports import Clock, Entropy
from kelpie_server.observed import Telemetry
from kelpie_server.request import Notes, notes_of

_log = structlog.get_logger(__name__)
_REQUEST_ID = re.compile(rb"[\w.-]{1,128}")


class TrailingSlash:
    """Serves a path with a slash at its end as the one without, with no redirect."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http":
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self._app(scope, receive, send)


class RequestLog:
    """Gives a request an id (the client's own, if it sent a decent one), answers with it, and tells how it went.

    The answer also says in whose name it was given: `user_id` and `organization_id`.
    """

    def __init__(self, app: ASGIApp, *, clock: Clock, entropy: Entropy, telemetry: Telemetry) -> None:
        self._app = app
        self._clock = clock
        self._entropy = entropy
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        notes = notes_of(scope)
        notes.request_id = self._request_id(scope)
        started_ns, status, streams = self._clock.monotonic_ns(), 0, 0

        async def send_on(message: Message) -> None:
            nonlocal status, streams
            if message["type"] == "http.response.start":
                status = message["status"]
                streams = int(_is_stream(message))
                self._telemetry.metrics.stream(streams)
                message = {**message, "headers": [*message["headers"], *_headers_of(notes)]}
            await send(message)

        attributes = {"request.id": notes.request_id, "http.request.method": scope["method"]}
        span = self._telemetry.spans.start("request", attributes, lasting=True)
        with structlog.contextvars.bound_contextvars(request_id=notes.request_id):
            try:
                await self._app(scope, receive, send_on)
            finally:
                seconds = (self._clock.monotonic_ns() - started_ns) / 1e9
                self._telemetry.metrics.stream(-streams)
                self._telemetry.metrics.request(scope["method"], notes.route, status, seconds)
                span.end(
                    {"http.route": notes.route, "http.response.status_code": status},
                    error=str(status) if status >= 500 or not status else None,
                )
                _tell(scope, notes, status, seconds)

    def _request_id(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                return str(value.decode())
        return draw_uuid4(self._entropy)


def _tell(scope: Scope, notes: Notes, status: int, seconds: float) -> None:
    who = {} if notes.actor is None else {"organization_id": notes.actor.organization_id}
    _log.info(
        "request",
        method=scope["method"],
        path=scope["path"],
        operation=notes.operation,
        status=status,
        took_ms=round(seconds * 1e3, 3),
        **who,
    )


def _headers_of(notes: Notes) -> list[tuple[bytes, bytes]]:
    headers = [(b"x-request-id", notes.request_id.encode())]
    if notes.actor is not None:
        headers.append((b"user_id", notes.actor.user_id.encode()))
        headers.append((b"organization_id", notes.actor.organization_id.encode()))
    return headers


def _is_stream(message: Message) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in message["headers"])

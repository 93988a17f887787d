"""What happens to every request: a path without its trailing slash, an id, a line in the log."""

import re

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kelpie_core.ids import draw_uuid4
from kelpie_core.ports import Clock, Entropy

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
    """Gives a request an id (the client's own, if it sent a decent one), answers with it, and logs how it went."""

    def __init__(self, app: ASGIApp, *, clock: Clock, entropy: Entropy) -> None:
        self._app = app
        self._clock = clock
        self._entropy = entropy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id = self._request_id(scope)
        started_ns, status = self._clock.monotonic_ns(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                took_ms = (self._clock.monotonic_ns() - started_ns) / 1e6
                _log.info("request", method=scope["method"], path=scope["path"], status=status, took_ms=took_ms)

    def _request_id(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                return str(value.decode())
        return draw_uuid4(self._entropy)

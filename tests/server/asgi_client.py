"""Driving an ASGI app by hand: what it sends is seen as it comes, and the client may go away at any moment."""

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.types import ASGIApp, Message, Scope


class Exchange:
    """One request. The app runs in a task of its own; `gone()` is the client hanging up."""

    def __init__(self, app: ASGIApp, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None):
        self.sent: asyncio.Queue[Message] = asyncio.Queue()
        self._received: asyncio.Queue[Message] = asyncio.Queue()
        self._received.put_nowait({"type": "http.request", "body": body, "more_body": False})
        self.task = asyncio.ensure_future(app(_scope(method, path, headers or {}), self._received.get, self.sent.put))

    def gone(self) -> None:
        """Hang up."""
        self._received.put_nowait({"type": "http.disconnect"})

    async def start(self) -> Message:
        """Return the status and headers."""
        return await self._next()

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the pieces of the body; raise what the app raises before its end."""
        while True:
            message = await self._next()
            if message["body"]:
                yield message["body"]
            if not message.get("more_body"):
                return

    async def _next(self) -> Message:
        getter = asyncio.ensure_future(self.sent.get())
        await asyncio.wait((getter, self.task), return_when=asyncio.FIRST_COMPLETED)
        if getter.done():
            return getter.result()
        getter.cancel()
        self.task.result()
        raise AssertionError("the app ended without ending its answer")


def _scope(method: str, path: str, headers: dict[str, str]) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


def post(app: ASGIApp, path: str, body: object) -> Exchange:
    """Return the exchange of a POST with a JSON body."""
    return Exchange(app, "POST", path, json.dumps(body).encode(), {"content-type": "application/json"})


def events_of(body: bytes) -> list[tuple[str | None, object]]:
    """Return the events of a stream as (name, data); the last is (None, "[DONE]")."""
    events: list[tuple[str | None, object]] = []
    for block in body.decode().removesuffix("\n\n").split("\n\n"):
        *names, data = block.split("\n")
        text = data.removeprefix("data: ")
        name = names[0].removeprefix("event: ") if names else None
        events.append((name, text if text == "[DONE]" else json.loads(text)))
    return events

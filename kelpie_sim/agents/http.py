"""HTTP at message level: a client's request runs the production app on the server's host, piece by piece.

No bytes of TCP, but host identity, crashes, streaming and faults are kept: an answer on its way dies with its host, and
an app that breaks off leaves a body without an end, as a cut connection does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping

import attrs
import msgspec
import structlog
from starlette.types import Message as AsgiMessage

from kelpie_core.json_types import JsonObject, JsonValue
from kelpie_core.kelpie import Kelpie
from kelpie_sim.agents.cluster import Server

DONE = "[DONE]"
JSON = "application/json"
_BOUNDARY = "kelpie-simulated-form"

Piece = Callable[[bytes], Awaitable[None]]


def _drop(logger: object, name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Say nothing: what the app logs under harm is the harm, and a campaign would print it by the thousand."""
    raise structlog.DropEvent


structlog.configure(processors=[_drop])


class Cut(Exception):
    """The connection broke before the answer had begun."""


@attrs.define(eq=False)
class Answer:
    """What a client got. Without `complete` the body broke off."""

    status: int = 0
    body: bytes = b""
    complete: bool = False
    headers: dict[str, str] = attrs.field(factory=dict)

    def json(self) -> JsonValue:
        """Return the body as JSON."""
        return msgspec.json.decode(self.body)

    def events(self) -> list[JsonObject]:
        """Return the events of a stream, [DONE] as an empty object at its place."""
        return list(_events(self.body))


async def request(
    server: Server,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    content_type: str = JSON,
    headers: Mapping[str, str] | None = None,
    heard: Piece | None = None,
    hang_up: asyncio.Event | None = None,
) -> Answer:
    """Return the server's answer, each piece of its body given to `heard` as it comes; raise ServerGone, Cut.

    Once `hang_up` is set the client has gone.
    """
    answer = Answer()

    async def work(kelpie: Kelpie) -> None:
        asked = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> AsgiMessage:
            message = next(asked, None)
            if message is None:
                await (hang_up or asyncio.Event()).wait()
            return message or {"type": "http.disconnect"}

        async def send(message: AsgiMessage) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message.get("headers", ())}
                return
            answer.body += message.get("body", b"")
            answer.complete = not message.get("more_body", False)
            if heard is not None:
                await heard(message.get("body", b""))

        try:
            await server.app(_scope(method, path, {"content-type": content_type, **(headers or {})}), receive, send)
        except Exception as error:
            server.cluster.world.story(f"the connection is cut: {type(error).__name__}")

    await server.call(work)
    if not answer.status:
        raise Cut(path)
    return answer


def json_of(value: JsonObject) -> bytes:
    """Return the bytes of a JSON body."""
    return msgspec.json.encode(value)


def form_of(file: bytes) -> tuple[bytes, str]:
    """Return the body and the content type of a form with one file."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="agent.af"\r\n\r\n'
    return head.encode() + file + f"\r\n--{_BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={_BOUNDARY}"


def _scope(method: str, path: str, headers: Mapping[str, str]) -> dict[str, object]:
    route, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": route,
        "raw_path": route.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"kelpie"), *((name.encode(), value.encode()) for name, value in headers.items())],
        "client": ("client", 1),
        "server": ("kelpie", 8283),
    }


def _events(body: bytes) -> Iterator[JsonObject]:
    for line in body.decode().split("\n"):
        name, _, data = line.partition(": ")
        if name == "data":
            yield {} if data == DONE else msgspec.json.decode(data)

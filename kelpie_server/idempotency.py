"""Requests that may be sent again: `Idempotency-Key` makes the second attempt find what the first one did.

All ids that such a request draws come from its key, together with who asks, the method, the path and the body. So a
repetition draws the same ids, finds under them what is stored, and answers it: after a crash, on another replica, at
any time. Nothing has to be kept, and a key used for something else is another key.
"""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive

from kelpie_core.keyed_entropy import KeyedEntropy, key_of
from kelpie_server.request import config_of, kelpie_of, notes_of, read_body

Handler = Callable[[Request], Awaitable[Response | ASGIApp]]

KEY_CHARS_MAX = 256
# Their services look for their own ids before they store anything.
IDEMPOTENT = frozenset(
    (
        "agents.create",
        "agents.messages.create",
        "agents.messages.create_async",
        "agents.messages.stream",
        "blocks.create",
        "conversations.create",
        "conversations.fork",
        "conversations.messages.create",
        "tools.create",
        "tools.upsert",
    )
)


def idempotent(handler: Handler) -> Handler:
    """Return a handler that answers a repeated request, by its header Idempotency-Key, as the first one."""

    async def handle(request: Request) -> Response | ASGIApp:
        key = request.headers.get("idempotency-key")
        if not key:
            return await handler(request)
        if len(key) > KEY_CHARS_MAX:
            raise HTTPException(400, f"an Idempotency-Key has at most {KEY_CHARS_MAX} characters")
        body = await read_body(request, config_of(request).body_bytes_max)
        _draw_from_key(request, key, body)
        return await handler(Request(request.scope, _again(body, request.receive)))

    return handle


def _draw_from_key(request: Request, key: str, body: bytes) -> None:
    kelpie, scope = kelpie_of(request), request.scope
    who = (kelpie.actor.organization_id, kelpie.actor.user_id)
    asked = (scope["method"], scope["path"])
    texts = [text.encode("utf-8", "surrogateescape") for text in (*who, *asked, key)]
    notes_of(scope).entropy = KeyedEntropy(key_of(*texts, scope["query_string"], body), kelpie.ports.entropy)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read already, and then what really comes."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay

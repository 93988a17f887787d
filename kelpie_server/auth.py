"""Who asks: a token opens its organization, headers pick the user in it. Without tokens everybody may do everything.

Whatever a request may read or change is found through the actor's organization (kelpie_core/service/owned.py), so all
that is decided here is the actor.
"""

from collections.abc import Mapping, Sequence

import attrs
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from kelpie_core.ids import is_id
from kelpie_core.model.actor import Actor
from kelpie_server.errors import answer_of
from kelpie_server.request import notes_of
from kelpie_server.tokens import Token, find_actor

# Who asks whether the server lives, or what it can do, needs no token; the answers are the same for everybody.
OPEN_PATHS = frozenset(("/v1/health", "/v1/ready", "/openapi.json", "/v1/openapi.json", "/docs"))
METRICS_PATH = "/metrics"
_BARE = "password "


class Access:
    """Lets a request pass in the name of who asks, or answers 401, 400 for a malformed id, 403 for a foreign one."""

    def __init__(self, app: ASGIApp, *, tokens: Sequence[Token], default: Actor, open_paths: frozenset[str]) -> None:
        self._app = app
        self._tokens = tuple(tokens)
        self._default = default
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["path"] not in self._open_paths:
            try:
                notes_of(scope).actor = self._actor_of(Headers(scope=scope))
            except HTTPException as error:
                return await answer_of(error)(scope, receive, send)
        await self._app(scope, receive, send)

    def _actor_of(self, headers: Mapping[str, str]) -> Actor:
        actor = self._default
        if self._tokens:
            found = find_actor(self._tokens, token_of(headers))
            if found is None:
                raise HTTPException(401, "Unauthorized", {"www-authenticate": "Bearer"})
            actor = found
        organization_id = _id_in(headers, "organization_id", "org") or actor.organization_id
        if self._tokens and organization_id != actor.organization_id:
            raise HTTPException(403, "the token is of another organization than the header organization_id names")
        return attrs.evolve(
            actor, organization_id=organization_id, user_id=_id_in(headers, "user_id", "user") or actor.user_id
        )


def token_of(headers: Mapping[str, str]) -> str:
    """Return the token that a request bears, empty if none: as a bearer, or as older clients send it."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    bare = headers.get("x-bare-password", "")
    return bare.removeprefix(_BARE).strip() if bare.startswith(_BARE) else ""


def _id_in(headers: Mapping[str, str], name: str, prefix: str) -> str | None:
    value = headers.get(name)
    if value is not None and not is_id(prefix, value):
        raise HTTPException(400, f"{name} must have the form {prefix}-<uuid4>, got {value[:80]!r}")
    return value

"""What handlers take from a request and give back: the Kelpie to call, the body, the query, an answer."""

from collections.abc import Mapping

import attrs
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from kelpie_core.ids import check_id
from kelpie_core.json_types import JsonObject, JsonValue
from kelpie_core.kelpie import Kelpie
from kelpie_core.model.actor import Actor
from kelpie_core.ports import Entropy
from kelpie_core.wire.letta_fields import decoded
from kelpie_core.wire.letta_query import Query
from kelpie_server.config import Config

UNMATCHED = "unmatched"
_NOTES = "kelpie.notes"


def config_of(request: Request) -> Config:
    """Return the settings of the server."""
    config: Config = request.app.state.config
    return config


@attrs.define(eq=False, kw_only=True)
class Notes:
    """What is found out about a request on its way in: for its handler, the log and the metrics.

    `route` is the path's template. `entropy` is there if the request may be sent again under its own key.
    """

    request_id: str = ""
    route: str = UNMATCHED
    operation: str | None = None
    actor: Actor | None = None
    entropy: Entropy | None = None


def notes_of(scope: Scope) -> Notes:
    """Return the notes of a request; there are some from the first call on."""
    notes: Notes = scope.setdefault(_NOTES, Notes())
    return notes


def kelpie_of(request: Request) -> Kelpie:
    """Return Kelpie in the name of who asks, with the request's own entropy if it has one."""
    kelpie: Kelpie = request.app.state.kelpie
    notes = notes_of(request.scope)
    if notes.entropy is None and notes.actor in (None, kelpie.actor):
        return kelpie
    return kelpie.acting_as(notes.actor or kelpie.actor, entropy=notes.entropy)


def id_in_path(request: Request, name: str, prefix: str) -> str:
    """Return an id that stands in the path; raise InvalidInput if it is malformed."""
    return check_id(prefix, request.path_params[name], path=f"$.{name}")


def agent_id_of(request: Request) -> str:
    """Return the agent's id that stands in the path; raise InvalidInput if it is malformed."""
    return id_in_path(request, "agent_id", "agent")


def query_of(request: Request) -> Query:
    """Return the query string."""
    return {name: request.query_params.getlist(name) for name in request.query_params}


async def body_of(request: Request) -> JsonObject:
    """Return the JSON object in the body; raise InvalidInput, HTTPException if it is too big."""
    return decoded(await read_body(request, config_of(request).body_bytes_max))


async def read_body(request: Request, bytes_max: int) -> bytes:
    """Return the body; raise HTTPException as soon as it is known to be bigger than `bytes_max`."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > bytes_max:
        raise _too_big(bytes_max)
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            chunks.append(chunk)
            size += len(chunk)
            if size > bytes_max:
                raise _too_big(bytes_max)
    except ClientDisconnect as error:
        raise HTTPException(400, "the body broke off") from error
    return b"".join(chunks)


def answer(
    value: JsonValue | list[JsonObject], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSON answer."""
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def _too_big(bytes_max: int) -> HTTPException:
    # What is left of the body is not read, so the connection cannot serve another request.
    return HTTPException(413, f"the body has more than {bytes_max} bytes", {"connection": "close"})

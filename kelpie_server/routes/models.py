"""Which language models and embedders there are."""

from starlette.requests import Request
from starlette.responses import Response

from kelpie_core.errors import NotFound
from kelpie_core.json_types import JsonObject
from kelpie_core.wire.letta_model import ECHO, ModelEntry, hashing_embedder_json, model_json
from kelpie_core.wire.letta_query import Query
from kelpie_server.request import answer, kelpie_of, query_of
from kelpie_server.world.language_model.models import models_behind

_FILTERS = ("provider_category", "provider_name", "provider_type")


async def list_(request: Request) -> Response:
    """Return the builtin model and those of the providers."""
    models = models_behind(kelpie_of(request).ports.model)
    listed = () if models is None else await models.listed()
    entries = [
        ModelEntry(
            handle=one.handle, provider_type=one.wire_type, context_tokens=one.context_tokens, endpoint=one.base_url
        )
        for one in listed
    ]
    query = query_of(request)
    return answer([model for entry in (ECHO, *entries) if _is_wanted(model := model_json(entry), query)])


async def check_model(request: Request, handle: str) -> None:
    """Raise NotFound for a handle that the server is sure not to have. An llm_config needs no check: it says where."""
    models = models_behind(kelpie_of(request).ports.model)
    if models is not None and not await models.known(handle):
        raise NotFound("model", handle)


async def list_embedders(request: Request) -> Response:
    """Return the builtin embedder."""
    return answer([hashing_embedder_json()])


def _is_wanted(model: JsonObject, query: Query) -> bool:
    return all(name not in query or model[name] in query[name] for name in _FILTERS)

"""Models over HTTP."""

import pytest
from letta_client.types import EmbeddingModel, Model
from starlette.requests import Request

from kelpie_core.errors import NotFound
from kelpie_server.config import Config
from kelpie_server.routes.models import check_model
from kelpie_server.world.language_model.catalogue import ListedModel
from kelpie_server.world.language_model.models import Models
from tests.core.wire.letta_samples import read_by_sdk
from tests.server.far_sides import World, in_world


class Shelf(Models):
    """Models of a provider whose list is known."""

    async def listed(self) -> tuple[ListedModel, ...]:
        """Return one model."""
        entry = ListedModel(provider="vllm", wire_type="vllm", name="m", context_tokens=9, base_url="http://h/v1")
        return (entry,)


def handles_of(query: str, model: Models | None = None) -> list[str]:
    """Return the handles that are listed."""

    async def test(world: World) -> list[str]:
        answer = await world.http.get(f"/v1/models{query}")
        return [str(read_by_sdk(Model, one).handle) for one in answer.json()]

    return in_world(test, model)


def test_list():
    """The builtin model comes first, then what the providers have."""
    assert ["kelpie/echo", "vllm/m"] == handles_of("/", Shelf(Config()))
    assert ["kelpie/echo"] == handles_of("/", Models(Config()))


def test_model_that_knows_no_list():
    """A server whose model is given from outside lists the builtin one."""
    assert ["kelpie/echo"] == handles_of("")


@pytest.mark.parametrize(
    ("query", "handles"),
    [
        ("?provider_name=vllm", ["vllm/m"]),
        ("?provider_type=letta", ["kelpie/echo"]),
        ("?provider_category=base&provider_category=byok", ["kelpie/echo", "vllm/m"]),
        ("?provider_category=byok", []),
    ],
)
def test_filters(query, handles):
    """A list can be narrowed by provider, its kind and its category."""
    assert handles == handles_of(query, Shelf(Config()))


def test_embedders():
    """The builtin embedder is listed."""

    async def test(world: World) -> list[str]:
        answer = await world.http.get("/v1/models/embedding")
        return [str(read_by_sdk(EmbeddingModel, one).handle) for one in answer.json()]

    assert ["kelpie/hashing"] == in_world(test)


@pytest.mark.parametrize(
    ("handle", "error"), [("kelpie/echo", None), ("letta/auto", None), ("openai/gpt-4o", "NotFound")]
)
def test_models_that_nobody_has(handle, error):
    """A model is refused only if the server is sure not to have it, and never where its model came from outside."""

    async def test(world: World) -> str | None:
        scope = {"type": "http", "app": world.app, "headers": []}
        try:
            await check_model(Request(scope), handle)
        except NotFound as refusal:
            return type(refusal).__name__
        return None

    assert [error, None] == [in_world(test, Models(Config())), in_world(test)]

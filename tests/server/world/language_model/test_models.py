"""Handles to the providers that have the model."""

import asyncio
from collections.abc import AsyncIterator

import attrs
import pytest

from kelpie_core.echo_model import EchoModel
from kelpie_core.errors import ModelError
from kelpie_core.ports import LanguageModel, ModelChunk, ModelFinished, ModelRequest, TextDelta
from kelpie_server.config import Config
from kelpie_server.world.language_model import models as module
from kelpie_server.world.language_model.anthropic_sdk import AnthropicSdk
from kelpie_server.world.language_model.chat_endpoint import ChatEndpoint
from kelpie_server.world.language_model.models import Models, models_behind
from kelpie_server.world.language_model.openai_sdk import OpenAISdk
from tests.server.world.language_model.samples import request, user
from tests.server.world.language_model.wire_server import document, events, serving

KEY = "sk-1234567"
ANSWER = events({"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]})


async def gathered(models, asked):
    """Return what the model says."""
    try:
        return "".join([chunk.text async for chunk in models.stream(asked) if isinstance(chunk, TextDelta)])
    finally:
        await models.aclose()


def ask(model, llm_config=None, *, configured="ollama", **settings):
    """Return what is said, and the path and the key that the server saw; `{url}` is the server's address."""

    async def run():
        async with serving(ANSWER) as (server, url):
            setup = {f"{configured}_base_url": f"{url}/configured/v1"} if configured else {}
            models = Models(Config(**setup, **settings))  # type: ignore[arg-type]
            config = llm_config and {k: v.format(url=url) if isinstance(v, str) else v for k, v in llm_config.items()}
            said = await gathered(models, request(user("hello"), model=model, llm_config=config))
            return said, *((line.split(" ")[1], headers.get("authorization")) for line, headers, _ in server.asked)

    return asyncio.run(run())


CONFIGURED = ("hi", ("/configured/v1/chat/completions", None))
OWN = {"model_endpoint": "{url}/own/v1"}
BROUGHT = ("hi", ("/own/v1/chat/completions", None))


@pytest.mark.parametrize("handle", ["kelpie/echo", "letta/auto", "letta/auto-fast", None])
def test_echo(handle):
    """The builtin model answers to its name, and for what resolves to the default."""
    assert ("echo: hello",) == ask(handle, configured=None)


def test_default():
    """The default is what the operator says, at the moment of the call."""
    assert CONFIGURED == ask("letta/auto", model_default="ollama/m")


@pytest.mark.parametrize(
    ("handle", "config", "settings", "expected"),
    [
        ("ollama/m", None, {}, CONFIGURED),
        ("ollama/m", OWN, {}, BROUGHT),
        ("ollama/m", OWN, {"model_endpoints_of_agents": False}, CONFIGURED),
        ("vllm/m", OWN, {}, BROUGHT),
        ("openai-proxy/m", OWN, {}, BROUGHT),
        ("openai/m", OWN, {}, BROUGHT),
    ],
)
def test_addresses(handle, config, settings, expected):
    """What people run themselves is asked where the agent says, else where the operator says."""
    assert expected == ask(handle, config, **settings)


def test_provider_that_is_set_up_goes_before_the_agent():
    """An old agent's address does not lead OpenAI's models elsewhere; the key goes to its own address only."""
    configured = ("hi", ("/configured/v1/chat/completions", f"Bearer {KEY}"))
    assert configured == ask("openai/m", OWN, configured="openai", openai_api_key=KEY)
    assert configured == ask("openai-proxy/m", None, configured="openai", openai_api_key=KEY)
    assert BROUGHT == ask("openai-proxy/m", OWN, configured="openai", openai_api_key=KEY)
    same = {"model_endpoint": "{url}/configured/v1"}
    assert configured == ask("openai-proxy/m", same, configured="openai", openai_api_key=KEY)


@pytest.mark.parametrize(
    ("handle", "config", "settings"),
    [
        ("openai/gpt-4o", {"model_endpoint": "https://api.openai.com/v1"}, {}),
        ("openai/gpt-4o", None, {}),
        ("anthropic/claude", OWN, {}),
        ("vllm/m", OWN, {"model_endpoints_of_agents": False}),
        ("gpt-4o", OWN, {}),
        ("letta/auto", None, {"model_default": None}),
        ("letta/auto", None, {"model_default": "letta/auto"}),
        (None, None, {"model_default": ""}),
    ],
)
def test_handles_that_lead_nowhere(handle, config, settings):
    """A model that nobody has is an error, at once, and no other model answers in its place."""
    with pytest.raises(ModelError) as failure:
        ask(handle, config, **settings)
    assert ("llm_bad_request", False) == (failure.value.kind, failure.value.retriable)


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        ({"ollama_base_url": "http://h"}, [ChatEndpoint]),
        ({"openai_api_key": KEY}, [OpenAISdk]),
        ({"openai_base_url": "http://h/v1"}, [ChatEndpoint]),
        ({"anthropic_api_key": KEY}, [AnthropicSdk]),
        ({}, []),
    ],
)
def test_who_asks(settings, kinds):
    """OpenAI and Anthropic are asked through their SDKs, all else directly; what is not set up is not loaded."""
    assert kinds == [type(adapter) for adapter in Models(Config(**settings))._adapters.values()]


def test_without_the_extras(monkeypatch):
    """Where the SDKs are not installed OpenAI is asked directly, and Anthropic's models say what is missing."""
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert [ChatEndpoint] == [type(each) for each in Models(Config(openai_api_key=KEY))._adapters.values()]
    with pytest.raises(ModelError, match=r"anthropic needs the extra kelpie\[anthropic\]") as failure:
        ask("anthropic/claude", configured=None, anthropic_api_key=KEY)
    assert False is failure.value.retriable


@pytest.mark.parametrize(
    ("handle", "known"),
    [
        ("kelpie/echo", True),
        ("letta/auto", True),
        ("ollama/m", True),
        ("ollama/z", False),
        ("openai/gpt-4o", False),
        ("gpt-4o", False),
    ],
)
def test_known(handle, known):
    """An agent may have the builtin model, the default, and what a provider lists."""

    async def run():
        async with serving(document({"data": [{"id": "m"}]})) as (_, url):
            models = Models(Config(ollama_base_url=url))
            try:
                return await models.known(handle)
            finally:
                await models.aclose()

    assert known == asyncio.run(run())


def test_known_without_providers():
    """With nothing set up only the builtin model is known, and without a default not even letta/auto."""
    models = Models(Config(model_default=None))
    handles = ("kelpie/echo", "letta/auto", "openai/gpt-4o")
    assert [True, False, False] == [asyncio.run(models.known(handle)) for handle in handles]


def test_known_while_the_provider_is_down():
    """A provider that cannot be reached may have the model: nobody is refused for that."""
    models = Models(Config(ollama_base_url="http://127.0.0.1:1"))

    async def run():
        try:
            return await models.known("ollama/m"), await models.listed()
        finally:
            await models.aclose()

    assert (True, ()) == asyncio.run(run())


def test_list():
    """What the providers list is listed; without providers nothing is."""

    async def run():
        async with serving(document({"data": [{"id": "m"}]})) as (_, url):
            models = Models(Config(ollama_base_url=url))
            try:
                return [model.handle for model in await models.listed()]
            finally:
                await models.aclose()

    assert ["ollama/m"] == asyncio.run(run())
    assert () == asyncio.run(Models(Config()).listed())


def test_silent_model():
    """A model that gives no first piece in the time that the operator grants is given up."""

    async def run():
        hanging = attrs.evolve(ANSWER, pieces=(), hangs=True)
        async with serving(hanging) as (_, url):
            models = Models(Config(ollama_base_url=url, model_first_seconds=0.05))
            await gathered(models, request(user("hello"), model="ollama/m"))

    with pytest.raises(ModelError, match=r"gave no first piece within 0\.05 s"):
        asyncio.run(run())


def test_thoughts_belong_to_their_provider():
    """What was thought is this provider's if the message's model is, by whatever handle."""
    models = Models(Config(model_default="ollama/m"))
    handles = ("ollama/other", "letta/auto", "openai/m", None)
    assert [True, True, False, True] == [models._is_of("ollama", handle) for handle in handles]
    assert False is Models(Config(model_default=None))._is_of("ollama", None)


@attrs.frozen
class Watching:
    """A model that stands before another."""

    inner: LanguageModel

    def stream(self, asked: ModelRequest) -> AsyncIterator[ModelChunk]:
        """Yield what the other says."""
        return self.inner.stream(asked)


def test_models_are_found_behind_what_watches_them():
    """Who stands before the models does not hide them."""
    models = Models(Config())
    assert models is models_behind(Watching(Watching(models)))
    assert None is models_behind(Watching(EchoModel()))


def test_stream_ends_with_its_end():
    """The last chunk is the end, with what was used."""

    async def run():
        return [chunk async for chunk in Models(Config()).stream(request(user("a b"), model="kelpie/echo"))][-1]

    assert isinstance(asyncio.run(run()), ModelFinished)

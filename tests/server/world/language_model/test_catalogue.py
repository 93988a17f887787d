"""Which models the providers have."""

import asyncio

import httpx2
import pytest

from kelpie_server.config import Config
from kelpie_server.world.language_model import catalogue
from kelpie_server.world.language_model.catalogue import Catalogue, context_tokens_of
from kelpie_server.world.language_model.providers import providers_of
from tests.server.world.language_model.wire_server import Reply, document, serving

LISTED = document(
    {"object": "list", "data": [{"id": "a", "max_model_len": 9}, {"id": "models/b:latest"}, {"id": 7}, 8]}
)
KEY = "sk-1234567"


async def asked(test, *replies, **settings):
    """Return what `test` gives, called with a catalogue of an Ollama that answers so, and its server."""
    async with serving(*replies) as (server, url), httpx2.AsyncClient(trust_env=False, verify=False) as client:
        known = providers_of(Config(**{"ollama_base_url": url, **{k: v.format(url=url) for k, v in settings.items()}}))
        shelf = Catalogue(known, lambda base_url: client)
        try:
            return await test(shelf, server)
        finally:
            await shelf.aclose()


def test_list():
    """The entries that can be read are listed, with what they say of their window."""

    async def test(shelf, server):
        return [(each.handle, each.wire_type, each.context_tokens) for each in await shelf.models()]

    assert [("ollama/a", "ollama", 9), ("ollama/b:latest", "ollama", 32_768)] == asyncio.run(asked(test, LISTED))


def test_lists_are_asked_for_once():
    """All who ask at once, and soon after, wait for one question."""

    async def test(shelf, server):
        await asyncio.gather(*(shelf.models() for _ in range(9)), shelf.has("ollama/a"))
        await shelf.models()
        return [line for line, _, _ in server.asked]

    assert ["GET /v1/models"] == asyncio.run(asked(test, LISTED))


def test_old_lists_are_asked_for_again(monkeypatch):
    """After a while the list is asked for anew; if nobody answers then, what was known still counts."""
    monkeypatch.setattr(catalogue, "FRESH_SECONDS", -1)

    async def test(shelf, server):
        return [len(await shelf.models()) for _ in range(3)], await shelf.has("ollama/a"), await shelf.has("ollama/z")

    assert ([2, 2, 2], True, False) == asyncio.run(asked(test, LISTED, Reply(status=500), Reply(ends=False)))


@pytest.mark.parametrize(
    ("handle", "has"),
    [
        ("ollama/a", True),
        ("ollama/b", True),
        ("ollama/z", False),
        ("ollama/", False),
        ("openai/a", False),
        ("a", False),
    ],
)
def test_has(handle, has):
    """A provider has what it lists, and nobody has what is nobody's."""

    async def test(shelf, server):
        return await shelf.has(handle)

    assert has == asyncio.run(asked(test, LISTED))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=404),
        Reply(ends=False),
        Reply(pieces=(b"garbage",)),
        document({"data": "none"}),
        document([]),
        document({"data": []}),
        Reply(hangs=True),
    ],
    ids=["no list", "cut", "garbage", "data is no list", "no object", "empty", "silence"],
)
def test_provider_that_does_not_tell(reply, monkeypatch):
    """Of a provider without a list that can be read, any model may exist, and nobody waits for long."""
    monkeypatch.setattr(catalogue, "ASK_SECONDS", 0.05)

    async def test(shelf, server):
        return await shelf.models(), await shelf.has("ollama/any")

    assert ((), True) == asyncio.run(asked(test, reply))


def test_list_without_an_end(monkeypatch):
    """A list that is too long is none."""
    monkeypatch.setattr(catalogue, "BODY_BYTES_MAX", 10)

    async def test(shelf, server):
        return await shelf.models()

    assert () == asyncio.run(asked(test, LISTED))


@pytest.mark.parametrize(
    ("name", "talks"),
    [("gpt-4o", True), ("o3", True), ("text-embedding-3-small", False), ("whisper-1", False), ("gpt-4o-audio", False)],
)
def test_openai_lists_more_than_can_talk(name, talks):
    """Of OpenAI's list only what holds a conversation is listed; the lists of others are taken as they are."""
    providers = providers_of(Config(openai_api_key=KEY, ollama_base_url="http://h"))
    assert (talks, True) == tuple(catalogue._talks(providers[each], name) for each in ("openai", "ollama"))


def test_keys_go_with_the_question():
    """A provider with a key is asked with it."""

    async def test(shelf, server):
        await shelf.models()
        return [headers.get("authorization") for _, headers, _ in server.asked]

    told = asyncio.run(asked(test, LISTED, vllm_base_url="{url}", vllm_api_key=KEY))
    assert [f"Bearer {KEY}", None] == sorted(told, key=str, reverse=False)


def test_anthropic_is_asked_in_its_own_way():
    """Anthropic's list has its own path and version, and models that are retired are gone."""
    reply = document({"data": [{"id": "claude-x", "max_input_tokens": 5}, {"id": "claude-0", "lifecycle": "retired"}]})

    async def test(shelf, server):
        listed = [(each.name, each.context_tokens) for each in await shelf.models() if each.provider == "anthropic"]
        ((line, headers),) = [(line, headers) for line, headers, _ in server.asked if "limit" in line]
        return listed, line, headers["authorization"], "anthropic-version" in headers

    settings = {"anthropic_base_url": "{url}", "anthropic_api_key": KEY}
    expected = ([("claude-x", 5)], "GET /v1/models?limit=1000", f"Bearer {KEY}", True)
    assert expected == asyncio.run(asked(test, reply, **settings))


@pytest.mark.parametrize(
    ("name", "item", "tokens"),
    [
        ("gpt-4o-mini", {}, 128_000),
        ("gpt-4", {}, 8_192),
        ("gpt-4-0613", {}, 8_192),
        ("gpt-4-turbo", {}, 128_000),
        ("gpt-4.1-mini", {}, 1_047_576),
        ("gpt-5-chat-latest", {}, 128_000),
        ("gpt-5-mini", {}, 400_000),
        ("o3-mini", {}, 200_000),
        ("gpt-3.5-turbo", {}, 16_385),
        ("anthropic/claude-sonnet", {}, 200_000),
        ("llama3", {}, 32_768),
        ("llama3", {"context_length": 4_096}, 4_096),
        ("llama3", {"meta": {"n_ctx_train": 8_192}}, 8_192),
        ("llama3", {"max_model_len": "much", "meta": []}, 32_768),
    ],
)
def test_windows(name, item, tokens):
    """How much a model reads is what its list says, else what is known, else a cautious guess."""
    assert tokens == context_tokens_of(name, item)

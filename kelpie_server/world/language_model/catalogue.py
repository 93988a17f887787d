"""Which models the providers have: asked of each for its list, bounded, remembered for a while.

A provider that does not answer keeps nobody waiting and takes nothing away: what it had last still counts, and as long
as its list is unknown, any model of it may exist.
"""

import asyncio
import re
from collections.abc import Mapping

import attrs
import httpx2
import msgspec

from kelpie_core.json_types import JsonObject
from kelpie_server.world.language_model.calls import ClientFor
from kelpie_server.world.language_model.json_body import decoded
from kelpie_server.world.language_model.providers import Provider, split

ASK_SECONDS = 3.0
FRESH_SECONDS = 60.0
MODELS_MAX = 2_000
BODY_BYTES_MAX = 8 * 1024 * 1024
ANTHROPIC_VERSION = "2026-10-21"
CONTEXT_TOKENS_DEFAULT = 32_768
# Fields in which servers tell how much a model can read.
_WINDOW_FIELDS = ("max_model_len", "context_length", "max_context_length", "context_window", "max_input_tokens")
# What OpenAI's and Anthropic's lists do not tell. The first row that fits decides.
_WINDOWS = (
    (r"gpt-4\.1", 1_047_576),
    (r"gpt-5-chat", 128_000),
    (r"gpt-5", 400_000),
    (r"o\d", 200_000),
    (r"gpt-4-32k", 32_768),
    (r"gpt-4-(\d{4}-preview|turbo)", 128_000),
    (r"gpt-4($|-\d{4})", 8_192),
    (r"gpt-3\.5", 16_385),
    (r"gpt-|chatgpt", 128_000),
    (r"claude", 200_000),
)
# What stands in OpenAI's list and cannot hold a conversation.
_NO_CHAT = re.compile(
    r"embedding|whisper|tts|dall-e|image|audio|realtime|transcribe|moderation|davinci|babbage|search|instruct|sora"
    r"|computer-use|deep-research"
)


@attrs.frozen(kw_only=True)
class ListedModel:
    """A model that a provider has."""

    provider: str
    wire_type: str
    name: str
    context_tokens: int
    base_url: str | None = None

    @property
    def handle(self) -> str:
        """By what agents name it."""
        return f"{self.provider}/{self.name}"


@attrs.define(eq=False)
class _Shelf:
    """What is known of one provider. `names` is None as long as its list has never been read."""

    models: tuple[ListedModel, ...] = ()
    names: frozenset[str] | None = None
    asked_s: float | None = None
    asking: "asyncio.Task[None] | None" = None


class Catalogue:
    """The models of these providers."""

    def __init__(self, providers: Mapping[str, Provider], client_for: ClientFor) -> None:
        self._providers = providers
        self._client_for = client_for
        self._shelves = {name: _Shelf() for name in providers}

    async def models(self) -> tuple[ListedModel, ...]:
        """Return what the providers are known to have, in the order of the providers."""
        await asyncio.gather(*map(self._refreshed, self._shelves))
        return tuple(model for shelf in self._shelves.values() for model in shelf.models)

    async def has(self, handle: str) -> bool:
        """Return whether a model may exist: False only if its provider is not set up, or lists others and not it."""
        provider, name = split(handle)
        if provider not in self._shelves or not name:
            return False
        await self._refreshed(provider)
        names = self._shelves[provider].names
        return not names or name in names or f"{name}:latest" in names

    async def aclose(self) -> None:
        """Stop asking."""
        asking = [shelf.asking for shelf in self._shelves.values() if shelf.asking is not None]
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _refreshed(self, provider: str) -> None:
        """Return when the list is fresh, or cannot be had soon. All who ask at once wait for one question."""
        shelf, now_s = self._shelves[provider], asyncio.get_running_loop().time()
        if shelf.asked_s is None or now_s > shelf.asked_s + FRESH_SECONDS:
            shelf.asked_s = now_s
            shelf.asking = asyncio.ensure_future(self._ask(self._providers[provider], shelf))
        if shelf.asking is not None:
            await asyncio.shield(shelf.asking)

    async def _ask(self, provider: Provider, shelf: _Shelf) -> None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                items = _items(await self._body(provider))
        except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL, msgspec.DecodeError, _NoList):
            return
        finally:
            shelf.asking = None
        listed = [(item["id"].removeprefix("models/"), item) for item in items]
        shelf.names = frozenset(name for name, _ in listed)
        shelf.models = tuple(_model(provider, name, item) for name, item in listed if _talks(provider, name))

    async def _body(self, provider: Provider) -> bytes:
        endpoint, data = provider.endpoint, b""
        client = self._client_for(endpoint.base_url)
        async with client.stream("GET", _list_url(provider), headers=_headers(provider), timeout=ASK_SECONDS) as answer:
            if answer.status_code != 200:
                raise _NoList
            async for piece in answer.aiter_bytes():
                data += piece
                if len(data) > BODY_BYTES_MAX:
                    raise _NoList
        return data


class _NoList(Exception):
    """The answer is no list of models."""


def context_tokens_of(name: str, item: JsonObject) -> int:
    """Return how many tokens a model can read: as its list says, or as is known, or a cautious guess."""
    meta = item.get("meta")
    told = [item.get(field) for field in _WINDOW_FIELDS]
    told.append(meta.get("n_ctx_train") if isinstance(meta, dict) else None)
    for value in told:
        if type(value) is int and value > 0:
            return value
    base = name.rpartition("/")[2]
    return next((tokens for words, tokens in _WINDOWS if re.match(words, base)), CONTEXT_TOKENS_DEFAULT)


def _items(body: bytes) -> list[JsonObject]:
    """Return the entries of a list of models."""
    value = decoded(body)
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, list):
        raise _NoList
    items = [item for item in data[:MODELS_MAX] if isinstance(item, dict) and isinstance(item.get("id"), str)]
    return [item for item in items if item.get("lifecycle") != "retired"]


def _model(provider: Provider, name: str, item: JsonObject) -> ListedModel:
    return ListedModel(
        provider=provider.name,
        wire_type=provider.wire_type,
        name=name,
        context_tokens=context_tokens_of(name, item),
        base_url=provider.endpoint.base_url,
    )


def _talks(provider: Provider, name: str) -> bool:
    return not provider.endpoint.official or _NO_CHAT.search(name) is None


def _list_url(provider: Provider) -> str:
    base_url = provider.endpoint.base_url
    return f"{base_url}/v1/models?limit=1000" if provider.api == "messages" else f"{base_url}/models"


def _headers(provider: Provider) -> dict[str, str]:
    key = provider.endpoint.key
    version = {"anthropic-version": ANTHROPIC_VERSION} if provider.api == "messages" else {}
    return {"authorization": f"Bearer {key}", **version} if key else version

"""The language model of a server: the handle of a request to the provider that has the model.

    kelpie/echo            the builtin model, which needs no key and no network
    letta/auto             the configured default
    provider/model         a provider that is set up (providers.py)
    openai-proxy/model     OPENAI_BASE_URL, or the address that the agent's llm_config names
    ollama/..., vllm/...   the address that the agent's llm_config names, else the one that is set up

A handle that leads nowhere is an error that says what is missing; no other model answers in its place.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib.util import find_spec
from typing import TYPE_CHECKING

import attrs

from kelpie_core.echo_model import EchoModel
from kelpie_core.errors import ModelError
from kelpie_core.json_types import JsonObject
from kelpie_core.ports import LanguageModel, ModelChunk, ModelRequest
from kelpie_server.config import Config
from kelpie_server.world.language_model.calls import Adapter, Call, ClientFor, Endpoint
from kelpie_server.world.language_model.pacing import Patience, paced
from kelpie_server.world.language_model.providers import OPENAI_PROXY, SELF_HOSTED, brought_along, providers_of, split

if TYPE_CHECKING:
    import httpx2

    from kelpie_server.world.language_model.catalogue import Catalogue, ListedModel

ECHO = "kelpie/echo"
AUTO = "letta/auto"
_CONNECTIONS_MAX = 1_000


class Models:
    """The `LanguageModel` of a server, and the list of what it has. Close it at the end.

    `client_for` gives the HTTP clients where they are not to be our own; who gives them closes them. What providers
    need is imported when there are some: a server with the builtin model alone starts without.
    """

    def __init__(self, config: Config, *, client_for: ClientFor | None = None) -> None:
        """Raise InvalidInput for an address or a key that makes no sense."""
        self._config = config
        self._providers = providers_of(config)
        self._own_client: httpx2.AsyncClient | None = None
        self._client_for = client_for or self._make_client
        self._patience = Patience(
            connect_seconds=config.model_connect_seconds,
            first_seconds=config.model_first_seconds,
            next_seconds=config.model_next_seconds,
        )
        self._echo = EchoModel()
        self._adapters: dict[str, Adapter] = {}
        self._catalogue: Catalogue | None = None
        for provider in self._providers.values():
            self._adapter(provider.api, provider.endpoint)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        """Yield the reply in chunks, ModelFinished last; raise ModelError."""
        handle = self.resolved(request.model)
        if handle == ECHO:
            async for chunk in self._echo.stream(request):
                yield chunk
            return
        provider, model = split(handle)
        endpoint = self._endpoint(provider, model, request.llm_config)
        api = self._providers[provider].api if provider in self._providers else "chat"
        call = Call(endpoint=endpoint, model=model, request=request, is_own=lambda other: self._is_of(provider, other))
        chunks = paced(self._adapter(api, endpoint).stream(call), self._patience)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    def resolved(self, handle: str | None) -> str:
        """Return the handle that is meant; raise ModelError if none is."""
        if handle is None or handle == AUTO or handle.startswith(f"{AUTO}-"):
            handle = self._config.model_default
        if not handle or handle == AUTO:
            raise _nowhere("no model is named, and no default is configured (KELPIE_MODEL_DEFAULT)")
        return handle

    async def known(self, handle: str) -> bool:
        """Return whether an agent may be made with this model: not if its provider is sure not to have it.

        A provider that is set up and does not tell what it has may have it.
        """
        try:
            handle = self.resolved(handle)
        except ModelError:
            return False
        return handle == ECHO or (bool(self._providers) and await self._listing().has(handle))

    async def listed(self) -> "tuple[ListedModel, ...]":
        """Return the models that there are; of a provider that does not answer, those that it had last."""
        return await self._listing().models() if self._providers else ()

    async def aclose(self) -> None:
        """Drop what is under way and close all connections."""
        if self._catalogue is not None:
            await self._catalogue.aclose()
        if self._own_client is not None:
            await self._own_client.aclose()

    def _endpoint(self, provider: str, model: str, llm_config: JsonObject | None) -> Endpoint:
        """Return where to ask for a model; raise ModelError if nobody is known."""
        known = self._providers.get(provider)
        hosted = provider in (*SELF_HOSTED, OPENAI_PROXY)
        own = brought_along(provider, llm_config) if self._config.model_endpoints_of_agents and model else None
        if known is not None and (own is None or not hosted or own.base_url == known.endpoint.base_url):
            return known.endpoint
        if own is not None and provider != "anthropic":
            return own
        raise _nowhere(f"no provider is set up for the model {provider}/{model}: see `kelpie serve --help`, Models")

    def _is_of(self, provider: str, handle: str | None) -> bool:
        try:
            return split(self.resolved(handle))[0] == provider
        except ModelError:
            return False

    def _adapter(self, api: str, endpoint: Endpoint) -> Adapter:
        sdk = "anthropic" if api == "messages" else "openai" if endpoint.official and find_spec("openai") else ""
        if sdk not in self._adapters:
            self._adapters[sdk] = self._make_adapter(sdk)
        return self._adapters[sdk]

    def _make_adapter(self, sdk: str) -> Adapter:
        if sdk == "anthropic" and find_spec("anthropic") is None:
            return _Missing("kelpie[anthropic]")
        if sdk == "anthropic":
            from kelpie_server.world.language_model.anthropic_sdk import AnthropicSdk

            return AnthropicSdk(self._client_for, self._patience)
        if sdk == "openai":
            from kelpie_server.world.language_model.openai_sdk import OpenAISdk

            return OpenAISdk(self._client_for, self._patience)
        from kelpie_server.world.language_model.chat_endpoint import ChatEndpoint

        return ChatEndpoint(self._client_for, self._patience)

    def _listing(self) -> "Catalogue":
        if self._catalogue is None:
            from kelpie_server.world.language_model.catalogue import Catalogue

            self._catalogue = Catalogue(self._providers, self._client_for)
        return self._catalogue

    def _make_client(self, base_url: str) -> "httpx2.AsyncClient":
        """Return the one client for all: its certificates take 20 ms to load."""
        import httpx2

        if self._own_client is None:
            limits = httpx2.Limits(max_connections=_CONNECTIONS_MAX, max_keepalive_connections=100)
            self._own_client = httpx2.AsyncClient(limits=limits)
        return self._own_client


def models_behind(model: LanguageModel) -> Models | None:
    """Return the Models that a port is or, for one that only watches another, stands before; None if there are none."""
    inner: object = model
    while inner is not None and not isinstance(inner, Models):
        inner = getattr(inner, "inner", None)
    return inner


@attrs.frozen
class _Missing:
    """The `Adapter` in place of one that is not installed."""

    extra: str

    async def stream(self, call: Call) -> AsyncGenerator[ModelChunk, None]:
        """Raise ModelError."""
        await asyncio.sleep(0)
        raise _nowhere(f"{call.endpoint.provider} needs the extra {self.extra}, which is not installed")
        yield


def _nowhere(words: str) -> ModelError:
    return ModelError(words, kind="llm_bad_request", retriable=False)

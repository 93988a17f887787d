"""Who can be asked for a model: the providers that the operator has set up, and the addresses that agents bring along.

A handle is "provider/model". A key goes to the address that it was set up with and to no other, whatever an agent says.
"""

import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

import attrs

from kelpie_core.errors import InvalidInput
from kelpie_core.json_types import JsonObject
from kelpie_server.config import Config
from kelpie_server.world.language_model.calls import Endpoint

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"
OPENAI_PROXY = "openai-proxy"
# What people run themselves. The list names each as V1 did; the second names are what people write too.
SELF_HOSTED = ("ollama", "vllm", "lmstudio_openai", "llamacpp")
ALIASES: Mapping[str, str] = {"lmstudio": "lmstudio_openai", "llama.cpp": "llamacpp"}
# What stands in an llm_config that was never asked for a place of its own.
_PUBLIC_HOSTS = ("api.openai.com", "api.anthropic.com")
_FIT_KEY = re.compile(r"[\x21-\x7e]+")

Api = Literal["chat", "messages"]


@attrs.frozen(kw_only=True)
class Provider:
    """One that is set up. `wire_type` is what Letta's clients call its kind."""

    name: str
    wire_type: str
    endpoint: Endpoint
    api: Api = "chat"


def providers_of(config: Config) -> dict[str, Provider]:
    """Return the providers that are set up, by name; raise InvalidInput. No key is told."""
    found = list[Provider]()
    if config.openai_api_key or config.openai_base_url:
        url = config.openai_base_url or OPENAI_URL
        found.append(_provider("openai", "openai", url, config.openai_api_key))
        if not found[0].endpoint.official:
            found.append(_provider(OPENAI_PROXY, "openai", url, config.openai_api_key))
    if config.anthropic_api_key or config.anthropic_base_url:
        url = config.anthropic_base_url or ANTHROPIC_URL
        found.append(_provider("anthropic", "anthropic", url, config.anthropic_api_key, api="messages"))
    hosted = {
        "ollama": config.ollama_base_url,
        "vllm": config.vllm_base_url,
        "lmstudio_openai": config.lmstudio_base_url,
        "llamacpp": config.llamacpp_base_url,
    }
    for name, url_given in hosted.items():
        if url_given:
            key = config.vllm_api_key if name == "vllm" else None
            wire_type = name if name != "llamacpp" else "openai"
            found.append(_provider(name, wire_type, url_given, key, hosted=True))
    return {provider.name: provider for provider in found}


def split(handle: str) -> tuple[str, str]:
    """Return the provider, by the name under which it is set up, and the model of a handle; "" where it names none."""
    provider, _, model = handle.partition("/")
    return ALIASES.get(provider, provider), model


def brought_along(provider: str, llm_config: JsonObject | None) -> Endpoint | None:
    """Return the address that an agent names for its own model, without any key; None if it names none to be used."""
    url = (llm_config or {}).get("model_endpoint")
    if not isinstance(url, str) or not _is_url(url) or urlsplit(url).hostname in _PUBLIC_HOSTS:
        return None
    return Endpoint(provider=provider, base_url=with_version(url.rstrip("/")))


def with_version(url: str) -> str:
    """Return the address with /v1 behind it if it names nothing but a host."""
    return f"{url.rstrip('/')}/v1" if urlsplit(url).path in ("", "/") else url


def _provider(
    name: str, wire_type: str, url: str, key: str | None, *, api: Api = "chat", hosted: bool = False
) -> Provider:
    key = (key or "").strip() or None
    if not _is_url(url):
        raise InvalidInput(f"the address of {name} is no http or https URL")
    if key is not None and not _FIT_KEY.fullmatch(key):
        raise InvalidInput(f"the key of {name} has characters that no key has")
    base_url = (with_version(url) if hosted else url).rstrip("/").removesuffix("/chat/completions")
    if api == "messages":  # its SDK puts the version behind the address itself
        base_url = base_url.removesuffix("/v1")
    official = api == "chat" and (urlsplit(url).hostname or "").endswith(".openai.com")
    return Provider(
        name=name,
        wire_type=wire_type,
        endpoint=Endpoint(provider=name, base_url=base_url, key=key, official=official),
        api=api,
    )


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False

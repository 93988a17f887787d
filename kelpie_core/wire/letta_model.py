"""Language models and embedders that a server has, in the shapes of Letta's API."""

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.wire.letta_agent import CONTEXT_WINDOW_TOKENS_DEFAULT, OUTPUT_TOKENS_DEFAULT

# How the API's older field calls a kind of provider, where it has another word for it.
_ENDPOINT_TYPES = {"lmstudio_openai": "lmstudio-chatcompletions", "letta": "openai"}


@attrs.frozen(kw_only=True)
class ModelEntry:
    """A model of a list. `provider_type` is one of the API's words."""

    handle: str
    provider_type: str
    context_tokens: int = CONTEXT_WINDOW_TOKENS_DEFAULT
    endpoint: str | None = None


ECHO = ModelEntry(handle="kelpie/echo", provider_type="letta")
HASHING_DIMENSIONS = 384


def model_json(entry: ModelEntry) -> JsonObject:
    """Return a language model."""
    provider, _, name = entry.handle.partition("/")
    return {
        "handle": entry.handle,
        "name": name,
        "display_name": name,
        "provider_type": entry.provider_type,
        "provider_name": provider,
        "provider_category": "base",
        "model_type": "llm",
        "max_context_window": entry.context_tokens,
        "context_window": entry.context_tokens,
        "model": name,
        "model_endpoint_type": _ENDPOINT_TYPES.get(entry.provider_type, entry.provider_type),
        "model_endpoint": entry.endpoint,
        "max_tokens": OUTPUT_TOKENS_DEFAULT,
        "put_inner_thoughts_in_kwargs": False,
    } | dict.fromkeys(_MODEL_NEVER_SET)


_MODEL_NEVER_SET = (
    "model_wrapper", "temperature", "enable_reasoner", "reasoning_effort", "max_reasoning_tokens", "effort",
    "frequency_penalty", "compatibility_type", "verbosity", "tier", "parallel_tool_calls", "response_format", "strict",
    "return_logprobs", "top_logprobs", "return_token_ids", "tool_call_parser",
)  # fmt: skip


def hashing_embedder_json() -> JsonObject:
    """Return the builtin embedder, which needs no network."""
    return {
        "handle": "kelpie/hashing",
        "name": "hashing",
        "display_name": "hashing",
        "provider_type": "letta",
        "provider_name": "kelpie",
        "model_type": "embedding",
        "embedding_model": "hashing",
        "embedding_dim": HASHING_DIMENSIONS,
        "embedding_endpoint_type": "openai",
    } | dict.fromkeys(_EMBEDDER_NEVER_SET)


_EMBEDDER_NEVER_SET = (
    "azure_deployment", "azure_endpoint", "azure_version", "batch_size", "embedding_chunk_size", "embedding_endpoint",
)  # fmt: skip

"""Language models and embedders in the shapes of Letta's API."""

import pytest
from letta_client.types import EmbeddingModel, Model

from kelpie_core.wire.letta_model import ECHO, HASHING_DIMENSIONS, ModelEntry, hashing_embedder_json, model_json
from tests.core.wire.letta_samples import read_by_sdk


@pytest.mark.parametrize(
    ("provider_type", "endpoint_type"),
    [
        ("openai", "openai"),
        ("anthropic", "anthropic"),
        ("ollama", "ollama"),
        ("vllm", "vllm"),
        ("lmstudio_openai", "lmstudio-chatcompletions"),
        ("letta", "openai"),
    ],
)
def test_the_sdk_reads_a_model(provider_type, endpoint_type):
    """The SDK's type reads a model of every kind, by the name of its provider and its own."""
    entry = ModelEntry(handle="p/org/m", provider_type=provider_type, context_tokens=9, endpoint="http://h/v1")
    shown = read_by_sdk(Model, model_json(entry))
    assert ("p/org/m", "p", "org/m", "org/m") == (shown.handle, shown.provider_name, shown.name, shown.model)
    assert (9, 9, "http://h/v1") == (shown.max_context_window, shown.context_window, shown.api_model_endpoint)
    assert (provider_type, endpoint_type) == (shown.provider_type, shown.api_model_endpoint_type)


def test_builtin_model():
    """The builtin model is there without any provider."""
    shown = read_by_sdk(Model, model_json(ECHO))
    assert ("kelpie/echo", 128_000, None) == (shown.handle, shown.max_context_window, shown.api_model_endpoint)


def test_the_sdk_reads_the_embedder():
    """The SDK's type reads the builtin embedder."""
    shown = read_by_sdk(EmbeddingModel, hashing_embedder_json())
    assert ("kelpie/hashing", HASHING_DIMENSIONS) == (shown.handle, shown.embedding_dim)

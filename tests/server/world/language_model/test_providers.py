"""Which providers are set up, and which addresses agents bring along."""

import pytest

from kelpie_core.errors import InvalidInput
from kelpie_server.config import Config
from kelpie_server.world.language_model.calls import Endpoint
from kelpie_server.world.language_model.providers import brought_along, providers_of, split, with_version

KEY = "sk-1234567"


def endpoints_of(**settings):
    """Return where each provider is asked, with which key, and whether in OpenAI's own dialect."""
    found = providers_of(Config(**settings))
    return {name: (each.endpoint.base_url, each.endpoint.key, each.endpoint.official) for name, each in found.items()}


def test_nothing_is_set_up_by_itself():
    """Without settings there is nobody to ask."""
    assert {} == endpoints_of()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"openai_api_key": KEY}, {"openai": ("https://api.openai.com/v1", KEY, True)}),
        (
            {"openai_api_key": f" {KEY}\n", "openai_base_url": "http://proxy/v1/"},
            {"openai": ("http://proxy/v1", KEY, False), "openai-proxy": ("http://proxy/v1", KEY, False)},
        ),
        (
            {"openai_base_url": "http://proxy/v1/chat/completions"},
            {"openai": ("http://proxy/v1", None, False), "openai-proxy": ("http://proxy/v1", None, False)},
        ),
        ({"anthropic_api_key": KEY}, {"anthropic": ("https://api.anthropic.com", KEY, False)}),
        ({"anthropic_base_url": "http://proxy/"}, {"anthropic": ("http://proxy", None, False)}),
        ({"anthropic_base_url": "http://proxy/v1"}, {"anthropic": ("http://proxy", None, False)}),
        ({"ollama_base_url": "http://h:11434"}, {"ollama": ("http://h:11434/v1", None, False)}),
        ({"ollama_base_url": "http://h:11434/v1/"}, {"ollama": ("http://h:11434/v1", None, False)}),
        ({"vllm_base_url": "http://h", "vllm_api_key": KEY}, {"vllm": ("http://h/v1", KEY, False)}),
        ({"lmstudio_base_url": "http://h:1234"}, {"lmstudio_openai": ("http://h:1234/v1", None, False)}),
        ({"llamacpp_base_url": "http://h:8080"}, {"llamacpp": ("http://h:8080/v1", None, False)}),
    ],
)
def test_what_is_set_up(settings, expected):
    """A key or an address sets a provider up; what listens at home is asked under /v1 if nothing else is said."""
    assert expected == endpoints_of(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"openai_base_url": "proxy/v1"}, "the address of openai is no http or https URL"),
        ({"openai_base_url": "ftp://u:secret@h"}, "the address of openai"),
        ({"ollama_base_url": "http://[::1"}, "the address of ollama"),
        ({"openai_api_key": "sk-secret\nkey"}, "the key of openai has characters that no key has"),
        ({"anthropic_api_key": "ключ-secret"}, "the key of anthropic"),
    ],
)
def test_what_makes_no_sense(settings, words):
    """A bad address or key is refused at the start, by a message that does not tell it."""
    with pytest.raises(InvalidInput, match=words) as refusal:
        providers_of(Config(**settings))
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("handle", "parts"),
    [
        ("openai/gpt-4o", ("openai", "gpt-4o")),
        ("vllm/org/model", ("vllm", "org/model")),
        ("lmstudio/m", ("lmstudio_openai", "m")),
        ("gpt-4o", ("gpt-4o", "")),
    ],
)
def test_handles(handle, parts):
    """What stands before the first slash is the provider."""
    assert parts == split(handle)


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({"model_endpoint": "http://h:8000/v1/"}, "http://h:8000/v1"),
        ({"model_endpoint": "http://h:8000"}, "http://h:8000/v1"),
        ({"model_endpoint": "https://api.openai.com/v1"}, None),
        ({"model_endpoint": "https://api.anthropic.com/v1"}, None),
        ({"model_endpoint": "file:///etc/passwd"}, None),
        ({"model_endpoint": 7}, None),
        ({}, None),
        (None, None),
    ],
)
def test_addresses_of_agents(config, url):
    """An agent's own address is asked without any key; the public ones are never dialled from an agent's file."""
    expected = None if url is None else Endpoint(provider="vllm", base_url=url)
    assert expected == brought_along("vllm", config)


def test_version():
    """An address with a path is taken as it is."""
    assert ["http://h/v1", "http://h/api"] == [with_version("http://h/"), with_version("http://h/api")]

"""What an agent's settings ask of a call."""

import pytest

from kelpie_server.world.language_model.settings import CallSettings, settings_of
from tests.server.world.language_model.samples import request

SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}


def test_nothing_is_asked_for_by_itself():
    """An agent without settings leaves everything to the provider."""
    assert CallSettings() == settings_of(request())


def test_settings_go_before_the_config():
    """What the settings say goes before the older llm_config, field by field."""
    settings = {
        "max_output_tokens": 100,
        "temperature": 1,
        "parallel_tool_calls": True,
        "strict": True,
        "verbosity": "low",
        "reasoning": {"reasoning_effort": "high"},
        "effort": "max",
        "response_format": SCHEMA,
        "thinking": {"type": "enabled", "budget_tokens": 2_000},
    }
    config = {
        "max_tokens": 7,
        "temperature": 0.5,
        "frequency_penalty": 0.25,
        "parallel_tool_calls": False,
        "verbosity": "high",
        "reasoning_effort": "low",
        "enable_reasoner": True,
        "max_reasoning_tokens": 9_000,
        "response_format": {"type": "json_object"},
    }
    expected = CallSettings(
        max_output_tokens=100,
        temperature=1.0,
        frequency_penalty=0.25,
        parallel_tool_calls=True,
        strict=True,
        response_format=SCHEMA,
        verbosity="low",
        reasoning_effort="high",
        effort="max",
        thinking_tokens=2_000,
    )
    assert expected == settings_of(request(model_settings=settings, llm_config=config))
    older = CallSettings(
        max_output_tokens=7,
        temperature=0.5,
        frequency_penalty=0.25,
        parallel_tool_calls=False,
        response_format={"type": "json_object"},
        verbosity="high",
        reasoning_effort="low",
        thinking_tokens=9_000,
    )
    assert older == settings_of(request(llm_config=config))


def test_request_goes_before_all():
    """What this very request asks for goes before what the agent is set to."""
    settings = {"max_output_tokens": 100, "parallel_tool_calls": True, "response_format": {"type": "json_object"}}
    asked = request(model_settings=settings, max_output_tokens=5, parallel_tool_calls=False, response_format=SCHEMA)
    expected = CallSettings(max_output_tokens=5, parallel_tool_calls=False, response_format=SCHEMA)
    assert expected == settings_of(asked)


@pytest.mark.parametrize(("window", "tokens"), [(8_192, None), (16_384, None), (32_768, 16_384), (None, 16_384)])
def test_answer_as_long_as_the_window(window, tokens):
    """The bound that V1 gives every agent is left out where the model's whole window is no longer."""
    asked = request(model_settings={"max_output_tokens": 16_384}, llm_config={"context_window": window})
    assert tokens == settings_of(asked).max_output_tokens


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": "hot", "max_output_tokens": 0, "reasoning": "much", "thinking": []},
        {"temperature": True, "max_output_tokens": True, "strict": "yes", "response_format": "json"},
        {"response_format": {"type": "text"}, "thinking": {"type": "disabled", "budget_tokens": 9}},
    ],
)
def test_what_makes_no_sense_is_left_out(settings):
    """A value of a wrong type, which a file may hold, does not keep the model from answering."""
    assert CallSettings() == settings_of(request(model_settings=settings))

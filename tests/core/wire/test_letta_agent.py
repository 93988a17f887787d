"""An agent in the shape of Letta's API."""

import datetime as dt

import pytest
from letta_client.types import AgentState

from kelpie_core.model.agent import LastRun
from kelpie_core.model.turn import StopReason
from kelpie_core.wire.letta_agent import (
    agent_json,
    embedding_config_json,
    handle_of,
    llm_config_json,
    model_settings_json,
)
from tests.core.wire.letta_samples import AGENT_ID, MESSAGE_ID, USER, agent, block, read_by_sdk, tool


def test_the_sdk_reads_an_agent():
    """The SDK's type reads it, with what is attached to it."""
    value = agent(
        tags=("t",),
        metadata={"k": 1},
        tool_rules=({"type": "run_first", "tool_name": "add"},),
        extra={"compaction_settings": {"model": "letta/auto"}, "response_format": {"type": "text"}, "project_id": "p"},
    )
    shown = read_by_sdk(AgentState, agent_json(value, blocks=[block()], tools=[tool()], message_ids=(MESSAGE_ID,)))
    assert (AGENT_ID, "Ada", "letta_v1_agent", ["t"]) == (shown.id, shown.name, shown.agent_type, shown.tags)
    assert (["Bo"], ["Bo"], ["add"]) == (
        [one.value for one in shown.blocks],
        [one.value for one in shown.memory.blocks],
        [one.name for one in shown.tools],
    )
    assert ([MESSAGE_ID], USER, "p") == (shown.message_ids, shown.created_by_id, shown.project_id)
    assert "openai/gpt-4o-mini" == shown.llm_config.handle


def test_every_field_of_the_sdk_is_there():
    """No field that the SDK knows is left out."""
    names = {field.alias or name for name, field in AgentState.model_fields.items()}
    assert set() == names - set(agent_json(agent()))


def test_secrets_show_no_values():
    """The names of secrets are shown in order, their values never."""
    shown = agent_json(agent(secrets={"B": "hidden", "A": "hidden"}))
    names = [{"agent_id": AGENT_ID, "key": key, "value": ""} for key in ("A", "B")]
    assert (names, names) == (shown["secrets"], shown["tool_exec_environment_variables"])


def test_an_agent_alone_has_no_window():
    """An agent shown without its head says nothing of messages."""
    assert agent_json(agent())["message_ids"] is None


def test_settings_of_an_openai_model():
    """The defaults are those that clients check for."""
    assert {
        "max_output_tokens": 16_384,
        "parallel_tool_calls": True,
        "strict": False,
        "provider_type": "openai",
        "temperature": 1.0,
        "reasoning": {"reasoning_effort": "minimal"},
        "response_format": None,
    } == model_settings_json(agent())


def test_settings_of_another_provider():
    """A provider that the SDK knows is named, without what only OpenAI has."""
    assert {
        "max_output_tokens": 16_384,
        "parallel_tool_calls": True,
        "provider_type": "anthropic",
        "temperature": 1.0,
    } == model_settings_json(agent(model="anthropic/claude"))


def test_given_settings_win():
    """What the caller gave is shown again, in the settings and in the config."""
    value = agent(model_settings={"temperature": 0.2, "max_output_tokens": 5, "provider_type": None, "strict": "x"})
    settings = model_settings_json(value)
    assert (0.2, 5, "openai", False) == (
        settings["temperature"],
        settings["max_output_tokens"],
        settings["provider_type"],
        settings["strict"],
    )
    config = llm_config_json(value)
    assert (0.2, 5) == (config["temperature"], config["max_tokens"])


def test_a_given_config_shows_in_the_settings():
    """A caller of the older kind gives a config: its values are shown as settings too."""
    settings = model_settings_json(agent(llm_config={"temperature": 0.5, "max_tokens": 9}))
    assert (0.5, 9) == (settings["temperature"], settings["max_output_tokens"])


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("openai/gpt-4o-mini", ("openai", "openai", "gpt-4o-mini")),
        ("anthropic/claude/x", ("anthropic", "anthropic", "claude/x")),
        ("kelpie/echo", ("openai", "kelpie", "echo")),
        ("bare", ("openai", "", "bare")),
        (None, ("openai", "", "")),
    ],
)
def test_config_from_a_handle(model, shown):
    """The config says what the handle implies; an endpoint that the SDK does not know is shown as OpenAI's."""
    config = llm_config_json(agent(model=model))
    assert shown == (config["model_endpoint_type"], config["provider_name"], config["model"])
    assert (128_000, model) == (config["context_window"], config["handle"])


def test_given_config_wins_where_it_fits():
    """A field of a wrong type, as a file may bring, gives way to what the handle implies."""
    config = llm_config_json(agent(llm_config={"model": "m", "model_endpoint_type": "letta", "context_window": 8_000}))
    assert ("m", "openai", 8_000) == (config["model"], config["model_endpoint_type"], config["context_window"])


def test_context_window_limit_is_shown():
    """A limit that was set when the agent was made is its context window."""
    assert 9_000 == llm_config_json(agent(extra={"context_window_limit": 9_000}))["context_window"]


@pytest.mark.parametrize(
    ("config", "handle"),
    [
        ({"model": "m", "handle": "a/b"}, "a/b"),
        ({"model": "m", "provider_name": "p", "model_endpoint_type": "openai"}, "p/m"),
        ({"model": "m", "model_endpoint_type": "vllm"}, "vllm/m"),
        ({"model": "m"}, "openai/m"),
    ],
)
def test_handle_of_a_config(config, handle):
    """A config names its model by handle, or by provider and name."""
    assert handle == handle_of(config)


def test_embedding_config_is_shown_if_whole():
    """A config that the SDK can read is shown, a part of one is not."""
    whole = {"embedding_dim": 3, "embedding_model": "m", "embedding_endpoint_type": "openai"}
    assert whole == embedding_config_json(agent(embedding_config=whole))
    assert embedding_config_json(agent(embedding_config={"embedding_dim": 3})) is None
    assert embedding_config_json(agent()) is None


@pytest.mark.parametrize(("seconds", "duration_ms"), [(1.2345, 1_234), (-5, 0)])
def test_last_run(seconds, duration_ms):
    """When the last run ended, how long it took and why it stopped; a clock set back makes nothing negative."""
    began = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    ended = began + dt.timedelta(seconds=seconds)
    last = LastRun(began_at=began, completed_at=ended, stop_reason=StopReason.MAX_SECONDS)
    shown = read_by_sdk(AgentState, agent_json(agent(), last_run=last))
    assert (ended, duration_ms) == (shown.last_run_completion, shown.last_run_duration_ms)
    assert "max_steps" == shown.last_stop_reason

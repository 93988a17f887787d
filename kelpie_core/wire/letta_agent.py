"""An agent in the shape of Letta's API.

The API says a model in three ways that overlap: a handle, a config and settings. Here the handle and what the caller
gave are stored; the rest is made up when an agent is shown, so that the three never contradict each other in store.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Literal

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.model.agent import Agent, LastRun
from kelpie_core.model.approval import PendingApproval
from kelpie_core.model.block import Block
from kelpie_core.model.tool import Tool
from kelpie_core.wire.letta_block import block_json
from kelpie_core.wire.letta_fields import fitting
from kelpie_core.wire.letta_message import pending_json
from kelpie_core.wire.letta_run import stop_reason_of
from kelpie_core.wire.letta_tool import tool_json

CONTEXT_WINDOW_TOKENS_DEFAULT = 128_000
OUTPUT_TOKENS_DEFAULT = 16_384
TEMPERATURE_DEFAULT = 1.0

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
ModelEndpoint = Literal[
    "openai", "anthropic", "google_ai", "google_vertex", "azure", "groq", "ollama", "webui", "webui-legacy", "lmstudio",
    "lmstudio-legacy", "lmstudio-chatcompletions", "llamacpp", "koboldcpp", "vllm", "hugging-face", "minimax",
    "moonshot", "moonshot_coding", "mistral", "together", "bedrock", "deepseek", "xai", "zai", "zai_coding", "baseten",
    "fireworks", "openrouter", "chatgpt_oauth",
]  # fmt: skip
EmbeddingEndpoint = Literal[
    "openai", "anthropic", "bedrock", "google_ai", "google_vertex", "azure", "groq", "ollama", "webui", "webui-legacy",
    "lmstudio", "lmstudio-legacy", "llamacpp", "koboldcpp", "vllm", "hugging-face", "mistral", "together", "pinecone",
]  # fmt: skip
ProviderType = Literal[
    "openai", "sglang", "anthropic", "google_ai", "google_vertex", "azure", "xai", "moonshot", "zai", "moonshot_coding",
    "groq", "deepseek", "together", "bedrock", "baseten", "openrouter", "chatgpt_oauth",
]  # fmt: skip


@attrs.frozen(kw_only=True)
class LlmConfigFields:
    """The fields of Letta's llm_config whose types its clients bound."""

    model: str
    model_endpoint_type: ModelEndpoint
    context_window: int
    model_endpoint: str | None = None
    model_wrapper: str | None = None
    handle: str | None = None
    display_name: str | None = None
    provider_name: str | None = None
    provider_category: Literal["base", "byok"] | None = None
    put_inner_thoughts_in_kwargs: bool | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    enable_reasoner: bool | None = None
    reasoning_effort: Effort | None = None
    max_reasoning_tokens: int | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    frequency_penalty: float | None = None
    compatibility_type: Literal["gguf", "mlx"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    tier: str | None = None
    parallel_tool_calls: bool | None = None
    strict: bool | None = None
    return_logprobs: bool | None = None
    top_logprobs: int | None = None
    return_token_ids: bool | None = None
    tool_call_parser: str | None = None


@attrs.frozen(kw_only=True)
class EmbeddingConfigFields:
    """The fields of Letta's embedding_config; the first three must be there."""

    embedding_dim: int
    embedding_model: str
    embedding_endpoint_type: EmbeddingEndpoint
    embedding_endpoint: str | None = None
    embedding_chunk_size: int | None = None
    handle: str | None = None
    batch_size: int | None = None
    azure_endpoint: str | None = None
    azure_version: str | None = None
    azure_deployment: str | None = None


@attrs.frozen(kw_only=True)
class Reasoning:
    """How hard a model is to think."""

    reasoning_effort: Effort | None = None


@attrs.frozen(kw_only=True)
class ModelSettingsFields:
    """The fields of Letta's model_settings that several providers share."""

    provider_type: ProviderType | None = None
    max_output_tokens: int | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    strict: bool | None = None
    reasoning: Reasoning | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


@attrs.frozen(kw_only=True)
class CompactionFields:
    """The fields of Letta's compaction_settings."""

    model: str | None = None
    prompt: str | None = None
    prompt_acknowledgement: bool | None = None
    clip_chars: int | None = None
    mode: Literal["all", "sliding_window", "self_compact_all", "self_compact_sliding_window"] | None = None
    sliding_window_percentage: float | None = None


@attrs.frozen(kw_only=True)
class ResponseFormatFields:
    """Letta's response_format."""

    type: Literal["text", "json_schema", "json_object"]
    json_schema: JsonObject | None = None


@attrs.frozen(kw_only=True)
class AgentExtra:
    """Fields of Letta's agent that have no meaning here yet: they are kept and shown as they came."""

    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    deployment_id: str | None = None
    entity_id: str | None = None
    max_files_open: int | None = 10
    per_file_view_window_char_limit: int | None = 25_000
    compaction_settings: CompactionFields | None = None
    response_format: ResponseFormatFields | None = None


def agent_json(
    agent: Agent,
    *,
    blocks: Sequence[Block] = (),
    tools: Sequence[Tool] = (),
    message_ids: Sequence[str] | None = None,
    pending: PendingApproval | None = None,
    last_run: LastRun | None = None,
) -> JsonObject:
    """Return an agent as Letta's clients read it. Values of secrets are never shown."""
    blocks_shown = [block_json(block) for block in blocks]
    return {
        **attrs.asdict(AgentExtra()),
        **fitting(agent.extra, AgentExtra, only_known=True),
        **_own_fields(agent),
        **_last_run_json(last_run),
        "llm_config": llm_config_json(agent),
        "model_settings": model_settings_json(agent),
        "embedding_config": embedding_config_json(agent),
        "blocks": blocks_shown,
        "memory": {
            "agent_type": agent.agent_type.value,
            "git_enabled": False,
            "blocks": blocks_shown,
            "file_blocks": [],
            "prompt_template": "",
        },
        "tools": [tool_json(tool) for tool in tools],
        "message_ids": None if message_ids is None else list(message_ids),
        "pending_approval": None if pending is None else pending_json(pending),
        "secrets": _secrets_json(agent),
        "tool_exec_environment_variables": _secrets_json(agent),
        "sources": [],
        "identity_ids": [],
        "identities": [],
    } | dict.fromkeys(_NEVER_SET)


# What Letta's agent has and this one never does; the clients expect the names all the same.
_NEVER_SET = ("enable_sleeptime", "multi_agent_group", "managed_group")


def _own_fields(agent: Agent) -> JsonObject:
    return {
        "id": agent.id,
        "name": agent.name,
        "agent_type": agent.agent_type.value,
        "system": agent.system,
        "description": agent.description,
        "model": agent.model,
        "embedding": agent.embedding,
        "metadata": agent.metadata,
        "tags": list(agent.tags),
        "tool_rules": list(agent.tool_rules),
        "timezone": agent.timezone or "UTC",
        "message_buffer_autoclear": agent.message_buffer_autoclear,
        "hidden": agent.hidden,
        "organization_id": agent.organization_id,
        "user_id": agent.created_by_id,
        "created_by_id": agent.created_by_id,
        "last_updated_by_id": agent.last_updated_by_id or agent.created_by_id,
        "created_at": agent.created_at.isoformat(),
        "updated_at": agent.updated_at.isoformat(),
    }


def _last_run_json(last: LastRun | None) -> JsonObject:
    names = ("last_run_completion", "last_run_duration_ms", "last_stop_reason")
    if last is None:
        return dict.fromkeys(names)
    duration = max(last.completed_at - last.began_at, dt.timedelta())
    values = (
        last.completed_at.isoformat(), duration // dt.timedelta(milliseconds=1), stop_reason_of(last.stop_reason),
    )  # fmt: skip
    return dict(zip(names, values, strict=True))


def _secrets_json(agent: Agent) -> list[JsonObject]:
    return [{"agent_id": agent.id, "key": key, "value": ""} for key in sorted(agent.secrets)]


def handle_of(llm_config: JsonObject) -> str:
    """Return the handle, "provider/model", of an llm_config that names a model."""
    provider = llm_config.get("provider_name") or llm_config.get("model_endpoint_type") or "openai"
    return llm_config.get("handle") or f"{provider}/{llm_config['model']}"


def llm_config_json(agent: Agent) -> JsonObject:
    """Return the agent's model as an llm_config: what its handle implies, overlaid with what was given."""
    provider, name = _split(agent.model)
    settings = fitting(agent.model_settings, ModelSettingsFields)
    implied = {
        **attrs.asdict(
            LlmConfigFields(
                model=name,
                model_endpoint_type="openai",
                context_window=CONTEXT_WINDOW_TOKENS_DEFAULT,
                handle=agent.model,
                provider_name=provider,
                provider_category="base",
                temperature=TEMPERATURE_DEFAULT,
                max_tokens=OUTPUT_TOKENS_DEFAULT,
            )
        ),
        **fitting({"model_endpoint_type": provider}, LlmConfigFields),
        **fitting({"context_window": agent.extra.get("context_window_limit")}, LlmConfigFields),
        **fitting({"temperature": settings.get("temperature", TEMPERATURE_DEFAULT)}, LlmConfigFields),
        **fitting({"max_tokens": settings.get("max_output_tokens", OUTPUT_TOKENS_DEFAULT)}, LlmConfigFields),
    }
    return {**implied, **fitting(agent.llm_config, LlmConfigFields)}


def model_settings_json(agent: Agent) -> JsonObject:
    """Return the agent's model settings: the defaults of its provider, overlaid with what was given."""
    config = fitting(agent.llm_config, LlmConfigFields)
    given = fitting(agent.model_settings, ModelSettingsFields)
    implied: JsonObject = {
        "provider_type": "openai",
        **fitting({"provider_type": _split(agent.model)[0]}, ModelSettingsFields),
        "max_output_tokens": config.get("max_tokens") or OUTPUT_TOKENS_DEFAULT,
        "parallel_tool_calls": True,
        "temperature": config.get("temperature", TEMPERATURE_DEFAULT),
    }
    if (given.get("provider_type") or implied["provider_type"]) == "openai":
        implied |= {"strict": False, "reasoning": {"reasoning_effort": "minimal"}, "response_format": None}
    return implied | {name: value for name, value in given.items() if name != "provider_type" or value is not None}


def embedding_config_json(agent: Agent) -> JsonObject | None:
    """Return the agent's embedding_config if it was given one that Letta's clients can read."""
    config = fitting(agent.embedding_config, EmbeddingConfigFields)
    complete = all(name in config for name in ("embedding_dim", "embedding_model", "embedding_endpoint_type"))
    return config if complete else None


def _split(handle: str | None) -> tuple[str, str]:
    provider, slash, name = (handle or "").partition("/")
    return (provider, name) if slash else ("", provider)

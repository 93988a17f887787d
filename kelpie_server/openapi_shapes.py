"""The shapes of answers, as classes whose fields name what is always there (no default) and what may be null.

They describe and nothing else: answers are made by kelpie_core.wire, and a test holds answers of every kind to these.
"""

import datetime as dt
from typing import Annotated, Literal

import attrs
import msgspec

from kelpie_core.json_types import JsonObject, JsonValue
from kelpie_core.model.agent import AgentType
from kelpie_core.model.run import RunStatus
from kelpie_core.model.tool import ToolType

Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]
StopReason = Literal[
    "end_turn", "error", "llm_api_error", "invalid_llm_response", "invalid_tool_call", "max_steps",
    "max_tokens_exceeded", "no_tool_call", "tool_rule", "cancelled", "insufficient_credits", "requires_approval",
    "context_window_overflow_in_system_prompt",
]  # fmt: skip


@attrs.frozen(kw_only=True)
class Health:
    """Whether the server lives, or can serve."""

    version: str
    status: str


@attrs.frozen(kw_only=True)
class Problem:
    """What went wrong. `detail` for what the caller asked, `error` for a model's failure."""

    detail: str | None = None
    error: JsonObject | None = None
    run_id: str | None = None
    trace_id: str | None = None


@attrs.frozen(kw_only=True)
class Deleted:
    """That something is gone."""

    message: str | None = None


@attrs.frozen(kw_only=True)
class Block:
    """A memory block."""

    id: str
    value: str
    label: str
    limit: int
    read_only: bool
    tags: tuple[str, ...]
    metadata: JsonObject
    description: str | None = None
    hidden: bool | None = None
    created_by_id: str | None = None
    last_updated_by_id: str | None = None


@attrs.frozen(kw_only=True)
class Tool:
    """A tool."""

    id: str
    name: str
    tool_type: ToolType
    tags: tuple[str, ...]
    return_char_limit: int
    description: str | None = None
    source_type: str | None = None
    source_code: str | None = None
    json_schema: JsonObject | None = None
    args_json_schema: JsonObject | None = None
    default_requires_approval: bool | None = None
    metadata_: JsonObject | None = None
    created_by_id: str | None = None
    last_updated_by_id: str | None = None


@attrs.frozen(kw_only=True)
class FoundTool:
    """A tool that a search found."""

    tool: Tool
    combined_score: float
    embedded_text: str | None = None


@attrs.frozen(kw_only=True)
class ToolExecution:
    """What a tool that was run gave."""

    status: Literal["success", "error"]
    func_return: JsonValue = None
    stdout: tuple[str, ...] | None = None
    stderr: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class Agent:
    """An agent with what is attached to it."""

    id: str
    name: str
    agent_type: AgentType
    system: str
    blocks: tuple[Block, ...]
    tools: tuple[Tool, ...]
    tags: tuple[str, ...]
    llm_config: JsonObject
    model_settings: JsonObject
    memory: JsonObject
    sources: tuple[JsonObject, ...]
    tool_rules: tuple[JsonObject, ...] | None
    created_at: Moment
    updated_at: Moment
    model: str | None
    message_ids: tuple[str, ...] | None
    embedding: str | None = None
    embedding_config: JsonObject | None = None
    metadata: JsonObject | None = None
    description: str | None = None
    timezone: str | None = None
    created_by_id: str | None = None
    last_updated_by_id: str | None = None
    secrets: tuple[JsonObject, ...] | None = None


@attrs.frozen(kw_only=True)
class Imported:
    """The agents that a file gave."""

    agent_ids: tuple[str, ...]


@attrs.frozen(kw_only=True)
class StopReasonEvent:
    """Why a turn stopped."""

    message_type: Literal["stop_reason"]
    stop_reason: StopReason


@attrs.frozen(kw_only=True)
class Usage:
    """What a turn used."""

    completion_tokens: int
    prompt_tokens: int
    total_tokens: int
    message_type: Literal["usage_statistics"] | None = None
    step_count: int | None = None
    run_ids: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class Run:
    """The account of a turn."""

    id: str
    agent_id: str
    status: RunStatus
    background: bool
    created_at: Moment
    conversation_id: str | None = None
    completed_at: Moment | None = None
    stop_reason: StopReason | None = None
    metadata: JsonObject | None = None
    total_duration_ns: int | None = None


@attrs.frozen(kw_only=True)
class Step:
    """One call of a model."""

    id: str
    run_id: str | None
    agent_id: str | None
    completion_tokens: int
    prompt_tokens: int
    total_tokens: int
    status: Literal["pending", "success", "failed", "cancelled"]
    model: str | None = None
    stop_reason: StopReason | None = None
    feedback: Literal["positive", "negative"] | None = None


@attrs.frozen(kw_only=True)
class StepMetrics:
    """How long a step took."""

    id: str
    run_id: str | None = None
    agent_id: str | None = None
    step_ns: int | None = None
    llm_request_ns: int | None = None
    tool_execution_ns: int | None = None


@attrs.frozen(kw_only=True)
class Compaction:
    """What a compaction did."""

    summary: str
    num_messages_before: int
    num_messages_after: int


@attrs.frozen(kw_only=True)
class Conversation:
    """A thread of messages beside an agent's default one."""

    id: str
    agent_id: str
    created_at: Moment | None = None
    created_by_id: str | None = None
    last_updated_by_id: str | None = None
    in_context_message_ids: tuple[str, ...] | None = None
    summary: str | None = None
    model: str | None = None
    archived: bool | None = None


@attrs.frozen(kw_only=True)
class Model:
    """A language model that agents may name."""

    name: str
    model: str
    handle: str
    provider_type: str
    model_endpoint_type: str
    context_window: int
    max_context_window: int


@attrs.frozen(kw_only=True)
class EmbeddingModel:
    """An embedding model that agents may name."""

    name: str
    display_name: str
    embedding_model: str
    embedding_dim: int
    embedding_endpoint_type: str
    provider_name: str
    provider_type: str


@attrs.frozen(kw_only=True)
class FoundMessage:
    """A message that a search found."""

    message_id: str
    created_at: Moment
    message_type: str
    content: JsonValue = None
    reasoning: str | None = None


SHAPES: tuple[type, ...] = (
    Health, Problem, Deleted, Block, Tool, FoundTool, ToolExecution, Agent, Imported, StopReasonEvent, Usage, Run, Step,
    StepMetrics, Compaction, Conversation, Model, EmbeddingModel, FoundMessage,
)  # fmt: skip

_TEXT: JsonObject = {"type": "string"}
_CALL: JsonObject = {"type": "object", "required": ["name", "arguments", "tool_call_id"]}
_CALLS: JsonObject = {"type": "array", "items": _CALL}
_CONTENT: JsonObject = {"type": ["string", "array"]}
# Which fields a variant of a message has besides those that all have.
VARIANTS: dict[str, dict[str, JsonObject]] = {
    "system_message": {"content": _TEXT},
    "user_message": {"content": _CONTENT},
    "assistant_message": {"content": _CONTENT},
    "reasoning_message": {"reasoning": _TEXT},
    "hidden_reasoning_message": {"state": {"enum": ["redacted", "omitted"]}},
    "tool_call_message": {"tool_call": _CALL, "tool_calls": _CALLS},
    "tool_return_message": {"tool_return": _CONTENT, "status": {"enum": ["success", "error"]}, "tool_call_id": _TEXT},
    "approval_request_message": {"tool_call": _CALL, "tool_calls": _CALLS},
    "approval_response_message": {"approvals": {"type": ["array", "null"]}},
    "summary_message": {"summary": _TEXT},
    "event_message": {"event_type": _TEXT},
}


def message_schemas() -> dict[str, JsonObject]:
    """Return the schemas of the variants of a message by name, and `Message`, which is one of them."""
    schemas = {_class_name(kind): _variant(kind, fields) for kind, fields in VARIANTS.items()}
    mapping = {kind: f"#/components/schemas/{_class_name(kind)}" for kind in VARIANTS}
    union: JsonObject = {
        "oneOf": [{"$ref": ref} for ref in mapping.values()],
        "discriminator": {"propertyName": "message_type", "mapping": mapping},
    }
    return schemas | {"Message": union}


def _class_name(kind: str) -> str:
    return "".join(word.capitalize() for word in kind.split("_"))


def _variant(kind: str, fields: dict[str, JsonObject]) -> JsonObject:
    common: dict[str, JsonObject] = {
        "id": _TEXT,
        "date": {"type": "string", "format": "date-time"},
        "message_type": {"const": kind},
        "otid": {"type": ["string", "null"]},
        "run_id": {"type": ["string", "null"]},
        "step_id": {"type": ["string", "null"]},
        "seq_id": {"type": ["integer", "null"]},
    }
    required = ["id", "date", "message_type", *fields]
    return {"type": "object", "title": _class_name(kind), "required": required, "properties": common | fields}

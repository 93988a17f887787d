"""What bodies of requests may hold in the shapes of Letta's API: fields with their types, and nothing else.

Every field may be absent or null; what must be there is said where a body is read. The tuples of names say what
becomes of the fields: those of the model, those that are kept as `extra`, and those that ask for what comes later.
"""

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.model.agent import AgentType
from kelpie_core.model.message import Role
from kelpie_core.model.tool import ClientSkill, ClientTool
from kelpie_core.wire.letta_agent import (
    CompactionFields,
    EmbeddingConfigFields,
    LlmConfigFields,
    ModelSettingsFields,
    ResponseFormatFields,
)
from kelpie_core.wire.letta_message import MessageType
from kelpie_core.wire.letta_tool import Requirement


@attrs.frozen(kw_only=True)
class BlockFields:
    """What a block's body may hold."""

    label: str | None = None
    value: str | None = None
    limit: int | None = None
    description: str | None = None
    read_only: bool | None = None
    hidden: bool | None = None
    tags: tuple[str, ...] | None = None
    metadata: JsonObject | None = None
    project_id: str | None = None
    template_name: str | None = None
    is_template: bool | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    deployment_id: str | None = None
    entity_id: str | None = None
    preserve_on_migration: bool | None = None


BLOCK = ("label", "value", "limit", "description", "read_only", "hidden", "tags", "metadata")
TEMPLATE = ("project_id", "template_id", "base_template_id", "deployment_id", "entity_id")
BLOCK_EXTRA = (*TEMPLATE, "template_name", "is_template", "preserve_on_migration")


@attrs.frozen(kw_only=True)
class ToolFields:
    """What a tool's body may hold."""

    source_code: str | None = None
    source_type: str | None = None
    description: str | None = None
    json_schema: JsonObject | None = None
    args_json_schema: JsonObject | None = None
    tags: tuple[str, ...] | None = None
    return_char_limit: int | None = None
    default_requires_approval: bool | None = None
    metadata_: JsonObject | None = None
    pip_requirements: tuple[Requirement, ...] | None = None
    npm_requirements: tuple[Requirement, ...] | None = None
    enable_parallel_execution: bool | None = None


TOOL = (
    "source_code", "source_type", "description", "json_schema", "args_json_schema", "tags", "return_char_limit",
    "default_requires_approval",
)  # fmt: skip
TOOL_EXTRA = ("pip_requirements", "npm_requirements", "enable_parallel_execution")


@attrs.frozen(kw_only=True)
class AgentFields:
    """What an agent's body may hold. Fields that Letta calls deprecated and unused are left out, and so ignored."""

    name: str | None = None
    agent_type: AgentType | None = None
    system: str | None = None
    description: str | None = None
    model: str | None = None
    embedding: str | None = None
    llm_config: LlmConfigFields | None = None
    embedding_config: EmbeddingConfigFields | None = None
    model_settings: ModelSettingsFields | None = None
    memory_blocks: tuple[JsonObject, ...] | None = None
    block_ids: tuple[str, ...] | None = None
    tool_ids: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    tool_rules: tuple[JsonObject, ...] | None = None
    include_base_tools: bool | None = None
    tags: tuple[str, ...] | None = None
    metadata: JsonObject | None = None
    secrets: dict[str, str] | None = attrs.field(default=None, repr=False)
    tool_exec_environment_variables: dict[str, str] | None = attrs.field(default=None, repr=False)
    timezone: str | None = None
    message_buffer_autoclear: bool | None = None
    hidden: bool | None = None
    context_window_limit: int | None = None
    compaction_settings: CompactionFields | None = None
    response_format: ResponseFormatFields | None = None
    max_files_open: int | None = None
    per_file_view_window_char_limit: int | None = None
    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    deployment_id: str | None = None
    entity_id: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    parallel_tool_calls: bool | None = None
    initial_message_sequence: tuple[JsonObject, ...] | None = None
    folder_ids: tuple[str, ...] | None = None
    source_ids: tuple[str, ...] | None = None
    identity_ids: tuple[str, ...] | None = None
    enable_sleeptime: bool | None = None
    include_default_source: bool | None = None
    include_base_tool_rules: bool | None = None
    from_template: str | None = None
    message_ids: tuple[str, ...] | None = None
    last_stop_reason: str | None = None
    last_run_completion: str | None = None
    last_run_duration_ms: int | None = None


AGENT = (
    "name", "system", "description", "embedding", "block_ids", "tool_ids", "tool_rules", "tags", "metadata",
    "timezone", "message_buffer_autoclear", "hidden",
)  # fmt: skip
AGENT_CONFIGS = ("llm_config", "embedding_config", "model_settings")
AGENT_EXTRA = (
    *TEMPLATE, "context_window_limit", "compaction_settings", "response_format", "max_files_open",
    "per_file_view_window_char_limit",
)  # fmt: skip
CREATE_LATER = (
    "folder_ids", "source_ids", "identity_ids", "enable_sleeptime",
    "include_default_source", "from_template",
)  # fmt: skip
UPDATE_LATER = (
    "folder_ids", "source_ids", "identity_ids", "enable_sleeptime", "message_ids", "last_stop_reason",
    "last_run_completion", "last_run_duration_ms",
)  # fmt: skip
NULLABLE = ("description", "hidden", "embedding", "timezone", "args_json_schema", "default_requires_approval")


@attrs.frozen(kw_only=True)
class TurnFields:
    """What the body of a request for a turn may hold."""

    messages: tuple[JsonObject, ...] | None = None
    input: str | tuple[JsonObject, ...] | None = None
    max_steps: int | None = None
    streaming: bool | None = None
    stream_tokens: bool | None = None
    include_pings: bool | None = None
    background: bool | None = None
    include_return_message_types: tuple[MessageType, ...] | None = None
    include_compaction_messages: bool | None = None
    use_assistant_message: bool | None = None
    assistant_message_tool_name: str | None = None
    assistant_message_tool_kwarg: str | None = None
    client_tools: tuple[ClientTool, ...] | None = None
    client_skills: tuple[ClientSkill, ...] | None = None
    override_model: str | None = None
    override_system: str | None = None
    return_logprobs: bool | None = None
    return_token_ids: bool | None = None
    callback_url: str | None = None


TURN_LATER = ("return_logprobs", "return_token_ids", "callback_url")


@attrs.frozen(kw_only=True)
class MessageFields:
    """What a message of a request may hold."""

    role: Role
    content: str | tuple[JsonObject, ...]
    name: str | None = None
    otid: str | None = None
    sender_id: str | None = None
    group_id: str | None = None
    batch_item_id: str | None = None


@attrs.frozen(kw_only=True)
class ApprovalFields:
    """What the answer to a request for approval may hold."""

    approvals: tuple[JsonObject, ...] | None = None
    approve: bool | None = None
    approval_request_id: str | None = None
    reason: str | None = None
    otid: str | None = None
    group_id: str | None = None


@attrs.frozen(kw_only=True)
class ToolReturnFields:
    """What a message with the returns of client-side tools may hold."""

    tool_returns: tuple[JsonObject, ...]
    otid: str | None = None
    group_id: str | None = None

"""A tool, a call of it by the model, and what the call returned."""

import datetime as dt
from enum import StrEnum

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.limits import TOOL_RETURN_CHARS_DEFAULT
from kelpie_core.model.checks import aware_utc


class ToolType(StrEnum):
    """Where a tool comes from, in the wire's words."""

    CUSTOM = "custom"
    CORE = "letta_core"
    MEMORY_CORE = "letta_memory_core"
    MULTI_AGENT_CORE = "letta_multi_agent_core"
    SLEEPTIME_CORE = "letta_sleeptime_core"
    VOICE_SLEEPTIME_CORE = "letta_voice_sleeptime_core"
    BUILTIN = "letta_builtin"
    FILES_CORE = "letta_files_core"
    EXTERNAL_LANGCHAIN = "external_langchain"
    EXTERNAL_COMPOSIO = "external_composio"
    EXTERNAL_MCP = "external_mcp"


class ToolStatus(StrEnum):
    """How a call ended."""

    SUCCESS = "success"
    ERROR = "error"


@attrs.frozen(kw_only=True)
class Tool:
    """A tool. `name` is unique in an organization. `idempotent`: after a crash in mid-call it may simply run again."""

    id: str
    organization_id: str
    created_by_id: str
    name: str
    tool_type: ToolType = ToolType.CUSTOM
    description: str | None = None
    source_type: str | None = None
    source_code: str | None = None
    json_schema: JsonObject | None = None
    args_json_schema: JsonObject | None = None
    tags: tuple[str, ...] = ()
    return_char_limit: int = TOOL_RETURN_CHARS_DEFAULT
    default_requires_approval: bool | None = None
    idempotent: bool = False
    metadata: JsonObject = attrs.field(factory=dict)
    last_updated_by_id: str | None = None
    created_at: dt.datetime = attrs.field(validator=aware_utc)
    updated_at: dt.datetime = attrs.field(validator=aware_utc)
    extra: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class ToolCall:
    """A call that the model asked for. `arguments` is the model's text, JSON if the model behaved.

    `asks`: it waits for somebody's answer before it runs (or for what it gave, where the client runs it).
    """

    id: str
    name: str
    arguments: str
    asks: bool = False


@attrs.frozen(kw_only=True)
class ClientTool:
    """A tool that a request brings along and its client runs. It is offered for one run and stored with that only."""

    name: str
    description: str | None = None
    parameters: JsonObject | None = None


@attrs.frozen(kw_only=True)
class ClientSkill:
    """A skill that a request tells of: where the client keeps it, for the system prompt of one run."""

    name: str
    description: str
    location: str


@attrs.frozen(kw_only=True)
class ToolReturn:
    """What a call gave. `tool_call_id` is None only in files of the old generation, where the message has it."""

    tool_call_id: str | None
    status: ToolStatus
    text: str | None = None
    stdout: tuple[str, ...] | None = None
    stderr: tuple[str, ...] | None = None

"""A tool in the shape of Letta's API."""

import datetime as dt

import attrs

from kelpie_core.ids import draw_id
from kelpie_core.json_types import JsonObject
from kelpie_core.model.tool import Tool, ToolReturn
from kelpie_core.ports import Entropy
from kelpie_core.service.tool_search import FoundTool
from kelpie_core.wire.letta_fields import fitting


@attrs.frozen(kw_only=True)
class Requirement:
    """A package that a tool's source imports."""

    name: str
    version: str | None = None


@attrs.frozen(kw_only=True)
class ToolExtra:
    """Fields of Letta's tool that are kept and shown as they came."""

    pip_requirements: tuple[Requirement, ...] | None = None
    npm_requirements: tuple[Requirement, ...] | None = None
    enable_parallel_execution: bool | None = False
    project_id: str | None = None


def tool_json(tool: Tool) -> JsonObject:
    """Return a tool as Letta's clients read it."""
    return {
        **attrs.asdict(ToolExtra()),
        **fitting(tool.extra, ToolExtra, only_known=True),
        "id": tool.id,
        "tool_type": tool.tool_type.value,
        "name": tool.name,
        "description": tool.description,
        "source_type": tool.source_type,
        "source_code": tool.source_code,
        "json_schema": tool.json_schema,
        "args_json_schema": tool.args_json_schema,
        "tags": list(tool.tags),
        "return_char_limit": tool.return_char_limit,
        "default_requires_approval": tool.default_requires_approval,
        "created_by_id": tool.created_by_id,
        "last_updated_by_id": tool.last_updated_by_id or tool.created_by_id,
        "metadata_": tool.metadata,
    }


def found_json(found: FoundTool, *, ranked: bool) -> JsonObject:
    """Return a tool that a search found; without a query nothing was ranked."""
    return {
        "tool": tool_json(found.tool),
        "embedded_text": None,
        "fts_rank": found.rank if ranked else None,
        "vector_rank": None,
        "combined_score": found.score,
    }


def executed_json(returned: ToolReturn) -> JsonObject:
    """Return what a run of an agent's tool gave."""
    return {
        "status": returned.status.value,
        "func_return": returned.text,
        "agent_state": None,
        "stdout": list(returned.stdout or ()),
        "stderr": list(returned.stderr or ()),
        "sandbox_config_fingerprint": None,
    }


def return_message_json(returned: ToolReturn, name: str, entropy: Entropy, now: dt.datetime) -> JsonObject:
    """Return what a run of source gave, as the message that it would be in a turn."""
    output = {"stdout": list(returned.stdout or ()), "stderr": list(returned.stderr or ())}
    one = {"tool_call_id": returned.tool_call_id, "status": returned.status.value, "tool_return": returned.text or ""}
    return {
        "id": draw_id("message", entropy),
        "date": now,
        "message_type": "tool_return_message",
        "name": name,
        **one,
        **output,
        "tool_returns": [{**one, **output, "type": "tool"}],
    }

"""A tool in the shape of Letta's API."""

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.model.tool import Tool
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
        "last_updated_by_id": tool.created_by_id,
        "metadata_": tool.metadata,
    }

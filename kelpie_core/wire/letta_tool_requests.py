"""Bodies and queries of requests for tools in the shapes of Letta's API, to what the services take.

Without a schema one is read from the source. A client may send a schema of its own with any source; then the source is
not looked at.
"""

from collections.abc import Mapping

import attrs

from kelpie_core.errors import InvalidInput, Unsupported
from kelpie_core.ids import check_id
from kelpie_core.json_types import JsonObject, JsonValue
from kelpie_core.model.tool import ToolType
from kelpie_core.service.drafts import ToolChanges, ToolDraft
from kelpie_core.service.tool_search import ToolFilter
from kelpie_core.tool_schema import FOREIGN_SOURCES, BadToolSource, derive_schema
from kelpie_core.wire.letta_bodies import NULLABLE, TOOL, TOOL_EXTRA, ToolFields
from kelpie_core.wire.letta_fields import present, typed
from kelpie_core.wire.letta_query import Query, flag_of, one_of

SOURCE_TYPE_DEFAULT = "python"
UNNAMED = "tool"
_SEARCH_MODES = ("hybrid", "fts")


@attrs.frozen(kw_only=True)
class _RunFields:
    args: JsonObject | None = None
    env_vars: dict[str, str] | None = attrs.field(default=None, repr=False)
    name: str | None = None


@attrs.frozen(kw_only=True)
class _SearchFields:
    query: str | None = None
    search_mode: str | None = None
    tool_types: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    limit: int | None = None


@attrs.frozen(kw_only=True)
class _ApprovalFields:
    requires_approval: bool | None = None


@attrs.frozen(kw_only=True)
class SourceRun:
    """A run of source that is not stored."""

    draft: ToolDraft
    arguments: JsonObject
    environment: Mapping[str, str] = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class ToolSearch:
    """A search."""

    query: str | None
    wanted: ToolFilter
    limit: int


def tool_draft(raw: JsonObject) -> ToolDraft:
    """Return the tool that a body describes; raise InvalidInput, BadToolSource."""
    fields = typed(raw, ToolFields)
    if fields.source_code is None:
        raise InvalidInput("is required", path="$.source_code")
    source_type = fields.source_type or SOURCE_TYPE_DEFAULT
    schema = _schema_of(fields, source_type) if fields.json_schema is None else fields.json_schema
    described: JsonObject = {"description": _schema_text(schema, "description")} | present(fields, TOOL)
    return ToolDraft(
        **(described | {"source_type": source_type, "json_schema": schema}),
        name=_schema_name(schema),
        metadata=fields.metadata_ or {},
        extra={name: raw[name] for name in present(fields, TOOL_EXTRA)},
    )


def tool_changes(raw: JsonObject) -> ToolChanges:
    """Return the changes of a tool that a body describes; raise InvalidInput. A schema brings its name."""
    fields = typed(raw, ToolFields)
    cleared = {name: None for name in TOOL if name in NULLABLE and name in raw and raw[name] is None}
    changes: JsonObject = cleared | present(fields, TOOL)
    if fields.metadata_ is not None:
        changes["metadata"] = fields.metadata_
    if fields.json_schema is not None:
        changes["name"] = _schema_name(fields.json_schema)
    if extra := {name: raw[name] for name in present(fields, TOOL_EXTRA)}:
        changes["extra"] = extra
    return ToolChanges(**changes)


def run_arguments(raw: JsonObject) -> JsonObject:
    """Return the arguments to run an agent's tool with; raise InvalidInput."""
    return typed(raw, _RunFields).args or {}


def source_run(raw: JsonObject) -> SourceRun:
    """Return the run of source that a body asks for; raise InvalidInput. Nothing of it need be described or typed."""
    fields, tool = typed(raw, _RunFields), typed(raw, ToolFields)
    if tool.source_code is None:
        raise InvalidInput("is required", path="$.source_code")
    named = None if tool.json_schema is None else _schema_text(tool.json_schema, "name")
    draft = ToolDraft(
        name=fields.name or named or UNNAMED,
        source_code=tool.source_code,
        source_type=tool.source_type or SOURCE_TYPE_DEFAULT,
        args_json_schema=tool.args_json_schema,
        extra={name: raw[name] for name in present(tool, TOOL_EXTRA)},
    )
    return SourceRun(draft=draft, arguments=fields.args or {}, environment=fields.env_vars or {})


def approval_asked(raw: JsonObject, query: Query) -> bool:
    """Return whether calls shall wait for approval, said in the body or by older clients in the query."""
    asked = typed(raw, _ApprovalFields).requires_approval
    if asked is None and one_of(query, "requires_approval") is None:
        raise InvalidInput("is required", path="$.requires_approval")
    return flag_of(query, "requires_approval", default=False) if asked is None else asked


def tool_search(raw: JsonObject) -> ToolSearch:
    """Return the search that a body asks for; raise InvalidInput, Unsupported for one by meaning alone."""
    fields = typed(raw, _SearchFields)
    mode = fields.search_mode or _SEARCH_MODES[0]
    if mode == "vector":
        raise Unsupported("tools.search with search_mode vector")
    if mode not in _SEARCH_MODES:
        raise InvalidInput(f"no search has the mode {mode[:80]!r}", path="$.search_mode")
    types = None if fields.tool_types is None else _types(fields.tool_types, "$.tool_types")
    wanted = ToolFilter(types=types, tags=fields.tags)
    return ToolSearch(query=fields.query, wanted=wanted, limit=50 if fields.limit is None else fields.limit)


def tool_filter(query: Query) -> ToolFilter:
    """Return which tools a query asks for; raise InvalidInput. Lists may be repeated or separated by commas."""
    names, ids, types = (_several(query, name) for name in ("names", "tool_ids", "tool_types"))
    letta, others = (flag_of(query, name, default=False) for name in ("return_only_letta_tools", "exclude_letta_tools"))
    if letta and others:
        raise InvalidInput("asks for what return_only_letta_tools leaves out", path="$.exclude_letta_tools")
    return ToolFilter(
        names=names,
        ids=None if ids is None else tuple(check_id("tool", one, path="$.tool_ids") for one in ids),
        search=one_of(query, "search"),
        types=None if types is None else _types(types, "$.tool_types"),
        excluded_types=_types(_several(query, "exclude_tool_types") or (), "$.exclude_tool_types"),
        letta=True if letta else False if others else None,
    )


def _schema_of(fields: ToolFields, source_type: str) -> JsonObject:
    if source_type.lower() in FOREIGN_SOURCES:
        raise BadToolSource(f"none can be read from {source_type}: send json_schema")
    return derive_schema(
        fields.source_code or "", description=fields.description, args_json_schema=fields.args_json_schema
    )


def _several(query: Query, name: str) -> tuple[str, ...] | None:
    words = tuple(word for value in query.get(name, ()) for word in value.split(",") if word)
    return words or None


def _types(words: tuple[str, ...], path: str) -> tuple[ToolType, ...]:
    known = {kind.value: kind for kind in ToolType}
    for word in words:
        if word not in known:
            raise InvalidInput(f"no tool has the type {word[:80]!r}", path=path)
    return tuple(known[word] for word in words)


def _schema_name(schema: JsonObject) -> str:
    name = _schema_text(schema, "name")
    if name is None:
        raise InvalidInput("is required", path="$.json_schema.name")
    return name


def _schema_text(schema: JsonObject, name: str) -> str | None:
    value: JsonValue = schema.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidInput("expected a text", path=f"$.json_schema.{name}")
    return value

"""What each operation takes and answers: the class of its body, its query's parameters, the shape of its answer."""

from collections.abc import Mapping

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.wire.letta_bodies import AgentFields, BlockFields, ToolFields, TurnFields
from kelpie_core.wire.letta_filters import RELATIONS
from kelpie_core.wire.letta_search import SearchFields

JSON, EVENTS, FORM = "application/json", "text/event-stream", "multipart/form-data"
TEXT: JsonObject = {"type": "string"}
FLAG: JsonObject = {"type": "boolean"}
OBJECT: JsonObject = {"type": "object"}
EVENTS_SCHEMA: JsonObject = {"type": "string", "description": "data: {json} lines, data: [DONE] at the end"}


@attrs.frozen(kw_only=True)
class Described:
    """What is said of an operation. `streams`: its answer may be a stream of events, `always` or as the body asks."""

    answer: JsonObject
    body: type | JsonObject | None = None
    required: tuple[str, ...] = ()
    query: Mapping[str, JsonObject] = attrs.field(factory=dict)
    form: bool = False
    streams: str | None = None
    turn: bool = False


def ref(name: str) -> JsonObject:
    """Return the reference to a schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def many(name: str) -> JsonObject:
    """Return the schema of a list of them."""
    return {"type": "array", "items": ref(name)}


def _page(prefix: str, **filters: JsonObject) -> dict[str, JsonObject]:
    cursor = _id(prefix)
    return {
        "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
        "after": cursor,
        "before": cursor,
        "order": {"enum": ["asc", "desc"]},
        **filters,
    }


def _id(prefix: str) -> JsonObject:
    return {"type": "string", "pattern": id_pattern(prefix)}


def id_pattern(prefix: str) -> str:
    """Return the pattern of the ids of a kind."""
    return f"^{prefix}-[0-9a-f]{{8}}-[0-9a-f]{{4}}-4[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}$"


_TEXTS: JsonObject = {"type": "array", "items": TEXT}
_COUNT: JsonObject = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
_TAGGED = {"name": TEXT, "tags": _TEXTS, "match_all_tags": FLAG}
_PARTS = {
    "include": {"type": "array", "items": {"enum": list(RELATIONS)}},
    "include_relationships": _TEXTS,
}
_TYPES = {"include_return_message_types": _TEXTS}
_TURN: JsonObject = {
    "type": "object",
    "required": ["messages", "stop_reason", "usage"],
    "properties": {"messages": many("Message"), "stop_reason": ref("StopReasonEvent"), "usage": ref("Usage")},
}
_RESUME: JsonObject = {
    "type": "object",
    "properties": {
        "starting_after": {"type": ["integer", "null"]},
        "batch_size": {"type": ["integer", "null"]},
        "include_pings": {"type": ["boolean", "null"]},
        "poll_interval": {"type": ["number", "null"]},
        "otid": {"type": ["string", "null"]},
    },
}
_FILE: JsonObject = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        **dict.fromkeys(("name", "model", "embedding", "secrets"), TEXT),
        **dict.fromkeys(("append_copy_suffix", "strip_messages", "override_existing_tools"), FLAG),
    },
}
_OUTCOMES: JsonObject = {"type": "object", "additionalProperties": True}
_AGENT_ID = {"agent_id": _id("agent")}
_ATTACHED = Described(answer=ref("Agent"))
_APPROVAL: JsonObject = {"type": "object", "properties": {"requires_approval": {"type": "boolean"}}}
_SEARCH: JsonObject = {
    "type": "object",
    "properties": {"query": {"type": ["string", "null"]}, "limit": {"type": "integer"}},
}

DESCRIBED: dict[str, Described] = {
    "health": Described(answer=ref("Health")),
    "agents.create": Described(answer=ref("Agent"), body=AgentFields),
    "agents.retrieve": Described(answer=ref("Agent"), query=_PARTS),
    "agents.update": Described(answer=ref("Agent"), body=AgentFields),
    "agents.list": Described(
        answer=many("Agent"),
        query=_page(
            "agent",
            **_TAGGED,
            **_PARTS,
            **dict.fromkeys(("query_text", "created_by_id", "project_id", "template_id", "base_template_id"), TEXT),
            last_stop_reason=TEXT,
            order_by={"enum": ["created_at", "updated_at", "last_run_completion"]},
        ),
    ),
    "agents.delete": Described(answer=ref("Deleted")),
    "agents.export_file": Described(answer=OBJECT),
    "agents.import_file": Described(answer=ref("Imported"), body=_FILE, form=True),
    "agents.recompile": Described(answer=TEXT),
    "agents.messages.create": Described(answer=_TURN, body=TurnFields, streams="asked", turn=True),
    "agents.messages.stream": Described(answer=_TURN, body=TurnFields, streams="always", turn=True),
    "agents.messages.create_async": Described(answer=ref("Run"), body=TurnFields, turn=True),
    "agents.messages.list": Described(answer=many("Message"), query=_page("message", **_TYPES, conversation_id=TEXT)),
    "agents.messages.cancel": Described(
        answer=_OUTCOMES, body={"type": "object", "properties": {"run_ids": {"type": ["array", "null"], "items": TEXT}}}
    ),
    "agents.messages.compact": Described(answer=ref("Compaction"), body=OBJECT, turn=True),
    "agents.messages.reset": Described(answer={"anyOf": [ref("Agent"), {"type": "null"}]}, body=OBJECT),
    "agents.blocks.retrieve": Described(answer=ref("Block")),
    "agents.blocks.update": Described(answer=ref("Block"), body=BlockFields),
    "agents.blocks.list": Described(answer=many("Block"), query=_page("block")),
    "agents.blocks.attach": _ATTACHED,
    "agents.blocks.detach": _ATTACHED,
    "agents.tools.list": Described(answer=many("Tool"), query=_page("tool")),
    "agents.tools.attach": _ATTACHED,
    "agents.tools.detach": _ATTACHED,
    "agents.tools.run": Described(answer=ref("ToolExecution"), body=OBJECT),
    "agents.tools.update_approval": Described(answer=ref("Agent"), body=_APPROVAL),
    "blocks.create": Described(answer=ref("Block"), body=BlockFields, required=("label", "value")),
    "blocks.retrieve": Described(answer=ref("Block")),
    "blocks.update": Described(answer=ref("Block"), body=BlockFields),
    "blocks.list": Described(
        answer=many("Block"),
        query=_page(
            "block",
            **_TAGGED,
            **dict.fromkeys(("label", "label_search", "value_search", "description_search", "project_id"), TEXT),
            templates_only=FLAG,
            connected_to_agents_count_eq={"type": "array", "items": _COUNT},
            connected_to_agents_count_gt=_COUNT,
            connected_to_agents_count_lt=_COUNT,
        ),
    ),
    "blocks.delete": Described(answer=ref("Deleted")),
    "blocks.agents.list": Described(answer=many("Agent"), query=_page("agent", **_PARTS)),
    "tools.create": Described(answer=ref("Tool"), body=ToolFields, required=("source_code",)),
    "tools.upsert": Described(answer=ref("Tool"), body=ToolFields, required=("source_code",)),
    "tools.retrieve": Described(answer=ref("Tool")),
    "tools.update": Described(answer=ref("Tool"), body=ToolFields),
    "tools.list": Described(
        answer=many("Tool"),
        query=_page(
            "tool",
            **dict.fromkeys(("name", "search"), TEXT),
            **dict.fromkeys(("names", "tool_ids", "tool_types", "exclude_tool_types"), _TEXTS),
            return_only_letta_tools=FLAG,
        ),
    ),
    "tools.delete": Described(answer=ref("Deleted")),
    "tools.search": Described(answer=many("FoundTool"), body=_SEARCH),
    "runs.retrieve": Described(answer=ref("Run")),
    "runs.list": Described(answer=many("Run"), query=_page("run", **_AGENT_ID, statuses=_TEXTS)),
    "runs.messages.list": Described(answer=many("Message"), query=_page("message")),
    "runs.messages.stream": Described(answer=OBJECT, body=_RESUME, streams="always"),
    "runs.usage.retrieve": Described(answer=ref("Usage")),
    "runs.steps.list": Described(answer=many("Step"), query=_page("step")),
    "runs.trace.retrieve": Described(answer={"type": "array", "items": OBJECT}),
    "steps.retrieve": Described(answer=ref("Step")),
    "steps.list": Described(answer=many("Step"), query=_page("step", **_AGENT_ID)),
    "steps.metrics.retrieve": Described(answer=ref("StepMetrics")),
    "steps.trace.retrieve": Described(answer={"type": ["object", "null"]}),
    "steps.feedback.create": Described(answer=ref("Step"), body=OBJECT),
    "steps.messages.list": Described(answer=many("Message"), query=_page("message")),
    "models.list": Described(answer=many("Model")),
    "models.embeddings.list": Described(answer=many("EmbeddingModel")),
    "tags.list": Described(answer=_TEXTS),
    "messages.retrieve": Described(answer=many("Message")),
    "messages.list": Described(answer=many("Message"), query=_page("message", **_TYPES)),
    "messages.search": Described(answer=many("FoundMessage"), body=SearchFields),
    "conversations.create": Described(answer=ref("Conversation"), body=OBJECT, query=_AGENT_ID),
    "conversations.retrieve": Described(answer=ref("Conversation")),
    "conversations.update": Described(answer=ref("Conversation"), body=OBJECT),
    "conversations.list": Described(answer=many("Conversation"), query=_page("conv", **_AGENT_ID)),
    "conversations.delete": Described(answer={}),
    "conversations.cancel": Described(answer=_OUTCOMES),
    "conversations.fork": Described(answer=ref("Conversation")),
    "conversations.recompile": Described(answer=TEXT),
    "conversations.messages.create": Described(answer=_TURN, body=TurnFields, streams="asked", turn=True),
    "conversations.messages.list": Described(answer=many("Message"), query=_page("message", **_TYPES, **_AGENT_ID)),
    "conversations.messages.compact": Described(answer=ref("Compaction"), body=OBJECT, turn=True),
    "conversations.messages.stream": Described(answer=OBJECT, body=_RESUME, streams="always"),
}

"""The independent reading of agent files: a form in which two of them can be compared.

It is written anew from the format, not from the reader under test: ids are renumbered by place, a null or empty field
is an absent one, a text stands for one text part, a time without a zone is UTC, an old file is rewritten as a new one,
and what an export always says (DEFAULTS) is filled in.
"""

import datetime as dt
import json
from itertools import zip_longest
from typing import Any

Json = dict[str, Any]
# A file that says no time of creation gets the time of its import: this stands for it.
NOON_TEXT = "2026-03-01T12:00:00+00:00"
DEFAULTS: dict[str, Json] = {
    "agent": {
        "agent_type": "letta_v1_agent",
        "include_base_tools": False,
        "include_multi_agent_tools": False,
        "include_base_tool_rules": False,
        "include_default_source": False,
        "turn_limits": {"steps_max": 50, "tool_calls_max": 500, "tokens_max": 100_000_000, "seconds_max": 3_600},
    },
    "block": {"limit": 100_000},
    "tool": {"tool_type": "custom", "return_char_limit": 50_000},
}
# Fields that say nothing when they are null, empty or false.
SILENT = {
    "agent": "system description model embedding llm_config embedding_config model_settings block_ids tool_ids"
    " tool_rules tags metadata tool_exec_environment_variables secrets timezone message_buffer_autoclear"
    " in_context_message_ids messages memory_blocks tools source_ids folder_ids files_agents group_ids identity_ids"
    " multi_agent_group",
    "block": "description read_only tags metadata",
    "tool": "description source_type source_code json_schema args_json_schema tags idempotent metadata",
    "message": "content tool_calls tool_call_id tool_returns name otid sender_id run_id step_id group_id batch_item_id"
    " model approval_request_id denial_reason approvals is_err",
    "part": "signature",
    "return": "tool_call_id func_response",
}
# Fields of which null says nothing, but false or empty does.
NULLS = {
    "agent": "hidden",
    "block": "hidden",
    "tool": "default_requires_approval",
    "message": "approve",
    "return": "stdout stderr",
}


def same(original: Json, exported: Json) -> bool:
    """Return whether an export, in comparable form, says what the original says; a time that it lacks may be any."""
    return _with_times_of(original, exported) == exported


def _with_times_of(original: object, exported: object) -> object:
    if isinstance(original, dict) and isinstance(exported, dict):
        return {
            key: exported.get(key) if value == NOON_TEXT else _with_times_of(value, exported.get(key))
            for key, value in original.items()
        }
    if isinstance(original, list) and isinstance(exported, list):
        pairs = zip_longest(original, exported)
        return [_with_times_of(one, other) for one, other in pairs]
    return original


def normalized(data: bytes, agent: int = 0) -> Json:
    """Return the agent at a place of a file in comparable form."""
    return normal_form(json.loads(data), agent)


def normal_form(document: Json, place: int = 0) -> Json:
    """Return one agent of a file with its blocks and tools, and what the file says of itself, in comparable form."""
    document = json.loads(json.dumps(document if "agents" in document else upgraded(document)))
    agent = document["agents"][place]
    blocks, tools = ({part["id"]: part for part in document[name]} for name in ("blocks", "tools"))
    about = {key: value for key, value in document.items() if key not in ("agents", "blocks", "tools", "created_at")}
    return {
        "agent": _agent(agent),
        "blocks": [_timed(_said(blocks[key], "block")) for key in agent.get("block_ids") or []],
        "tools": [_timed(_said(_renamed(tools[key]), "tool")) for key in agent.get("tool_ids") or []],
        "messages": _messages(agent),
        "about": {key: value for key, value in about.items() if value},
    }


def upgraded(document: Json) -> Json:
    """Return a file of the old generation as one of the new."""
    agent = dict(document)
    blocks, tools, variables, indices = (
        agent.pop(name) or []
        for name in ("core_memory", "tools", "tool_exec_environment_variables", "in_context_message_indices")
    )
    agent["messages"] = [{**message, "id": f"m{number}"} for number, message in enumerate(agent["messages"])]
    if variables:
        agent["environment_variables"] = [{k: v for k, v in row.items() if k != "value"} for row in variables]
    agent |= {
        "id": "a",
        "block_ids": [f"b{number}" for number in range(len(blocks))],
        "tool_ids": [f"t{number}" for number in range(len(tools))],
        "tool_exec_environment_variables": {row["key"]: row["value"] for row in variables},
        "in_context_message_ids": [f"m{number}" for number in indices],
    }
    return {
        "agents": [agent],
        "blocks": [{**_renamed(block), "id": f"b{number}"} for number, block in enumerate(blocks)],
        "tools": [{**tool, "id": f"t{number}"} for number, tool in enumerate(tools)],
    }


def _agent(agent: Json) -> Json:
    places = {message["id"]: number for number, message in enumerate(agent.get("messages") or [])}
    window = [places[key] for key in agent.get("in_context_message_ids") or []]
    names = {**(agent.get("tool_exec_environment_variables") or {}), **(agent.get("secrets") or {})}
    counts = {"block_ids": len(agent.get("block_ids") or []), "tool_ids": len(agent.get("tool_ids") or [])}
    plain = {k: v for k, v in agent.items() if k not in ("messages", "tool_exec_environment_variables", "secrets")}
    said = _said({**_renamed(plain), **counts, "in_context_message_ids": window}, "agent")
    return {**_timed(said), "secrets": sorted(names)}


def _messages(agent: Json) -> list[Json]:
    messages = agent.get("messages") or []
    places = {message["id"]: f"message {number}" for number, message in enumerate(messages)}
    seen: dict[tuple[str, str], str] = {}

    def numbered(kind: str, key: str) -> str:
        return "self" if key == agent["id"] else seen.setdefault((kind, key), f"{kind} {len(seen)}")

    shown = []
    for message in messages:
        said = _said({"type": "message", **message, "id": places[message["id"]], "agent_id": "self"}, "message")
        said |= {kind: numbered(kind, said[kind]) for kind in ("sender_id", "run_id", "step_id") if kind in said}
        if "approval_request_id" in said:
            said["approval_request_id"] = places.get(said["approval_request_id"], said["approval_request_id"])
        shown.append({**said, **_elements(said), "created_at": _utc(said.get("created_at", NOON_TEXT))})
    return shown


def _elements(message: Json) -> Json:
    content = message.get("content", [])
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    lists = {
        "content": [{"is_native": True, **part} if part["type"] == "reasoning" else part for part in parts],
        "tool_calls": [{"type": "function", **call} for call in message.get("tool_calls", [])],
        "tool_returns": [_said(given, "return") for given in message.get("tool_returns", [])],
    }
    lists["content"] = [
        _said(part, "part") if part["type"] in ("text", "reasoning") else part for part in lists["content"]
    ]
    return {name: items for name, items in lists.items() if items}


def _said(part: Json, kind: str) -> Json:
    silent, nulls = SILENT[kind].split(), NULLS.get(kind, "").split()
    kept = {k: v for k, v in part.items() if not (k in silent and not v) and not (k in nulls and v is None)}
    places = {} if kind in ("message", "part", "return") else {"id": kind}
    return {**DEFAULTS.get(kind, {}), **kept, **places}


def _renamed(part: Json) -> Json:
    return {"metadata" if key == "metadata_" else key: value for key, value in part.items()}


def _timed(part: Json) -> Json:
    created_at: str = part.get("created_at", NOON_TEXT)
    updated_at: str = part.get("updated_at", created_at)
    return {**part, "created_at": _utc(created_at), "updated_at": _utc(updated_at)}


def _utc(text: str) -> str:
    time = dt.datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).astimezone(dt.UTC).isoformat()

"""Writes the agent files that scenarios and tests import, so that a bare clone has some.

- keeper_legacy.af: the old generation, with holes in its window, an environment variable, text content, naive times.
- gardeners.af: the new generation at its most various: two agents that share a block, parallel tool calls, reasoning,
  parts of unknown kinds, unknown fields at every depth, approvals, a window out of order, odd characters.
- tide_diary.af: a history longer than the window and than one transaction of an import.
"""

import datetime as dt
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "kelpie_sim" / "agents" / "sample_files"
START = dt.datetime(2025, 9, 1, 6, 0, tzinfo=dt.UTC)
WEATHER = '''def read_barometer(place: str) -> str:
    """Read the barometer at a place."""
    return f"{place}: 1013 hPa, falling"
'''


def time_text(minutes: int) -> str:
    """Return the time so many minutes after the start."""
    return (START + dt.timedelta(minutes=minutes)).isoformat()


def schema(name: str, description: str, /, **parameters: str) -> dict[str, Any]:
    """Return the JSON schema of a tool whose parameters are all needed."""
    properties = {key: {"type": "string", "description": text} for key, text in parameters.items()}
    return {
        "name": name,
        "description": description,
        "parameters": {"type": "object", "properties": properties, "required": list(parameters)},
    }


def call(call_id: str, name: str, /, **arguments: object) -> dict[str, Any]:
    """Return a tool call."""
    function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
    return {"id": call_id, "type": "function", "function": function}


def text(value: str, **more: object) -> dict[str, Any]:
    """Return a text part."""
    return {"type": "text", "text": value, **more}


STAMP = "2025-02-03T04:05:06"
STAMPED = {"created_at": STAMP, "updated_at": STAMP, "metadata_": {}}


def keeper() -> dict[str, Any]:
    """Return a file of the old generation."""
    block = {**STAMPED, "is_template": False, "template_name": None, "limit": 5000}
    variable = {"created_at": STAMP, "description": "of the weather office", "updated_at": STAMP}
    return {
        "agent_type": "memgpt_agent",
        "core_memory": [
            {**block, "label": "persona", "value": "I keep the lamp. I write short sentences.", "description": None},
            {**block, "label": "human", "value": "", "description": "Who is on watch", "metadata_": {"watch": 2}},
        ],
        "created_at": STAMP,
        "description": "Keeps the log of a lighthouse",
        "embedding_config": {"embedding_model": "hash-64", "embedding_dim": 64, "embedding_endpoint": None},
        "llm_config": {
            "model": "harbour-small",
            "context_window": 16000,
            "temperature": 0.5,
            "handle": "harbour/small",
        },
        "message_buffer_autoclear": False,
        "in_context_message_indices": [0, 1, 4, 5, 6, 7],
        "messages": keeper_messages(),
        "metadata_": None,
        "multi_agent_group": None,
        "name": "keeper",
        "system": "You keep the log of a lighthouse.",
        "tags": ["night", "sea"],
        "tool_exec_environment_variables": [{**variable, "key": "GLASS_KEY", "value": ""}],
        "tool_rules": [{"tool_name": "send_message", "type": "exit_loop"}],
        "tools": keeper_tools(),
        "updated_at": "2025-02-03T04:06:00.5",
        "version": "0.9.1",
    }


def keeper_messages() -> list[dict[str, Any]]:
    """Return the keeper's history: returns that only their message pairs with a call, one without any return part."""
    silent: dict[str, Any] = {
        "group_id": None,
        "model": "harbour-small",
        "name": None,
        "tool_call_id": None,
        "updated_at": STAMP,
    }
    silent |= {"tool_calls": [], "tool_returns": []}

    def message(second: int, role: str, content: object, **more: object) -> dict[str, Any]:
        at = f"2025-02-03T04:05:{second:02}.000250"
        return {**silent, "created_at": at, "role": role, "content": content, **more}

    tapped = [{"status": "success", "stdout": ["tap tap\n"], "stderr": []}]
    first, second = call("c-1", "read_barometer", place="gallery"), call("c-2", "send_message", message="It falls.")
    done = [text('{"status": "OK"}')]
    return [
        message(0, "system", [text("You keep the log.")]),
        message(1, "user", "Good evening. What does the glass say?"),
        message(2, "assistant", [text("I look.")], tool_calls=[first]),
        message(3, "tool", done, tool_call_id="c-1", name="read_barometer", tool_returns=tapped),
        message(4, "assistant", [text("Tell.")], tool_calls=[second]),
        message(5, "tool", done, tool_call_id="c-2", name="send_message"),
        message(6, "user", [text("Then trim the wick twice tonight.")], model=None),
        message(7, "assistant", [text("I shall.")]),
    ]


def keeper_tools() -> list[dict[str, Any]]:
    """Return a custom tool and a builtin one."""
    tool = {**STAMPED, "args_json_schema": None, "return_char_limit": 6000, "source_type": "python"}
    return [
        {
            **tool,
            "name": "read_barometer",
            "description": "Read the barometer at a place.",
            "tool_type": "custom",
            "source_code": WEATHER,
            "tags": ["weather"],
            "json_schema": schema("read_barometer", "Read the barometer at a place.", place="Where it hangs"),
        },
        {
            **tool,
            "name": "send_message",
            "description": "Say something.",
            "tool_type": "letta_core",
            "source_code": None,
            "tags": ["letta_core"],
            "json_schema": schema("send_message", "Say something.", message="What to say"),
        },
    ]


def gardener_messages() -> list[dict[str, Any]]:
    """Return the history of the first gardener."""

    def message(number: int, role: str, content: object, **more: object) -> dict[str, Any]:
        common = {"type": "message", "id": f"message-{number}", "agent_id": "agent-0", "otid": None}
        return {**common, "role": role, "content": content, "created_at": time_text(number), **more}

    plans = [call("p-1", "look_up_plant", name="Türkenbund 🌷"), call("p-2", "count_seeds", jar="é")]
    plans[1]["function"]["strict"] = True
    plans[1]["index"] = 1
    thought = {"type": "reasoning", "reasoning": "Two things to find out.", "is_native": False, "signature": "s1g"}
    hidden = {"type": "redacted_reasoning", "data": "b3BhcXVl"}
    said = text("Looking.", signature="t", citations=[1, None])
    odd = "Grüße! \u0000 \u202eabc\u202c \U0001f9d1\u200d\U0001f33e \ufb00 \ufeff end"
    run = {"run_id": "run-local", "step_id": "step-1", "model": "meadow/large"}
    ask = {**run, "step_id": "step-2", "tool_calls": [call("p-3", "order_bulbs", count=40)]}
    answer = [{"type": "approval", "tool_call_id": "p-3", "approve": True, "reason": None}]
    ordered = {"tool_call_id": "p-3", "status": "success", "func_response": "ordered", "stdout": None, "stderr": None}
    told = [text("Forty bulbs are ordered.")]
    weather = {"wind": [1.0, 2e-3, 12345678901234567890]}
    return [
        message(0, "system", [text("You plan a garden.")]),
        message(1, "user", odd, otid="o-1", sender_id="agent-1"),
        message(2, "assistant", [thought, hidden, said], tool_calls=plans, **run),
        message(3, "tool", [], tool_returns=gardener_returns(), tool_call_id="p-2", is_err=True, future=None, **run),
        message(4, "approval", [text("May I?")], **ask),
        message(5, "approval", [], approve=True, approval_request_id="message-4", approvals=answer, denial_reason=None),
        message(6, "tool", [text("ordered")], tool_returns=[ordered], sender_id="agent-0", **run),
        message(7, "assistant", told, group_id="group-x", batch_item_id="batch-1", name="Ada"),
        message(8, "summary", [text("They planned the bed by the wall.")], weather=weather),
        message(9, "user", [text(""), {"type": "image", "source": {"type": "url", "url": "data:,"}}]),
    ]


def gardener_returns() -> list[dict[str, Any]]:
    """Return the returns of two parallel calls, the later call's first: one failed, one made of parts."""
    image = {"type": "image", "source": {"type": "base64", "data": "AA=="}}
    failed = {
        "tool_call_id": "p-2",
        "status": "error",
        "func_response": None,
        "stdout": None,
        "stderr": ["no such jar\n"],
    }
    parts = [text("half "), image, text("shade")]
    found = {"tool_call_id": "p-1", "status": "success", "func_response": parts, "stdout": [], "stderr": None}
    return [failed, {**found, "took_ms": 12}]


def gardeners() -> dict[str, Any]:
    """Return a file of the new generation."""
    empty: dict[str, Any] = {name: [] for name in ("groups", "files", "sources", "mcp_servers", "skills")}
    return {
        "agents": [planner(), waterer()],
        **empty,
        "blocks": gardener_blocks(),
        "tools": gardener_tools(),
        "metadata": {"revision_id": "f00d"},
        "created_at": "2025-09-02T00:00:00+00:00",
        "schema_version": "9.9",
    }


LARGE_MODEL = {"name": "meadow/large", "context_window": 64000, "future": {"a": [None, True, {"b": 1.5}]}}


def planner() -> dict[str, Any]:
    """Return the first gardener, with every field that an agent may have."""
    return {
        "id": "agent-0",
        "name": "Ada: plans / beds",
        "agent_type": "letta_v1_agent",
        "system": "You plan a garden.\r\nBe brief.",
        "description": "first",
        "model": "meadow/large",
        "embedding": "hash/64",
        "llm_config": LARGE_MODEL,
        "embedding_config": None,
        "model_settings": {"temperature": 0},
        "block_ids": ["block-2", "block-0"],
        "tool_ids": ["tool-1", "tool-0", "tool-2"],
        "tool_rules": [{"tool_name": "order_bulbs", "type": "requires_approval"}],
        "tags": ["garden", "été"],
        "metadata": {"bed": {"rows": 3}, "": None},
        "tool_exec_environment_variables": {"SEED_KEY": ""},
        "secrets": {"NURSERY_TOKEN": ""},
        "timezone": "Europe/Paris",
        "message_buffer_autoclear": True,
        "hidden": False,
        "response_format": {"type": "text"},
        "future_field": [{"deep": []}],
        "in_context_message_ids": ["message-0", "message-8", *(f"message-{n}" for n in (4, 5, 6, 7, 9))],
        "messages": gardener_messages(),
        "source_ids": [],
        "files_agents": [],
        "group_ids": [],
    }


def waterer() -> dict[str, Any]:
    """Return the second gardener, with few fields."""
    dawn = "2025-09-01T08:00:00+02:00"
    messages = [
        {"id": "message-20", "role": "system", "content": "You water.", "created_at": dawn},
        {"id": "message-21", "role": "user", "content": [text("Is it dry?")], "created_at": time_text(61)},
    ]
    return {
        "id": "agent-1",
        "name": "Bo",
        "agent_type": "letta_v1_agent",
        "llm_config": LARGE_MODEL,
        "block_ids": ["block-0"],
        "tool_ids": ["tool-0"],
        "in_context_message_ids": ["message-20", "message-21"],
        "messages": messages,
    }


def gardener_blocks() -> list[dict[str, Any]]:
    """Return the blocks: a shared one, one that no agent has, one with unknown fields."""
    return [
        {
            "id": "block-0",
            "label": "plan",
            "value": "North bed: lilies.\n",
            "limit": 2000,
            "description": "Shared by both",
        },
        {"id": "block-1", "label": "spare", "value": "", "limit": 1, "hidden": True},
        {
            "id": "block-2",
            "label": "persona",
            "value": "Ada 🌱",
            "limit": 5,
            "read_only": True,
            "tags": ["self"],
            "metadata": {"since": 1999},
            "project_id": None,
            "preserve_on_migration": False,
        },
    ]


def gardener_tools() -> list[dict[str, Any]]:
    """Return the tools: custom ones, Python and not, and an external one."""
    return [
        {
            "id": "tool-0",
            "name": "look_up_plant",
            "tool_type": "custom",
            "description": "Look a plant up.",
            "source_type": "python",
            "source_code": "def look_up_plant(name: str) -> str:\n    return 'half shade'\n",
            "json_schema": schema("look_up_plant", "Look a plant up.", name="Its name"),
            "tags": ["plants"],
            "return_char_limit": 900,
            "pip_requirements": [{"name": "herbarium", "version": None}],
            "created_by_id": "user-elsewhere",
            "metadata_": {"shelf": 4},
        },
        {
            "id": "tool-1",
            "name": "count_seeds",
            "tool_type": "custom",
            "source_type": "typescript",
            "source_code": "export const count_seeds = (jar) => jar.length // not Python {",
            "return_char_limit": 50000,
            "default_requires_approval": False,
            "enable_parallel_execution": True,
        },
        {
            "id": "tool-2",
            "name": "order_bulbs",
            "tool_type": "external_mcp",
            "source_type": "json",
            "args_json_schema": {"type": "object"},
            "return_char_limit": 50000,
            "default_requires_approval": True,
            "metadata_": {"mcp": {"server_name": "nursery"}},
        },
    ]


def tide_diary(count: int = 642) -> dict[str, Any]:
    """Return a file of the new generation with that many messages, of which the window holds the first and last."""
    messages: list[dict[str, Any]] = [
        {
            "id": "message-0",
            "role": "system",
            "content": [text("You keep a diary of tides.")],
            "created_at": time_text(0),
        }
    ]
    for number in range(1, count):
        role, words = ("assistant", "Noted") if number % 2 == 0 else ("user", "High water")
        content = [text(f"{words}: {number * 37 % 600} cm")]
        messages.append(
            {"id": f"message-{number}", "role": role, "content": content, "created_at": time_text(number * 372)}
        )
    agent = {
        "id": "agent-0",
        "name": "tide_diary",
        "agent_type": "letta_v1_agent",
        "block_ids": [],
        "tool_ids": [],
        "in_context_message_ids": ["message-0", *(f"message-{number}" for number in range(count - 20, count))],
        "messages": messages,
    }
    return {"agents": [agent], "blocks": [], "tools": [], "created_at": time_text(0)}


def written(name: str) -> str:
    """Return what a sample file holds; short ones with a line per value, to be read."""
    document = SAMPLES[name]()
    short = json.dumps(document)
    return (short if len(short) > 50_000 else json.dumps(document, indent=1)) + "\n"


SAMPLES = {"keeper_legacy.af": keeper, "gardeners.af": gardeners, "tide_diary.af": tide_diary}

if __name__ == "__main__":
    for sample in SAMPLES:
        (FOLDER / sample).write_text(written(sample), encoding="utf-8")

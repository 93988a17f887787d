"""How an agent's turns go: its tool rules, and the ways of its type.

Most types go on for as long as the model calls tools, and end when it says something without. The MemGPT types speak
through tools only: a call must be made each time, `send_message` is how the agent talks, and the turn ends after a
call unless the call asks to go on (`request_heartbeat`), failed, or a rule says so. A workflow forgets each turn.
"""

from collections.abc import Sequence

import attrs
import msgspec

from kelpie_core.json_types import JsonObject
from kelpie_core.model.agent import Agent, AgentType
from kelpie_core.model.tool import Tool, ToolCall
from kelpie_core.turn.rules import NO_RULES, ToolRules, rules_of

SEND_MESSAGE = "send_message"
HEARTBEAT = "request_heartbeat"
_HEARTBEAT_SCHEMA = {
    "type": "boolean",
    "description": "Whether to go on after this call, instead of ending the turn.",
}
_BEATING = (AgentType.MEMGPT, AgentType.MEMGPT_V2)
_ENDING = (SEND_MESSAGE, "memory_finish_edits")
_CONTINUING = (
    "conversation_search", "archival_memory_insert", "archival_memory_search", "core_memory_append",
    "core_memory_replace", "memory", "memory_insert", "memory_replace", "memory_rethink",
)  # fmt: skip


@attrs.frozen(kw_only=True)
class Conduct:
    """`heartbeats`: every reply must call a tool, and a turn ends unless it is asked to go on."""

    rules: ToolRules = NO_RULES
    heartbeats: bool = False


FREE = Conduct()


def conduct_of(agent: Agent) -> Conduct:
    """Return how turns of the agent go."""
    heartbeats = agent.agent_type in _BEATING
    return Conduct(rules=rules_of(agent.tool_rules), heartbeats=heartbeats) if agent.tool_rules or heartbeats else FREE


def forgets(agent: Agent) -> bool:
    """Return whether the agent begins every turn with an empty window."""
    return agent.message_buffer_autoclear or agent.agent_type is AgentType.WORKFLOW


def base_rules(agent_type: AgentType, names: Sequence[str], *, wanted: bool | None) -> tuple[JsonObject, ...]:
    """Return the rules that a new agent with these tools gets; unless `wanted` says, only the types that need them."""
    if not (agent_type in _BEATING if wanted is None else wanted):
        return ()
    ending: list[JsonObject] = [{"tool_name": name, "type": "exit_loop"} for name in names if name in _ENDING]
    return (*ending, *({"tool_name": name, "type": "continue_loop"} for name in names if name in _CONTINUING))


def parsed_arguments(call: ToolCall) -> JsonObject | None:
    """Return the arguments as a JSON object; None if they are none."""
    try:
        value = msgspec.json.decode(call.arguments.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def effective_arguments(call: ToolCall, called: tuple[str, ...], conduct: Conduct) -> JsonObject | None:
    """Return the arguments that a call runs with: without the heartbeat, those that the rules give over the model's."""
    arguments = parsed_arguments(call)
    if arguments is None:
        return None
    if conduct.heartbeats:
        arguments.pop(HEARTBEAT, None)
    return arguments | conduct.rules.prefilled(call.name, called)


def asks_to_go_on(call: ToolCall) -> bool:
    """Return whether a call asks that the turn goes on after it."""
    return (parsed_arguments(call) or {}).get(HEARTBEAT) in (True, "true", "True")


def with_heartbeat(tool: Tool, rules: ToolRules) -> Tool:
    """Return the tool as it is offered where calls may ask to go on; one that ends the turn has nothing to ask."""
    if rules.ends(tool.name):
        return tool
    schema = dict(tool.json_schema or {"name": tool.name})
    parameters = dict(schema.get("parameters") or {"type": "object"})
    parameters["properties"] = {**(parameters.get("properties") or {}), HEARTBEAT: _HEARTBEAT_SCHEMA}
    parameters["required"] = [*(parameters.get("required") or ()), HEARTBEAT]
    return attrs.evolve(tool, json_schema=schema | {"parameters": parameters})

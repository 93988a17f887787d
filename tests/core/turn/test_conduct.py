"""How an agent's turns go, by its rules and its type."""

import attrs
import pytest

from kelpie_core.json_types import JsonObject
from kelpie_core.model.agent import Agent, AgentType
from kelpie_core.model.tool import Tool, ToolCall
from kelpie_core.turn.conduct import (
    FREE,
    Conduct,
    asks_to_go_on,
    base_rules,
    conduct_of,
    effective_arguments,
    forgets,
    parsed_arguments,
    with_heartbeat,
)
from kelpie_core.turn.rules import NO_RULES, rules_of
from tests.twins import NOON

OWNED = {"organization_id": "o", "created_by_id": "u", "created_at": NOON, "updated_at": NOON}
AGENT = Agent(id="a", name="Ada", **OWNED)  # type: ignore[arg-type]
TOOL = Tool(id="t", name="roll", **OWNED)  # type: ignore[arg-type]
EXIT = {"type": "exit_loop", "tool_name": "roll"}


def call(arguments: str, name: str = "roll") -> ToolCall:
    """Return a call with these arguments."""
    return ToolCall(id="c", name=name, arguments=arguments)


@pytest.mark.parametrize("agent_type", AgentType)
def test_types_that_speak_by_calls(agent_type: AgentType) -> None:
    """The MemGPT types do; every other goes on for as long as it calls tools."""
    expected = agent_type in (AgentType.MEMGPT, AgentType.MEMGPT_V2)
    assert expected is conduct_of(attrs.evolve(AGENT, agent_type=agent_type)).heartbeats


def test_agent_without_rules_is_free() -> None:
    """Most agents have no rules; those are not parsed, and others are."""
    assert FREE is conduct_of(AGENT)
    assert Conduct(rules=rules_of((EXIT,))) == conduct_of(attrs.evolve(AGENT, tool_rules=(EXIT,)))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"message_buffer_autoclear": True}, True),
        ({"agent_type": AgentType.WORKFLOW}, True),
        ({"agent_type": AgentType.REACT}, False),
    ],
)
def test_agents_that_forget(fields: dict[str, object], expected: bool) -> None:
    """A workflow keeps nothing from one turn to the next, nor does who is told to forget."""
    assert expected is forgets(attrs.evolve(AGENT, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("agent_type", "wanted", "expected"),
    [
        (AgentType.MEMGPT, None, ["send_message exit_loop", "memory_insert continue_loop"]),
        (AgentType.MEMGPT, False, []),
        (AgentType.LETTA_V1, None, []),
        (AgentType.LETTA_V1, True, ["send_message exit_loop", "memory_insert continue_loop"]),
    ],
)
def test_base_rules(agent_type: AgentType, wanted: bool | None, expected: list[str]) -> None:
    """Tools of the house that are known to end or to continue a turn get their rule; others get none."""
    rules = base_rules(agent_type, ("memory_insert", "roll", "send_message"), wanted=wanted)
    assert expected == [f"{rule['tool_name']} {rule['type']}" for rule in rules]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("{}", {}),
        (' {"a": [1, null]} ', {"a": [1, None]}),
        ("", None),
        ("{", None),
        ("[]", None),
        ("null", None),
        ('"{}"', None),
        ("{} {}", None),
        ('{"a": \ud800}', None),
        ("[" * 100_000, None),
    ],
)
def test_arguments_are_a_json_object(arguments: str, expected: object) -> None:
    """Whatever the model wrote, its arguments are a JSON object or none."""
    assert expected == parsed_arguments(call(arguments))


@pytest.mark.parametrize(
    ("arguments", "conduct", "called", "expected"),
    [
        ('{"x": 1, "request_heartbeat": true}', Conduct(heartbeats=True), (), {"x": 1}),
        ('{"x": 1}', Conduct(heartbeats=True), (), {"x": 1}),
        ('{"x": 1, "request_heartbeat": true}', FREE, (), {"x": 1, "request_heartbeat": True}),
        ('{"x": 1, "y": 2}', "first", (), {"x": 5, "y": 2}),
        ('{"x": 1, "y": 2}', "first", ("roll",), {"x": 1, "y": 2}),
        ("{", Conduct(heartbeats=True), (), None),
    ],
)
def test_arguments_that_a_call_runs_with(
    arguments: str, conduct: Conduct | str, called: tuple[str, ...], expected: JsonObject | None
) -> None:
    """The heartbeat goes where the type has one, and what the rules give stands over what the model gave."""
    first = Conduct(rules=rules_of(({"type": "run_first", "tool_name": "roll", "args": {"x": 5}},)))
    how = conduct if isinstance(conduct, Conduct) else first
    assert expected == effective_arguments(call(arguments), called, how)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"request_heartbeat": true}', True),
        ('{"request_heartbeat": "True"}', True),
        ('{"request_heartbeat": false}', False),
        ('{"request_heartbeat": null}', False),
        ("{}", False),
        ("{", False),
    ],
)
def test_heartbeat(arguments: str, expected: bool) -> None:
    """A call asks to go on by saying so, in JSON's words or in Python's."""
    assert expected is asks_to_go_on(call(arguments))


def test_heartbeat_is_offered() -> None:
    """A tool is offered with the question whether to go on, unless a rule says that it ends the turn."""
    schema = {"name": "roll", "parameters": {"type": "object", "properties": {"x": {}}, "required": ["x"]}}
    tool = attrs.evolve(TOOL, json_schema=schema)
    parameters = (with_heartbeat(tool, NO_RULES).json_schema or {})["parameters"]
    assert ["x", "request_heartbeat"] == list(parameters["properties"]) == parameters["required"]
    assert {"x": {}} == schema["parameters"]["properties"]  # type: ignore[index]
    assert tool is with_heartbeat(tool, rules_of((EXIT,)))


def test_heartbeat_of_a_tool_without_a_schema() -> None:
    """A tool that says nothing of its parameters is offered with this one."""
    schema = with_heartbeat(TOOL, NO_RULES).json_schema or {}
    assert ("roll", "object") == (schema["name"], schema["parameters"]["type"])
    assert ["request_heartbeat"] == list(schema["parameters"]["properties"])

"""What the model is asked: the tools that the rules allow, whether it must call one, and the request's own words."""

from typing import Any

import attrs
import pytest

from kelpie_core.errors import NotFound
from kelpie_core.json_types import JsonObject
from kelpie_core.model.agent import AgentType
from kelpie_core.model.message import Role
from kelpie_core.model.run import Run
from kelpie_core.model.tool import ClientSkill, ClientTool
from kelpie_core.model.turn import StopReason
from kelpie_core.ports import REQUIRED, ModelRequest
from kelpie_core.records import AGENTS, HEADS, TOOLS
from kelpie_core.service.drafts import BlockDraft, ToolDraft, TurnOptions
from kelpie_core.service.turn_request import may_run_beside, read_request
from tests.house import House, call, gist, house, said
from tests.twins import Act, Reply, virtual

A, B, C = (ToolDraft(name=name) for name in "abc")
BESIDE = {"enable_parallel_execution": True}


def rule(kind: str, name: str = "a", **fields: object) -> JsonObject:
    """Return a rule as it is stored."""
    return {"type": kind, "tool_name": name, **fields}


async def asked(home: House, **fields: Any) -> list[ModelRequest]:
    """Return what the model is asked in a turn of an agent with three tools."""
    agent = await home.agent(A, B, C, **fields)
    await home.main.messages.send(agent.id, [said()])
    return home.model.requests


def names(request: ModelRequest) -> str:
    """Return the names of the tools that a request offers."""
    return "".join(tool.name for tool in request.tools)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((), [("abc", None, None), ("abc", None, None)]),
        ((rule("run_first"),), [("a", "a", False), ("abc", None, False)]),
        ((rule("run_first"), rule("run_first", "b")), [("ab", REQUIRED, False), ("abc", None, False)]),
        ((rule("constrain_child_tools", children=["b"]),), [("abc", None, False), ("b", "b", False)]),
        ((rule("constrain_child_tools", children=["d"]),), [("abc", None, False), ("", None, False)]),
        ((rule("conditional", child_output_mapping={"done": "c"}),), [("abc", None, False), ("c", "c", False)]),
        ((rule("requires_approval", "b"), rule("exit_loop", "c")), [("abc", None, None), ("abc", None, None)]),
    ],
)
@virtual
async def test_rules_say_what_is_offered(
    rules: tuple[JsonObject, ...], expected: list[tuple[str, str | None, bool | None]]
) -> None:
    """Only allowed tools are offered; one that must come is named; calls at once are forbidden where order matters."""
    requests = await asked(house(Reply(calls=(call("a"),)), Reply(text="well")), tool_rules=rules)
    assert expected == [(names(one), one.tool_choice, one.parallel_tool_calls) for one in requests]


@virtual
async def test_model_that_forgets_a_required_tool_is_told() -> None:
    """It is asked again, in words that are stored nowhere, and must call the tool; then it may end."""
    home = house(Reply(text="bye"))
    home.model.lines = (Reply(text="bye"),)
    agent = await home.agent(A, B, tool_rules=(rule("required_before_exit", "b"),))
    events = home.main.messages.stream(agent.id, [said()], TurnOptions(steps_max=2))
    ended = [event async for event in events][-1]
    first, second = home.model.requests
    assert (None, "b") == (first.tool_choice, second.tool_choice)
    words = "user: Tool rule: call b before this turn can end."
    assert ["user: hi", "assistant: bye", words] == gist(second.messages)
    assert ["user: hi", "assistant: bye", "assistant: bye"] == gist(await home.main.messages.list(agent.id))[1:]
    assert StopReason.MAX_STEPS == ended.run.stop_reason  # type: ignore[union-attr]


@virtual
async def test_required_tool_lets_the_turn_end() -> None:
    """Once it was called the turn ends as any other, and nobody is told anything."""
    home = house(Reply(calls=(call("b"),)), Reply(text="bye"))
    requests = await asked(home, tool_rules=(rule("required_before_exit", "b"),))
    assert ["user: hi", "assistant: b({})", "tool: b=success:done"] == gist(requests[-1].messages)


@virtual
async def test_types_that_speak_by_calls_must_call() -> None:
    """Every tool asks whether to go on, which is not told to the tool; only one that ends the turn does not."""
    arguments = '{"x": 1, "request_heartbeat": true}'
    home = house(Reply(calls=(call("a", arguments),)), Reply(calls=(call("b"),)))
    requests = await asked(home, agent_type=AgentType.MEMGPT, tool_rules=(rule("exit_loop", "b"),))
    assert [REQUIRED, REQUIRED] == [one.tool_choice for one in requests]
    schemas = [tool.json_schema or {} for tool in requests[0].tools]
    offered = [list(schema.get("parameters", {}).get("properties", {})) for schema in schemas]
    assert [["request_heartbeat"], [], ["request_heartbeat"]] == offered
    assert [{"x": 1}, {}] == [arguments for _, arguments, _, _ in home.tools.asked]


@virtual
async def test_arguments_of_a_rule_stand_over_the_models() -> None:
    """A tool runs with what its rule gives, beside what the model gave."""
    home = house(Reply(calls=(call("a", '{"x": 1, "y": 2}'),)), Reply(text="well"))
    await asked(home, tool_rules=(rule("run_first", args={"x": 5}),))
    assert [{"x": 5, "y": 2}] == [arguments for _, arguments, _, _ in home.tools.asked]


@virtual
async def test_words_of_the_request() -> None:
    """Its skills come below the system prompt; a system prompt of its own stands alone; a model of its own is asked."""
    home = house(Reply(text="well"))
    agent = await home.agent(system="You.", blocks=(BlockDraft(label="human"),), model="a/b")
    skills = (ClientSkill(name="dig", description="digs", location="skills/dig.md"),)
    await home.main.messages.send(agent.id, [said()], TurnOptions(client_skills=skills))
    await home.main.messages.send(agent.id, [said()], TurnOptions(system="Be brief.", model="c/d"))
    first, second = home.model.requests
    assert first.system.startswith("You.\n\n<memory_blocks>")
    expected = "\n\n<available_skills>\n- dig: digs (location: skills/dig.md)\n</available_skills>"
    assert first.system.endswith(expected)
    assert ("Be brief.", "a/b", "c/d") == (second.system, first.model, second.model)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"extra": {"response_format": {"type": "json_object"}}}, {"type": "json_object"}),
        ({"model_settings": {"response_format": {"type": "text"}}}, {"type": "text"}),
    ],
)
@virtual
async def test_response_format(fields: dict[str, object], expected: object) -> None:
    """The agent's own goes before that of its settings."""
    home = house()
    assert expected == (await asked(home, **fields))[0].response_format


@virtual
async def test_workflow_sees_its_own_turn_only() -> None:
    """What was said in earlier turns is in the history, and not in the window."""
    home = house(Reply(text="well"))
    agent = await home.agent(agent_type=AgentType.WORKFLOW)
    for text in ("one", "two"):
        await home.main.messages.send(agent.id, [said(text)])
    assert ["user: two"] == gist(home.model.requests[1].messages)
    roles = [message.role for message in await home.main.messages.list(agent.id)]
    assert [Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.USER, Role.ASSISTANT] == roles


@virtual
async def test_workflow_begins_with_nothing_whatever_came_with_it() -> None:
    """A window that a file brought along is not for an agent that forgets each turn."""
    home = house(Reply(text="well"))
    agent = await home.agent()
    await home.main.messages.send(agent.id, [said("one")])
    async with home.memory.transaction() as tx:
        stored = await tx.get(AGENTS, (agent.id,))
        assert stored is not None
        await tx.put(AGENTS, attrs.evolve(stored, agent_type=AgentType.WORKFLOW))
    await home.main.messages.send(agent.id, [said("two")])
    assert ["user: two"] == gist(home.model.requests[1].messages)


@virtual
async def test_calls_beside_each_other_run_at_once() -> None:
    """Of tools that allow it all calls of a reply run together, their returns in one message; the others in order."""
    drafts = (ToolDraft(name="a", extra=BESIDE), ToolDraft(name="b", extra=BESIDE), C)
    home = house(
        Reply(calls=(call("a"), call("b"), call("c"))), Reply(text="well"), a=Act(seconds=9), b=Act(seconds=5), c=Act()
    )
    agent = await home.agent(*drafts)
    before = home.clock.now()
    result = await home.main.messages.send(agent.id, [said()])
    assert ("tool: a=success:done b=success:done c=success:done", 9) == (
        gist(result.messages)[1],
        (home.clock.now() - before).total_seconds(),
    )
    assert (["a", "b", "c"], ["b", "a", "c"]) == (home.tools.started, home.tools.finished)


@virtual
async def test_cancel_stops_calls_beside_each_other() -> None:
    """All of them are answered, those that had returned too: their commit did not come."""
    drafts = (ToolDraft(name="a", extra=BESIDE), ToolDraft(name="b", extra=BESIDE))
    home = house(Reply(calls=(call("a"), call("b"))), a=Act(seconds=9), b=Act(seconds=1))
    agent = await home.agent(*drafts)
    events = home.main.messages.stream(agent.id, [said()])
    await anext(events)
    await home.clock.sleep(5)
    await home.main.messages.cancel(agent.id)
    async for _ in events:
        pass
    words = "error:the turn was cancelled before this call returned"
    assert f"tool: a={words} b={words}" == gist(await home.main.messages.list(agent.id))[-1]
    assert ["b"] == home.tools.finished


@virtual
async def test_memory_tool_never_runs_beside_others() -> None:
    """It is resolved inside the commit, one at a time, whatever somebody says of it."""
    home = house()
    agent = await home.agent(tool_names=("memory_insert",))
    (tool,) = (await home.main.agents.state(agent.id)).tools
    named = (tool, attrs.evolve(tool, name="other"))
    assert [False, True] == [may_run_beside(attrs.evolve(one, extra=BESIDE)) for one in named]


@virtual
async def test_tool_or_head_that_is_gone() -> None:
    """A tool whose record is gone is not offered; a thread that is gone is not found."""
    home = house(Reply(text="well"))
    agent = await home.agent(A, B)
    result = await home.main.messages.send(agent.id, [said()])
    async with home.memory.transaction() as tx:
        await tx.get(TOOLS, (agent.tool_ids[0],))
        await tx.delete(TOOLS, (agent.tool_ids[0],))
    async with home.memory.transaction() as tx:
        assert ("b",) == (await read_request(tx, result.run)).known
    async with home.memory.transaction() as tx:
        await tx.delete(HEADS, (agent.id,))
    await _not_found(home, result.run)
    await _not_found(home, attrs.evolve(result.run, agent_id="agent-x"))


async def _not_found(home: House, run: Run) -> None:
    async with home.memory.transaction() as tx:
        with pytest.raises(NotFound, match="agent"):
            await read_request(tx, run)


@virtual
async def test_client_tool_without_a_schema() -> None:
    """It is offered with an empty object of parameters."""
    home = house(Reply(text="well"))
    agent = await home.agent()
    await home.main.messages.send(agent.id, [said()], TurnOptions(client_tools=(ClientTool(name="x"),)))
    (tool,) = home.model.requests[0].tools
    assert {"name": "x", "description": "", "parameters": {"type": "object", "properties": {}}} == tool.json_schema

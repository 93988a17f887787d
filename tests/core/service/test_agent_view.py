"""The agent as tools see it, and what becomes of the blocks they change."""

import asyncio

import attrs
import pytest

from kelpie_core.json_types import JsonObject
from kelpie_core.model.agent import Agent
from kelpie_core.model.block import Block
from kelpie_core.model.message import Role
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus, ToolType
from kelpie_core.ports import AgentView
from kelpie_core.service.agent_view import settled, view_of
from kelpie_core.service.commit import commit
from kelpie_core.service.drafts import BlockChanges, BlockDraft, ToolDraft
from tests.house import House, call, house, said
from tests.twins import Reply, ScriptedModel, virtual

SOURCE = "def remember(agent_state, line: str): ..."
REMEMBER = ToolDraft(name="remember", source_code=SOURCE)
DONE = ToolReturn(tool_call_id="remember", status=ToolStatus.SUCCESS, text="done")


@attrs.define(eq=False)
class Rememberers:
    """A runner whose tools add a line to the block that they see, after `seconds`."""

    seconds: float = 0
    label: str = "human"
    states: list[JsonObject] = attrs.field(factory=list)

    async def run(
        self, tool: Tool, call: ToolCall, arguments: JsonObject, environment: object, seconds_max: float,
        view: AgentView | None = None,
    ) -> ToolReturn:  # fmt: skip
        """Change the view and say so."""
        assert view is not None
        self.states.append(view.state)
        await asyncio.sleep(self.seconds)
        seen = {block["label"]: block["value"] for block in view.state["memory"]["blocks"]}
        view.edits[self.label] = seen.get(self.label, "") + f"{arguments.get('line', call.id)}\n"
        return DONE


async def agent_of(home: House, **block: object) -> Agent:
    """Return an agent with a block and the tool."""
    return await home.agent(REMEMBER, blocks=(BlockDraft(**{"label": "human", **block}),), secrets={"KEY": "hush"})  # type: ignore[arg-type]


async def value_of(home: House, agent: Agent) -> str:
    """Return the value of the agent's block."""
    return (await home.main.agents.block(agent.id, "human")).value


@pytest.mark.parametrize(
    ("fields", "asks"),
    [
        ({}, True),
        ({"source_code": None}, False),
        ({"source_code": "def f(a): pass"}, False),
        ({"source_code": "def f(a): return agent_state"}, False),
        ({"source_code": "def f(agent_state:"}, False),
        ({"tool_type": ToolType.EXTERNAL_MCP}, False),
    ],
)
@virtual
async def test_who_sees_the_agent(fields: JsonObject, asks: bool) -> None:
    """Only a custom tool whose function asks for it sees the agent, and never its secrets."""
    home = house()
    agent = await agent_of(home, value="Bo", limit=9)
    tool = attrs.evolve(await home.main.tools.by_name("remember"), **fields)
    view = await view_of(home.ports(), agent, tool)
    assert asks is (view is not None)
    if view is not None:
        assert (agent.id, "Ada", {}) == (view.state["id"], view.state["name"], view.edits)
        (block,) = view.state["memory"]["blocks"]
        assert ("human", "Bo", 9) == (block["label"], block["value"], block["limit"])
        assert "hush" not in str(view.state)


async def settle(home: House, agent: Agent, view: AgentView | None) -> ToolReturn:
    """Return the return that is stored with a view."""
    return await commit(home.ports(), lambda tx: settled(tx, agent, DONE, view, home.clock.now()))


def seen(value: str, **edits: str) -> AgentView:
    """Return a view in which the block had a value, with edits."""
    return AgentView(state={"memory": {"blocks": [{"label": "human", "value": value}]}}, edits=edits)


@virtual
async def test_edit_is_stored_with_the_return() -> None:
    """A new value is stored if the block still has the one that the tool saw; half characters are mended."""
    home = house()
    agent = await agent_of(home, value="Bo")
    await home.clock.sleep(5)
    assert DONE == await settle(home, agent, seen("Bo", human="Cy \ud800"))
    block: Block = await home.main.agents.block(agent.id, "human")
    assert ("Cy \ufffd", home.clock.now()) == (block.value, block.updated_at)
    for view in (None, seen("elsewhere")):
        assert DONE == await settle(home, agent, view)


@pytest.mark.parametrize(
    ("block", "view", "words"),
    [
        ({"value": "Di"}, seen("Bo", human="Cy"), "memory block 'human' was changed by somebody else meanwhile"),
        ({}, seen("", persona="x"), "there is no memory block 'persona' any more"),
        ({"read_only": True}, seen("", human="x"), "memory block 'human' is read-only"),
        ({"limit": 3}, seen("", human="long"), "memory block 'human' would have 4 characters, its limit is 3"),
        ({}, seen("", human="Cy", persona="x"), "there is no memory block 'persona' any more"),
    ],
)
@virtual
async def test_edit_that_cannot_be_stored(block: dict[str, object], view: AgentView, words: str) -> None:
    """An edit that cannot be stored makes the return an error that says why, and none of the others is stored."""
    home = house()
    agent = await agent_of(home, **block)
    before = await home.main.agents.block(agent.id, "human")
    text = f"the tool ran, but its changes of agent_state were not stored: {words}. It returned: done"
    assert attrs.evolve(DONE, status=ToolStatus.ERROR, text=text) == await settle(home, agent, view)
    assert before == await home.main.agents.block(agent.id, "human")


@virtual
async def test_edit_in_a_turn() -> None:
    """A tool that a turn calls sees the agent, and its edit is there when its return is."""
    model = ScriptedModel((Reply(calls=(call("remember", '{"line": "tea"}'),)), Reply(text="noted")))
    home = House(model=model, tools=Rememberers())  # type: ignore[arg-type]
    agent = await agent_of(home, value="Bo\n")
    result = await home.main.messages.send(agent.id, [said()])
    assert ["done"] == [one.text for m in result.messages if m.role is Role.TOOL for one in m.tool_returns]
    assert "Bo\ntea\n" == await value_of(home, agent)


@virtual
async def test_edit_behind_a_change_of_somebody_else() -> None:
    """Who changes a block while a tool works on it is not overwritten: the model hears that nothing was stored."""
    model = ScriptedModel((Reply(calls=(call("remember"),)), Reply(text="oh")))
    home = House(model=model, tools=Rememberers(seconds=5))  # type: ignore[arg-type]
    agent = await agent_of(home)
    sending = asyncio.ensure_future(home.main.messages.send(agent.id, [said()]))
    await home.clock.sleep(2)
    await home.main.agents.update_block(agent.id, "human", BlockChanges(value="mine"))
    messages = (await sending).messages
    (returned,) = [one for m in messages if m.role is Role.TOOL for one in m.tool_returns]
    assert (ToolStatus.ERROR, "mine") == (returned.status, await value_of(home, agent))
    assert "changed by somebody else meanwhile" in str(returned.text)

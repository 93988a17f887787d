"""Running a tool outside any turn."""

import pytest

from kelpie_core.errors import NotFound, Refused, ToolError
from kelpie_core.model.agent import Agent
from kelpie_core.model.tool import ToolReturn, ToolStatus
from kelpie_core.service.drafts import BlockDraft, ToolDraft
from tests.core.service.test_agent_view import REMEMBER, Rememberers
from tests.house import OTHERS, House, everything, house
from tests.twins import Act, ScriptedModel, virtual

ROLL = ToolDraft(name="roll", default_requires_approval=True)
ASKS = {"type": "requires_approval", "tool_name": "roll"}


def told(returned: ToolReturn) -> tuple[ToolStatus, str | None]:
    """Return how a run ended, and its text."""
    return returned.status, returned.text


@virtual
async def test_run_a_tool_of_an_agent() -> None:
    """The agent's tool runs with its secrets, approval or not, and nothing of it is stored."""
    home = house(roll=Act(text="six"))
    agent = await home.agent(ROLL, secrets={"KEY": "x"})
    before = await everything(home.memory)
    assert (ToolStatus.SUCCESS, "six") == told(await home.main.tool_runs.run(agent.id, "roll", {"times": 1}))
    assert [("roll", {"times": 1}, {"KEY": "x"})] == [one[:3] for one in home.tools.asked]
    assert before == await everything(home.memory)


@virtual
async def test_run_that_fails() -> None:
    """A runner that fails is an error return, as in a turn."""
    home = house(roll=Act(error=ToolError("no sandbox")))
    agent = await home.agent(ROLL)
    expected = (ToolStatus.ERROR, "the tool could not be run: no sandbox")
    assert expected == told(await home.main.tool_runs.run(agent.id, "roll", {}))


@virtual
async def test_run_a_memory_tool() -> None:
    """A builtin memory tool edits the agent's block at once, whatever the agent's rules say of turns."""
    home = house()
    rules = ({"type": "run_first", "tool_name": "core_memory_append", "args": {"content": "by rule"}},)
    agent = await home.agent(tool_rules=rules, tool_names=("core_memory_append",), blocks=(BlockDraft(label="human"),))
    arguments = {"label": "human", "content": "likes tea"}
    status, _ = told(await home.main.tool_runs.run(agent.id, "core_memory_append", arguments))
    value = (await home.main.agents.block(agent.id, "human")).value
    assert (ToolStatus.SUCCESS, "likes tea", []) == (status, value, home.tools.started)


@virtual
async def test_run_a_tool_that_changes_the_agent() -> None:
    """What a tool made of the agent's blocks is stored by the rules of a turn."""
    home = House(model=ScriptedModel(()), tools=Rememberers())  # type: ignore[arg-type]
    agent = await home.agent(REMEMBER, blocks=(BlockDraft(label="human"),))
    assert (ToolStatus.SUCCESS, "done") == told(await home.main.tool_runs.run(agent.id, "remember", {"line": "tea"}))
    assert "tea\n" == (await home.main.agents.block(agent.id, "human")).value


@virtual
async def test_what_is_not_there() -> None:
    """A tool that the agent does not have, and another organization's agent, are not found."""
    home = house()
    agent = await home.agent(ROLL)
    await home.main.tools.create(ToolDraft(name="throw"))
    others = home.main.acting_as(OTHERS).tool_runs
    for runs, name, kind in ((home.main.tool_runs, "throw", "tool"), (others, "roll", "agent")):
        for waiting in (runs.run(agent.id, name, {}), runs.require_approval(agent.id, name, True)):
            with pytest.raises(NotFound) as caught:
                await waiting
            assert kind == caught.value.kind
    assert [] == home.tools.started


@virtual
async def test_run_source() -> None:
    """Source runs without being stored, with the environment that comes along."""
    home = house(once=Act(text="ran"))
    draft = ToolDraft(name="once", source_code="def once(): ...")
    call, returned = await home.main.tool_runs.run_source(draft, {"a": 1}, {"KEY": "x"})
    assert (ToolStatus.SUCCESS, "ran") == told(returned)
    assert (call.id, "once", '{"a":1}') == (returned.tool_call_id, call.name, call.arguments)
    assert [("once", {"a": 1}, {"KEY": "x"})] == [one[:3] for one in home.tools.asked]
    assert {} == await everything(home.memory)


@virtual
async def test_approval_is_a_rule_of_the_agent() -> None:
    """Asked for, there is one rule; asked for no longer, there is none. Other rules stay."""
    home = house()
    other = {"type": "requires_approval", "tool_name": "throw"}
    agent = await home.agent(ToolDraft(name="roll"), tool_rules=(other,))
    runs = home.main.tool_runs
    for required, expected in ((True, (other, ASKS)), (True, (other, ASKS)), (False, (other,)), (False, (other,))):
        changed: Agent = await runs.require_approval(agent.id, "roll", required)
        assert expected == changed.tool_rules == (await home.main.agents.get(agent.id)).tool_rules


@virtual
async def test_approval_that_the_tool_asks_for() -> None:
    """What the tool itself asks for cannot be taken away for one agent: that is said, not ignored."""
    home = house()
    agent = await home.agent(ROLL)
    with pytest.raises(Refused, match="tool 'roll' asks for approval itself"):
        await home.main.tool_runs.require_approval(agent.id, "roll", False)

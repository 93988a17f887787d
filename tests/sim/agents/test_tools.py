"""The scripted tools: what each gives, and the ledger that no crash wipes."""

import asyncio

import pytest

from kelpie_core.model.tool import Tool, ToolCall, ToolStatus
from kelpie_core.ports import AgentView
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.cluster import Cluster, ServerGone
from kelpie_sim.agents.tools import TOOL_DRAFTS
from tests.sim.agents.worlds import result_of
from tests.twins import NOON


def tool(name):
    """Return a tool of this name."""
    return Tool(id="tool-1", organization_id="org", created_by_id="user", name=name, created_at=NOON, updated_at=NOON)


def ran(name, **arguments):
    """Return a program that runs a tool: what it gave, and the ledger."""

    async def program(world):
        cluster = Cluster(world)
        call = ToolCall(id="call-1", name=name, arguments="")
        try:
            given = await cluster.server.call(
                lambda kelpie: kelpie.ports.tools.run(tool(name), call, arguments, {}, 10)
            )
        except ServerGone:
            return "gone", cluster.ledger.notes
        assert (ToolStatus.SUCCESS, "call-1") == (given.status, given.tool_call_id)
        return given.text, cluster.ledger.notes

    return program


@pytest.mark.parametrize(
    ("name", "arguments", "given"),
    [
        ("note", {"text": "n"}, ("noted", ["n"])),
        ("note", {}, ("noted", [""])),
        ("look", {"text": "n"}, ("n", [])),
        ("shout", {"times": 3}, ("hahaha", [])),
        ("shout", {}, ("ha", [])),
    ],
)
def test_tool_gives_what_it_is_for(name, arguments, given):
    """A note is taken down, a look answers, a shout is long."""
    assert given == result_of(ran(name, **arguments))


def test_tool_that_is_given_up_may_go_on():
    """A sandbox that leaks lets a tool take effect whose call was given up, and only then."""

    async def program(world):
        cluster = Cluster(world)
        call = ToolCall(id="call-1", name="note", arguments="")

        async def given_up(kelpie):
            running = asyncio.ensure_future(kelpie.ports.tools.run(tool("note"), call, {"text": "n"}, {}, 10))
            await asyncio.sleep(1)
            running.cancel()
            await asyncio.wait((running,))
            return running.cancelled()

        return await cluster.server.call(given_up), cluster.ledger.notes

    assert (True, ["n"]) == result_of(program, f.SandboxLeakOnTerminate())


def test_tool_that_changes_the_agent():
    """What is remembered is a line more in the block that the tool saw."""

    async def program(world):
        cluster = Cluster(world)
        view = AgentView(state={"memory": {"blocks": [{"label": "human", "value": "a\n"}]}})
        call, given = ToolCall(id="call-1", name="remember", arguments=""), {"label": "human", "line": "b"}

        async def remember(arguments):
            return await cluster.server.call(
                lambda kelpie: kelpie.ports.tools.run(tool("remember"), call, arguments, {}, 10, view)
            )

        ran = [await remember(arguments) for arguments in (given, {"label": "nobody"})]
        return [one.status for one in ran], view.edits

    assert ([ToolStatus.SUCCESS, ToolStatus.ERROR], {"human": "a\nb\n"}) == result_of(program)


def test_ledger_outlives_the_host():
    """What a tool did to the outside world stays done when its host dies before it could say so."""
    assert ("gone", ["n"]) == result_of(ran("note", text="n"), f.ToolCrash())


def test_only_what_may_happen_twice_is_idempotent():
    """The tool with an effect is the one that must not be run again."""
    assert {"note": False, "look": True, "shout": True, "dig": False} == {
        draft.name: draft.idempotent for draft in TOOL_DRAFTS
    }

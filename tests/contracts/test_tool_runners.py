"""The contract of `ToolRunner`, held by the server's sandbox and by the simulator's twin alike.

Each runs the same calls: the twin its scripted tools, the sandbox source that does what those do.
"""

from collections.abc import Callable

import attrs
import pytest

from kelpie_core.json_types import JsonObject
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus
from kelpie_core.ports import AgentView, ToolRunner
from kelpie_sim.agents.cluster import Cluster
from kelpie_sim.simulation import World
from tests.server.world.sandbox.running import needs_sandbox, tool, with_tools
from tests.sim.agents.worlds import result_of

SOURCES = {
    "look": "def look(text): return text",
    "shout": "def shout(times): return 'ha' * times",
    "remember": (
        "def remember(agent_state, label, line):\n    block = agent_state.memory.get_block(label)\n"
        "    block.value += line + '\\n'\n    return ''"
    ),
}


@attrs.frozen(kw_only=True)
class Asked:
    """A call, and what is offered with it."""

    name: str
    arguments: JsonObject
    view: AgentView | None = None

    @property
    def call(self) -> ToolCall:
        """The call."""
        return ToolCall(id="call-7", name=self.name, arguments="")

    @property
    def tool(self) -> Tool:
        """The tool that is called."""
        return tool(SOURCES[self.name], name=self.name)

    async def of(self, runner: ToolRunner) -> ToolReturn:
        """Return what a runner gives."""
        return await runner.run(self.tool, self.call, self.arguments, {}, 20, self.view)


def in_sandbox(asked: Asked) -> ToolReturn:
    """Return what the server's runner gives."""
    return with_tools(asked.of)


def in_world(asked: Asked) -> ToolReturn:
    """Return what the simulator's runner gives."""

    async def program(world: World) -> ToolReturn:
        return await Cluster(world).server.call(lambda kelpie: asked.of(kelpie.ports.tools))

    found: ToolReturn = result_of(program)
    return found


RUNNERS = pytest.mark.parametrize(
    "run", [pytest.param(in_sandbox, marks=needs_sandbox, id="sandbox"), pytest.param(in_world, id="twin")]
)


def view() -> AgentView:
    """Return an agent with one block."""
    return AgentView(state={"id": "agent-1", "memory": {"blocks": [{"label": "human", "value": "a\n"}]}})


@RUNNERS
@pytest.mark.parametrize(
    ("name", "arguments", "expected"), [("look", {"text": "x"}, "x"), ("shout", {"times": 2}, "haha")]
)
def test_return_is_of_its_call(
    run: Callable[[Asked], ToolReturn], name: str, arguments: JsonObject, expected: str
) -> None:
    """What a tool gives comes as text, paired with its call."""
    found = run(Asked(name=name, arguments=arguments))
    assert ("call-7", ToolStatus.SUCCESS, expected) == (found.tool_call_id, found.status, found.text)


@RUNNERS
@pytest.mark.parametrize(
    ("label", "status", "edits"),
    [("human", ToolStatus.SUCCESS, {"human": "a\nb\n"}), ("nobody", ToolStatus.ERROR, {})],
)
def test_edits_are_those_of_a_tool_that_succeeded(
    run: Callable[[Asked], ToolReturn], label: str, status: ToolStatus, edits: dict[str, str]
) -> None:
    """What a tool made of the agent is in the view if it succeeded, and only then."""
    asked = Asked(name="remember", arguments={"label": label, "line": "b"}, view=view())
    found = run(asked)
    assert asked.view is not None
    assert (status, edits) == (found.status, asked.view.edits)

"""One call of a tool."""

import attrs
import pytest

from kelpie_core.errors import NotFound, ToolError
from kelpie_core.model.agent import Agent
from kelpie_core.model.tool import Tool, ToolReturn, ToolStatus, ToolType
from kelpie_core.records import BLOCKS
from kelpie_core.service.drafts import BlockDraft
from kelpie_core.service.tool_calls import (
    INTERRUPTED,
    UNAPPROVED,
    edit_in,
    find_called,
    is_memory_tool,
    needs_approval,
    parsed_arguments,
    run_tool,
)
from tests.house import call, house
from tests.twins import NOON, Act, virtual

OWNED = {"organization_id": "o", "created_by_id": "u", "created_at": NOON, "updated_at": NOON}
ROLL = Tool(id="t1", name="roll", return_char_limit=10, **OWNED)  # type: ignore[arg-type]
LOOK = Tool(id="t2", name="look", idempotent=True, **OWNED)  # type: ignore[arg-type]
AGENT = Agent(id="a", name="Ada", secrets={"KEY": "x"}, **OWNED)  # type: ignore[arg-type]


def gave(text: str, status: ToolStatus = ToolStatus.SUCCESS, key: str = "roll") -> ToolReturn:
    """Return a return."""
    return ToolReturn(tool_call_id=key, status=status, text=text)


def failed(text: str, key: str = "roll") -> ToolReturn:
    """Return an error return."""
    return gave(text, ToolStatus.ERROR, key)


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
    assert expected == parsed_arguments(call("roll", arguments))


def test_tool_is_found_by_name() -> None:
    """A call means the agent's tool of that name."""
    assert LOOK == find_called((ROLL, LOOK), call("look"))
    assert None is find_called((ROLL, LOOK), call("fly"))


@pytest.mark.parametrize(
    ("name", "tool_type", "expected"),
    [
        ("memory_insert", ToolType.SLEEPTIME_CORE, True),
        ("memory_insert", ToolType.CUSTOM, False),
        ("roll", ToolType.MEMORY_CORE, False),
    ],
)
def test_memory_tool_is_builtin(name: str, tool_type: ToolType, expected: bool) -> None:
    """A tool of somebody's own that only has the name of a builtin one is run like any other."""
    assert expected is is_memory_tool(attrs.evolve(ROLL, name=name, tool_type=tool_type))


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (Act(text="six"), gave("six")),
        (Act(text="x" * 10), gave("x" * 10)),
        (Act(text="x" * 11), gave("x" * 10 + "... [cut: 11 characters, 10 are allowed]")),
        (Act(text="no", status=ToolStatus.ERROR), failed("no")),
        (Act(error=ToolError("no sandbox")), failed("the tool could not be run: no sandbox")),
        (Act(error=NotFound("agent", "x")), failed("the tool could not be run: agent 'x' was not found")),
        (Act(text="half \ud800"), gave("half \ufffd")),
        (Act(seconds=184), gave("done")),
        (Act(seconds=186), failed("the tool did not return within 180 s")),
    ],
)
@virtual
async def test_what_a_tool_gives(act: Act, expected: ToolReturn) -> None:
    """A return is paired with its call and cut at the tool's limit; a runner that fails is an error return."""
    home = house(roll=act)
    assert expected == await run_tool(home.ports(), AGENT, (ROLL,), call("roll"), False)


@virtual
async def test_return_without_text_stays_without() -> None:
    """A tool may give nothing."""
    home = house(roll=Act(text=None))  # type: ignore[arg-type]
    expected = ToolReturn(tool_call_id="roll", status=ToolStatus.SUCCESS)
    assert expected == await run_tool(home.ports(), AGENT, (ROLL,), call("roll"), False)


class Noisy:
    """A runner whose tool prints much, and half a character."""

    async def run(self, *_: object) -> ToolReturn:
        return ToolReturn(tool_call_id=None, status=ToolStatus.SUCCESS, stdout=("\ud800",), stderr=("x" * 11,))


@virtual
async def test_output_is_made_fit() -> None:
    """What a tool printed is cut and mended like its text, and paired with its call."""
    ports = attrs.evolve(house().ports(), tools=Noisy())
    returned = await run_tool(ports, AGENT, (ROLL,), call("roll"), False)
    stderr = ("x" * 10 + "... [cut: 11 characters, 10 are allowed]",)
    assert attrs.evolve(gave(""), text=None, stdout=("\ufffd",), stderr=stderr) == returned


@virtual
async def test_what_the_model_did_wrong() -> None:
    """An unknown tool and bad arguments are answered in words, and nothing is run."""
    home = house()
    ports = home.ports()
    words = "there is no tool 'fly'; there are: "
    assert failed(words + "roll, look", "fly") == await run_tool(ports, AGENT, (ROLL, LOOK), call("fly"), False)
    assert failed(words + "none", "fly") == await run_tool(ports, AGENT, (), call("fly"), False)
    bad = await run_tool(ports, AGENT, (ROLL,), call("roll", "[1]"), False)
    assert (failed("the arguments are not a JSON object"), []) == (bad, home.tools.started)


@pytest.mark.parametrize(
    ("tool", "rules", "expected"),
    [
        (ROLL, (), False),
        (attrs.evolve(ROLL, default_requires_approval=False), (), False),
        (attrs.evolve(ROLL, default_requires_approval=True), (), True),
        (ROLL, ({"type": "requires_approval", "tool_name": "roll", "prompt_template": None},), True),
        (ROLL, ({"type": "requires_approval", "tool_name": "look"}, {"type": "run_first", "tool_name": "roll"}), False),
    ],
)
@virtual
async def test_tool_that_must_be_approved_is_not_run(
    tool: Tool, rules: tuple[dict[str, object], ...], expected: bool
) -> None:
    """As long as nobody can approve, such a tool stays closed, and the model is told why."""
    home, agent = house(roll=Act(text="six")), attrs.evolve(AGENT, tool_rules=rules)
    assert expected is needs_approval(agent, tool)
    returned = await run_tool(home.ports(), agent, (tool,), call("roll"), False)
    assert (failed(UNAPPROVED) if expected else gave("six"), [] if expected else ["roll"]) == (
        returned,
        home.tools.started,
    )


@virtual
async def test_resumed_call() -> None:
    """After a crash only an idempotent tool is run again."""
    home = house()
    assert failed(INTERRUPTED) == await run_tool(home.ports(), AGENT, (ROLL, LOOK), call("roll"), True)
    assert gave("done", key="look") == await run_tool(home.ports(), AGENT, (ROLL, LOOK), call("look"), True)
    assert ["look"] == home.tools.started


@virtual
async def test_edit_changes_the_block_in_the_transaction() -> None:
    """An edit reads the block as it is then and stores it with the time; what is refused changes nothing."""
    home = house()
    agent = await home.agent(blocks=(BlockDraft(label="human", value="Bo"),))
    (block,) = await home.main.agents.blocks(agent.id)
    await home.main.blocks.create(BlockDraft(label="persona"))
    await home.clock.sleep(5)
    attempts = {
        '{"label": "human", "new_string": "x"}': gave("Bo\nx", key="memory_insert"),
        '{"label": "persona", "new_string": "x"}': failed(
            "there is no memory block 'persona'; there are: human", "memory_insert"
        ),
        "{": failed("the arguments are not a JSON object", "memory_insert"),
    }
    async with home.memory.transaction() as tx:
        for arguments, expected in attempts.items():
            assert expected == await edit_in(tx, agent, call("memory_insert", arguments), home.clock.now())
    expected_block = attrs.evolve(block, value="Bo\nx", updated_at=home.clock.now())
    assert expected_block == await home.main.blocks.get(block.id)


@virtual
async def test_edit_without_a_change_stores_nothing() -> None:
    """A tool that only answers leaves the blocks as they are; a block whose record is gone is left out."""
    home = house()
    agent = await home.agent(blocks=(BlockDraft(label="human", value="Bo"), BlockDraft(label="persona")))
    before = await home.main.agents.blocks(agent.id)
    async with home.memory.transaction() as tx:
        sent = await edit_in(tx, agent, call("send_message", '{"message": "hi"}'), NOON)
        await tx.delete(BLOCKS, (agent.block_ids[1],))
        gone = await edit_in(tx, agent, call("memory_rethink", '{"label": "persona", "new_memory": ""}'), NOON)
    assert gave("Sent.", key="send_message") == sent
    assert failed("there is no memory block 'persona'; there are: human", "memory_rethink") == gone
    assert before[0] == await home.main.blocks.get(agent.block_ids[0])

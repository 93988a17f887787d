"""One call of a tool."""

import attrs
import msgspec
import pytest

from kelpie_core.errors import NotFound, ToolError
from kelpie_core.limits import BLOCKS_PER_AGENT_MAX
from kelpie_core.model.agent import Agent
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus, ToolType
from kelpie_core.model.turn import Turn
from kelpie_core.records import BLOCKS
from kelpie_core.service.drafts import AgentDraft, BlockDraft, TurnOptions
from kelpie_core.service.tool_calls import (
    INTERRUPTED,
    UNAPPROVED,
    edit_in,
    find_called,
    is_memory_tool,
    needs_approval,
    run_tool,
)
from tests.house import House, call, gist, house, said
from tests.twins import NOON, Act, Harm, Reply, virtual

OWNED = {"organization_id": "o", "created_by_id": "u", "created_at": NOON, "updated_at": NOON}
ROLL = Tool(id="t1", name="roll", return_char_limit=10, **OWNED)  # type: ignore[arg-type]
LOOK = Tool(id="t2", name="look", idempotent=True, **OWNED)  # type: ignore[arg-type]
TURN = Turn(steps_max=3, tool_calls_max=3, tokens_max=100)
AGENT = Agent(id="a", name="Ada", secrets={"KEY": "x"}, **OWNED)  # type: ignore[arg-type]


def gave(text: str, status: ToolStatus = ToolStatus.SUCCESS, key: str = "roll") -> ToolReturn:
    """Return a return."""
    return ToolReturn(tool_call_id=key, status=status, text=text)


def failed(text: str, key: str = "roll") -> ToolReturn:
    """Return an error return."""
    return gave(text, ToolStatus.ERROR, key)


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
    assert expected == await run_tool(home.ports(), AGENT, (ROLL,), call("roll"), TURN, resumed=False)


@virtual
async def test_return_without_text_stays_without() -> None:
    """A tool may give nothing."""
    home = house(roll=Act(text=None))  # type: ignore[arg-type]
    expected = ToolReturn(tool_call_id="roll", status=ToolStatus.SUCCESS)
    assert expected == await run_tool(home.ports(), AGENT, (ROLL,), call("roll"), TURN, resumed=False)


class Noisy:
    """A runner whose tool prints much, and half a character."""

    async def run(self, *_: object) -> ToolReturn:
        return ToolReturn(tool_call_id=None, status=ToolStatus.SUCCESS, stdout=("\ud800",), stderr=("x" * 11,))


@virtual
async def test_output_is_made_fit() -> None:
    """What a tool printed is cut and mended like its text, and paired with its call."""
    ports = attrs.evolve(house().ports(), tools=Noisy())
    returned = await run_tool(ports, AGENT, (ROLL,), call("roll"), TURN, resumed=False)
    stderr = ("x" * 10 + "... [cut: 11 characters, 10 are allowed]",)
    assert attrs.evolve(gave(""), text=None, stdout=("\ufffd",), stderr=stderr) == returned


@virtual
async def test_what_the_model_did_wrong() -> None:
    """An unknown tool and bad arguments are answered in words, and nothing is run."""
    home = house()
    ports = home.ports()
    words = "there is no tool 'fly'; there are: "
    assert failed(words + "roll, look", "fly") == await run_tool(
        ports, AGENT, (ROLL, LOOK), call("fly"), TURN, resumed=False
    )
    assert failed(words + "none", "fly") == await run_tool(ports, AGENT, (), call("fly"), TURN, resumed=False)
    bad = await run_tool(ports, AGENT, (ROLL,), call("roll", "[1]"), TURN, resumed=False)
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
    """Such a tool stays closed for a call that nobody approved, and the model is told why; an approved one runs."""
    home, agent = house(roll=Act(text="six")), attrs.evolve(AGENT, tool_rules=rules)
    assert expected is needs_approval(agent, tool)
    returned = await run_tool(home.ports(), agent, (tool,), call("roll"), TURN, resumed=False)
    assert (failed(UNAPPROVED) if expected else gave("six"), [] if expected else ["roll"]) == (
        returned,
        home.tools.started,
    )
    approved = attrs.evolve(TURN, approved=("roll",))
    assert gave("six") == await run_tool(home.ports(), agent, (tool,), call("roll"), approved, resumed=False)


@virtual
async def test_resumed_call() -> None:
    """After a crash only an idempotent tool is run again."""
    home = house()
    assert failed(INTERRUPTED) == await run_tool(home.ports(), AGENT, (ROLL, LOOK), call("roll"), TURN, resumed=True)
    assert gave("done", key="look") == await run_tool(
        home.ports(), AGENT, (ROLL, LOOK), call("look"), TURN, resumed=True
    )
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
            assert expected == await edit_in(tx, agent, call("memory_insert", arguments), TURN, home.clock.now())
    expected_block = attrs.evolve(block, value="Bo\nx", updated_at=home.clock.now())
    assert expected_block == await home.main.blocks.get(block.id)


@virtual
async def test_edit_without_a_change_stores_nothing() -> None:
    """A tool that only answers leaves the blocks as they are; a block whose record is gone is left out."""
    home = house()
    agent = await home.agent(blocks=(BlockDraft(label="human", value="Bo"), BlockDraft(label="persona")))
    before = await home.main.agents.blocks(agent.id)
    async with home.memory.transaction() as tx:
        sent = await edit_in(tx, agent, call("send_message", '{"message": "hi"}'), TURN, NOON)
        await tx.delete(BLOCKS, (agent.block_ids[1],))
        gone = await edit_in(tx, agent, call("memory_rethink", '{"label": "persona", "new_memory": ""}'), TURN, NOON)
    assert gave("Sent.", key="send_message") == sent
    assert failed("there is no memory block 'persona'; there are: human", "memory_rethink") == gone
    assert before[0] == await home.main.blocks.get(agent.block_ids[0])


def memory(**arguments: object) -> ToolCall:
    """Return a call of the one tool for all of memory."""
    return call("memory", msgspec.json.encode(arguments).decode())


async def remembering(*calls: ToolCall, **fields: object) -> tuple[House, str, list[str]]:
    """Return a house, an agent that made these calls one after another, and what each of them gave."""
    home = house(*(Reply(calls=(one,)) for one in calls), Reply(text="well"))
    blocks = (BlockDraft(label="human", value="Bo"), BlockDraft(label="other"))
    agent = await home.agent(tool_names=("memory",), blocks=blocks, **fields)
    result = await home.main.messages.send(agent.id, [said()], TurnOptions(model="a/b"))
    return home, agent.id, [one.text or "" for message in result.messages for one in message.tool_returns]


@virtual
async def test_memory_makes_and_drops_blocks() -> None:
    """A new block is the agent's and can be edited at once; a dropped one stays for others; the agent stays itself."""
    home, agent_id, told = await remembering(
        memory(command="create", path="notes", file_text="one", description="d"),
        memory(command="insert", path="notes", insert_text="two"),
        memory(command="create", path="notes"),
        memory(command="delete", path="human"),
        memory(command="rename", old_path="other", new_path="human"),
        model="c/d",
    )
    assert ["Created 'notes'.", "one\ntwo", "there is a memory block 'notes' already"] == told[:3]
    assert ["Deleted 'human'.", "Renamed 'other' to 'human'."] == told[3:]
    blocks = await home.main.agents.blocks(agent_id)
    assert [("human", "", None), ("notes", "one\ntwo", "d")] == [(b.label, b.value, b.description) for b in blocks]
    assert ["Bo"] == [block.value for block in await home.main.blocks.list() if block not in blocks]
    assert "c/d" == (await home.main.agents.get(agent_id)).model


@virtual
async def test_memory_has_room_for_so_many_blocks() -> None:
    """A block too many is refused in words for the model."""
    home = house(Reply(calls=(memory(command="create", path="one more"),)), Reply(text="well"))
    blocks = tuple(BlockDraft(label=str(number)) for number in range(BLOCKS_PER_AGENT_MAX))
    agent = await home.agent(tool_names=("memory",), blocks=blocks)
    result = await home.main.messages.send(agent.id, [said()])
    words = "there are 256 memory blocks, which is as many as there may be"
    assert f"tool: memory=error:{words}" == gist(result.messages)[1]
    assert BLOCKS_PER_AGENT_MAX == len(await home.main.agents.blocks(agent.id))


@virtual
async def test_rename_that_another_agent_cannot_bear_is_refused() -> None:
    """A label stays unique among the blocks of every agent that has the block."""
    home, agent_id, _ = await remembering()
    shared = (await home.main.agents.get(agent_id)).block_ids[0]
    await home.main.agents.create(AgentDraft(name="Cy", block_ids=(shared,), blocks=(BlockDraft(label="mine"),)))
    home.model.lines = (Reply(calls=(memory(command="rename", old_path="human", new_path="mine"),)), Reply(text="well"))
    result = await home.main.messages.send(agent_id, [said()])
    assert "tool: memory=error:block with label 'mine' exists already" == gist(result.messages)[1]


@pytest.mark.parametrize("harm", [Harm.FAIL, Harm.LOSE])
@pytest.mark.parametrize("at", range(1, 9))
@virtual
async def test_block_is_made_once(harm: Harm, at: int) -> None:
    """Whichever commit of the turn fails or goes unheard, there is one new block, and the model is told of it."""
    home = house(Reply(calls=(memory(command="create", path="notes"),)), Reply(text="well"))
    agent = await home.agent(tool_names=("memory",))
    home.store.arm(harm, at)
    result = await home.main.messages.send(agent.id, [said()])
    assert "tool: memory=success:Created 'notes'." == gist(result.messages)[1]
    assert ["notes"] == [block.label for block in await home.main.blocks.list()]

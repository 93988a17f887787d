"""Agents: what is created, changed and deleted is so when read back, and only for its owner."""

import asyncio

import attrs
import pytest

from kelpie_core.errors import AlreadyExists, InvalidInput, LimitExceeded, NotFound, StoreError
from kelpie_core.ids import USER_DEFAULT
from kelpie_core.limits import TOOLS_PER_AGENT_MAX
from kelpie_core.model.agent import Agent, AgentHead, AgentType, Span, TurnLimits
from kelpie_core.model.content import text_of
from kelpie_core.model.message import Role
from kelpie_core.model.tool import ToolType
from kelpie_core.service.agent_list import AgentFilter
from kelpie_core.service.agent_state import AgentState
from kelpie_core.service.drafts import AgentChanges, AgentDraft, BlockChanges, BlockDraft, ToolDraft
from tests.house import OTHERS, House, everything, house, said
from tests.twins import NOON, Harm, virtual

FULL = AgentDraft(
    name="Ada",
    agent_type=AgentType.MEMGPT_V2,
    system="Be kind.",
    description="A test.",
    model="openai/gpt-4o",
    embedding="openai/embed",
    llm_config={"temperature": 0},
    embedding_config={"dim": 3},
    model_settings={"top_p": 1},
    tool_rules=({"type": "run_first"},),
    tags=("a", "b"),
    metadata={"deep": {"er": [1, None, "x"]}},
    secrets={"KEY": "hunter2"},
    timezone="Europe/Berlin",
    message_buffer_autoclear=True,
    hidden=False,
    limits=TurnLimits(steps_max=2, tool_calls_max=3, tokens_max=4, seconds_max=5),
    extra={"kept": True},
)


@virtual
async def test_created_agent_is_read_back() -> None:
    """Every field of the draft is in the agent that is stored, with an id, an owner and the time."""
    home = house()
    agent = await home.main.agents.create(FULL)
    fields = attrs.asdict(
        FULL, recurse=False, filter=lambda field, _: field.name not in ("blocks", "tool_names", "initial_messages")
    )
    expected = Agent(
        id=agent.id,
        organization_id=home.main.actor.organization_id,
        created_by_id=home.main.actor.user_id,
        created_at=NOON,
        updated_at=NOON,
        **fields,
    )
    assert expected == agent == await home.main.agents.get(agent.id)


@virtual
async def test_created_agent_has_its_first_message() -> None:
    """A new agent's history is its system prompt as rendered, and the window holds it."""
    home = house()
    agent = await home.agent(system="Be kind.", blocks=(BlockDraft(label="human", value="Bo"),))
    (message,) = await home.main.messages.list(agent.id)
    state = await home.main.agents.state(agent.id)
    assert (Role.SYSTEM, 0, True) == (message.role, message.seq, "<value>\nBo\n</value>" in text_of(message.content))
    assert (
        AgentHead(agent_id=agent.id, organization_id=agent.organization_id, seq_next=1, window=(Span(first=0, end=1),))
        == state.head
    )
    assert (message.id,) == state.window_ids


@virtual
async def test_created_agent_has_what_is_attached() -> None:
    """Blocks and tools that exist come first, then those that the draft brings; a name is looked up or made, once."""
    home = house()
    shared = await home.main.blocks.create(BlockDraft(label="shared"))
    tool, named = [await home.main.tools.create(ToolDraft(name=name)) for name in ("one", "two")]
    draft = AgentDraft(
        name="Ada",
        block_ids=(shared.id,),
        blocks=(BlockDraft(label="human", value="Bo"), BlockDraft(label="persona")),
        tool_ids=(tool.id,),
        tool_names=("two", "send_message", "one"),
    )
    agent = await home.main.agents.create(draft)
    blocks, tools = await home.main.agents.blocks(agent.id), await home.main.agents.tools(agent.id)
    assert ["shared", "human", "persona"] == [block.label for block in blocks]
    assert ["one", "two", "send_message"] == [tool.name for tool in tools]
    assert (ToolType.CORE, [tool, named]) == (tools[2].tool_type, list(tools[:2]))
    head = (await home.main.agents.state(agent.id)).head
    (message,) = await home.main.messages.list(agent.id)
    expected = AgentState(agent=agent, head=head, blocks=blocks, tools=tools, window_ids=(message.id,))
    assert expected == await home.main.agents.state(agent.id)


@virtual
async def test_builtin_tool_is_made_once() -> None:
    """The second agent with a builtin tool has the first one's."""
    home = house()
    first, second = [await home.agent(tool_names=("send_message",)) for _ in range(2)]
    assert first.tool_ids == second.tool_ids
    assert 1 == len(await home.main.tools.list())


@pytest.mark.parametrize(
    ("draft", "error", "words"),
    [
        (AgentDraft(name=""), InvalidInput, "$.name: must not be empty"),
        (AgentDraft(name="Ada", block_ids=("block-x",)), NotFound, "block 'block-x' was not found"),
        (AgentDraft(name="Ada", tool_ids=("tool-x",)), NotFound, "tool 'tool-x' was not found"),
        (AgentDraft(name="Ada", tool_names=("fly",)), NotFound, "tool 'fly' was not found"),
        (
            AgentDraft(name="Ada", blocks=(BlockDraft(label="a"), BlockDraft(label="a"))),
            AlreadyExists,
            "block with label 'a' exists already",
        ),
        (
            AgentDraft(name="Ada", blocks=(BlockDraft(label="a", value="xx", limit=1),)),
            LimitExceeded,
            "$.value: has 2 characters, 1 are allowed",
        ),
    ],
)
@virtual
async def test_refused_agent_leaves_nothing(draft: AgentDraft, error: type[Exception], words: str) -> None:
    """A draft that is refused stores neither the agent nor any of its parts."""
    home = house()
    with pytest.raises(error) as caught:
        await home.main.agents.create(draft)
    assert (words, {}) == (str(caught.value), await everything(home.memory))


@virtual
async def test_named_tools_count() -> None:
    """Tools that are given by name count as those given by id."""
    home = house()
    ids = []
    for number in range(TOOLS_PER_AGENT_MAX):
        ids.append((await home.main.tools.create(ToolDraft(name=f"tool{number}"))).id)
    with pytest.raises(LimitExceeded, match="513 items, 512 are allowed"):
        await home.main.agents.create(AgentDraft(name="Ada", tool_ids=tuple(ids), tool_names=("send_message",)))


@virtual
async def test_update_changes_what_is_set() -> None:
    """What is set is changed, null included; the rest stays, and the time of the change is kept."""
    home = house()
    agent = await home.main.agents.create(FULL)
    await home.clock.sleep(60)
    changes = AgentChanges(name="Eve", description=None, tags=(), limits=TurnLimits(), secrets={})
    updated = await home.main.agents.update(agent.id, changes)
    expected = attrs.evolve(
        agent,
        name="Eve",
        description=None,
        tags=(),
        limits=TurnLimits(),
        secrets={},
        updated_at=home.clock.now(),
        last_updated_by_id=USER_DEFAULT,
    )
    assert expected == updated == await home.main.agents.get(agent.id)
    assert [] == await home.main.agents.list(which=AgentFilter(tags=("a",)))
    assert [expected] == await home.main.agents.list(which=AgentFilter(name="Eve"))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (AgentChanges(name=""), InvalidInput),
        (AgentChanges(block_ids=("block-x",)), NotFound),
        (AgentChanges(tool_ids=("tool-x",)), NotFound),
        (AgentChanges(limits=TurnLimits(steps_max=0)), InvalidInput),
    ],
)
@virtual
async def test_refused_update_changes_nothing(changes: AgentChanges, error: type[Exception]) -> None:
    """An update that is refused leaves the agent as it was."""
    home = house()
    agent = await home.agent()
    with pytest.raises(error):
        await home.main.agents.update(agent.id, changes)
    assert agent == await home.main.agents.get(agent.id)


@virtual
async def test_attach_and_detach() -> None:
    """Attaching adds behind, once; detaching takes away, and what is not there is no error."""
    home = house()
    agent = await home.agent(ToolDraft(name="one"), blocks=(BlockDraft(label="human"),))
    block, tool = (
        await home.main.blocks.create(BlockDraft(label="b")),
        await home.main.tools.create(ToolDraft(name="t")),
    )
    for _ in range(2):
        await home.main.agents.attach_block(agent.id, block.id)
        full = await home.main.agents.attach_tool(agent.id, tool.id)
    assert ((*agent.block_ids, block.id), (*agent.tool_ids, tool.id)) == (full.block_ids, full.tool_ids)
    for _ in range(2):
        await home.main.agents.detach_block(agent.id, agent.block_ids[0])
        bare = await home.main.agents.detach_tool(agent.id, agent.tool_ids[0])
    assert ((block.id,), (tool.id,)) == (bare.block_ids, bare.tool_ids)
    assert bare == await home.main.agents.get(agent.id)


@virtual
async def test_attach_checks_what_it_attaches() -> None:
    """A block with a label that the agent has, a thing that is not there, or another organization's is refused."""
    home = house()
    agents = home.main.agents
    agent = await home.agent(blocks=(BlockDraft(label="human"),))
    twin = await home.main.blocks.create(BlockDraft(label="human"))
    theirs = await home.main.acting_as(OTHERS).blocks.create(BlockDraft(label="b"))
    their_tool = await home.main.acting_as(OTHERS).tools.create(ToolDraft(name="t"))
    with pytest.raises(AlreadyExists, match="block with label 'human' exists already"):
        await agents.attach_block(agent.id, twin.id)
    for key in ("block-x", theirs.id):
        with pytest.raises(NotFound, match=key):
            await agents.attach_block(agent.id, key)
    with pytest.raises(NotFound, match=their_tool.id):
        await agents.attach_tool(agent.id, their_tool.id)
    assert agent == await agents.get(agent.id)


@virtual
async def test_block_by_label() -> None:
    """An agent's block is read and changed by its label; the change is the block's own."""
    home = house()
    agent = await home.agent(blocks=(BlockDraft(label="persona"), BlockDraft(label="human", value="Bo")))
    block = await home.main.agents.block(agent.id, "human")
    assert ("Bo", agent.block_ids[1]) == (block.value, block.id)
    await home.clock.sleep(5)
    updated = await home.main.agents.update_block(agent.id, "human", BlockChanges(value="Eve", label="person"))
    expected = attrs.evolve(
        block, value="Eve", label="person", updated_at=home.clock.now(), last_updated_by_id=USER_DEFAULT
    )
    assert expected == updated == await home.main.blocks.get(block.id)
    for label in ("human", "nothing"):
        with pytest.raises(NotFound, match=f"block '{label}' was not found"):
            await home.main.agents.block(agent.id, label)


@virtual
async def test_block_by_label_keeps_its_limit() -> None:
    """A value over the limit is refused and changes nothing."""
    home = house()
    agent = await home.agent(blocks=(BlockDraft(label="human", value="Bo", limit=5),))
    with pytest.raises(LimitExceeded, match=r"\$\.value: has 6 characters, 5 are allowed"):
        await home.main.agents.update_block(agent.id, "human", BlockChanges(value="x" * 6))
    assert "Bo" == (await home.main.agents.block(agent.id, "human")).value


@virtual
async def test_delete_sweeps_all_records() -> None:
    """Nothing of a deleted agent is left in any table; its blocks, tools and other agents stay as they were."""
    home = house()
    other = await home.agent(ToolDraft(name="roll"))
    await home.main.messages.send(other.id, [said()])
    expected = await everything(home.memory)
    agent = await home.main.agents.create(AgentDraft(name="Eve", tool_ids=other.tool_ids))
    for _ in range(3):
        await home.main.messages.send(agent.id, [said()])
    await home.main.agents.delete(agent.id)
    assert expected == await everything(home.memory)


@virtual
async def test_deleted_agent_is_not_found() -> None:
    """Every call on a deleted agent says that it is not there."""
    home = house()
    agent = await home.agent()
    await home.main.agents.delete(agent.id)
    await all_not_found(home, home.main.agents, agent.id)


@virtual
async def test_other_organizations_agent_is_not_found() -> None:
    """Every call on another organization's agent says that it is not there, and changes nothing of it."""
    home = house()
    agent = await home.agent()
    before = await everything(home.memory)
    await all_not_found(home, home.main.acting_as(OTHERS).agents, agent.id)
    assert [] == await home.main.acting_as(OTHERS).agents.list()
    assert [] == await home.main.acting_as(OTHERS).agents.list(which=AgentFilter(name="Ada"))
    assert before == await everything(home.memory)


async def all_not_found(home: House, agents: object, agent_id: str) -> None:
    """Check that each call of a service of agents finds no such agent."""
    calls = {
        "get": (),
        "state": (),
        "update": (AgentChanges(name="Eve"),),
        "delete": (),
        "attach_block": ("block-x",),
        "detach_block": ("block-x",),
        "attach_tool": ("tool-x",),
        "detach_tool": ("tool-x",),
        "blocks": (),
        "block": ("human",),
        "update_block": ("human", BlockChanges(value="x")),
        "tools": (),
    }
    for name, arguments in calls.items():
        with pytest.raises(NotFound) as caught:
            await getattr(agents, name)(agent_id, *arguments)
        assert (name, "agent", agent_id) == (name, caught.value.kind, caught.value.key)


@virtual
async def test_sweep_that_fails_is_done_later() -> None:
    """An agent is gone once that is stored; what the store would not purge then goes at the next recovery."""
    home = house()
    agent = await home.agent()
    await home.main.messages.send(agent.id, [said()])
    home.store.arm(Harm.FAIL_ON, 2)
    await home.main.agents.delete(agent.id)
    home.store.arm(None)
    assert ["messages", "runs", "steps", "sweeps"] == sorted(await everything(home.memory))
    assert 0 == await home.main.recover()
    assert {} == await everything(home.memory)


@virtual
async def test_delete_that_fails_says_so() -> None:
    """An agent whose deletion cannot be stored stays whole, and its caller hears of it."""
    home = house()
    agent = await home.agent()
    expected = await everything(home.memory)
    home.store.arm(Harm.FAIL_ON, 1)
    with pytest.raises(StoreError, match="the disk is full"):
        await home.main.agents.delete(agent.id)
    assert expected == await everything(home.memory)


@virtual
async def test_concurrent_changes_all_happen() -> None:
    """Of many changes at once none is lost."""
    home = house()
    agent = await home.agent()
    tools = [await home.main.tools.create(ToolDraft(name=f"tool{number}")) for number in range(8)]
    await asyncio.gather(*(home.main.agents.attach_tool(agent.id, tool.id) for tool in tools))
    assert {tool.id for tool in tools} == set((await home.main.agents.get(agent.id)).tool_ids)

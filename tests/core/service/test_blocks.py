"""Memory blocks: stored, shared, changed, deleted."""

import attrs
import pytest

from kelpie_core.errors import AlreadyExists, InvalidInput, LimitExceeded, NotFound
from kelpie_core.ids import USER_DEFAULT
from kelpie_core.model.block import Block
from kelpie_core.service.block_list import BlockFilter
from kelpie_core.service.blocks import Blocks
from kelpie_core.service.drafts import AgentDraft, BlockChanges, BlockDraft
from tests.house import OTHERS, everything, house
from tests.twins import NOON, virtual

FULL = BlockDraft(
    label="human",
    value="Name: Bo",
    limit=50,
    description="Who it is.",
    read_only=True,
    hidden=True,
    tags=("a",),
    metadata={"x": [1]},
    extra={"is_template": False},
)


@virtual
async def test_created_block_is_read_back() -> None:
    """Every field of the draft is in the block that is stored."""
    home = house()
    block = await home.main.blocks.create(FULL)
    expected = Block(
        id=block.id,
        organization_id=home.main.actor.organization_id,
        created_by_id=home.main.actor.user_id,
        created_at=NOON,
        updated_at=NOON,
        **attrs.asdict(FULL, recurse=False),
    )
    assert expected == block == await home.main.blocks.get(block.id)


@virtual
async def test_update_changes_what_is_set() -> None:
    """What is set is changed, null included; the rest stays."""
    home = house()
    block = await home.main.blocks.create(FULL)
    await home.clock.sleep(3)
    changes = BlockChanges(label="person", value="Eve", description=None, read_only=False, tags=())
    updated = await home.main.blocks.update(block.id, changes)
    expected = attrs.evolve(
        block,
        label="person",
        value="Eve",
        description=None,
        read_only=False,
        tags=(),
        updated_at=home.clock.now(),
        last_updated_by_id=USER_DEFAULT,
    )
    assert expected == updated == await home.main.blocks.get(block.id)
    assert ([], [expected]) == (
        await home.main.blocks.list(which=BlockFilter(label="human")),
        await home.main.blocks.list(which=BlockFilter(label="person")),
    )


@virtual
async def test_value_stays_within_the_limit() -> None:
    """A value over the limit is refused at creation and at change, and so is a limit under the value."""
    home = house()
    with pytest.raises(LimitExceeded):
        await home.main.blocks.create(BlockDraft(label="human", value="xx", limit=1))
    assert {} == await everything(home.memory)
    block = await home.main.blocks.create(BlockDraft(label="human", value="xx", limit=2))
    for changes in (BlockChanges(value="xxx"), BlockChanges(limit=1)):
        with pytest.raises(LimitExceeded):
            await home.main.blocks.update(block.id, changes)
    with pytest.raises(InvalidInput):
        await home.main.blocks.update(block.id, BlockChanges(label=""))
    assert block == await home.main.blocks.get(block.id)


@virtual
async def test_delete_detaches_everywhere() -> None:
    """A deleted block is gone from each of its agents, however many share it; their other blocks stay."""
    home = house()
    block = await home.main.blocks.create(BlockDraft(label="shared"))
    agents = [await home.agent(block_ids=(block.id,), blocks=(BlockDraft(label="own"),)) for _ in range(120)]
    await home.main.blocks.delete(block.id)
    for agent in agents:
        assert agent.block_ids[1:] == (await home.main.agents.get(agent.id)).block_ids
        assert 1 == len((await home.main.agents.state(agent.id)).blocks)
    with pytest.raises(NotFound, match=block.id):
        await home.main.blocks.get(block.id)


@virtual
async def test_other_organizations_block_is_not_found() -> None:
    """Every call on another organization's block, or on none, says that it is not there."""
    home = house()
    block = await home.main.blocks.create(FULL)
    await home.agent(block_ids=(block.id,))
    before = await everything(home.memory)
    for blocks, key in ((home.main.acting_as(OTHERS).blocks, block.id), (home.main.blocks, "block-x")):
        await all_not_found(blocks, key)
    assert [] == await home.main.acting_as(OTHERS).blocks.list()
    assert before == await everything(home.memory)


async def all_not_found(blocks: Blocks, key: str) -> None:
    """Check that each call finds no such block."""
    for waiting in (
        blocks.get(key),
        blocks.update(key, BlockChanges(value="x")),
        blocks.delete(key),
        blocks.agents_of(key),
    ):
        with pytest.raises(NotFound) as caught:
            await waiting
        assert ("block", key) == (caught.value.kind, caught.value.key)


@virtual
async def test_label_stays_unique_in_an_agent() -> None:
    """A block cannot take a label that another block of one of its agents has; another agent's labels do not matter."""
    home = house()
    agent = await home.agent(blocks=(BlockDraft(label="human"), BlockDraft(label="persona")))
    await home.main.agents.create(AgentDraft(name="Bo", blocks=(BlockDraft(label="plans"),)))
    human, persona = await home.main.agents.blocks(agent.id)
    with pytest.raises(AlreadyExists, match="block with label 'persona' exists already"):
        await home.main.blocks.update(human.id, BlockChanges(label="persona"))
    with pytest.raises(AlreadyExists, match="block with label 'human' exists already"):
        await home.main.agents.update_block(agent.id, "persona", BlockChanges(label="human"))
    renamed = await home.main.blocks.update(human.id, BlockChanges(label="plans"))
    assert (renamed, persona) == await home.main.agents.blocks(agent.id)

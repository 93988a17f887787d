"""Reading what belongs to the actor."""

import pytest

from kelpie_core.errors import NotFound
from kelpie_core.records import AGENTS, HEADS, TOOLS
from kelpie_core.service.drafts import ToolDraft
from kelpie_core.service.owned import read_all_owned, read_head, read_owned
from tests.house import OTHERS, house
from tests.twins import virtual


@virtual
async def test_owner_reads_and_others_do_not() -> None:
    """The owner's organization gets the record; another one is told that there is none."""
    home = house()
    agent = await home.agent()
    async with home.memory.transaction() as tx:
        assert agent == await read_owned(tx, home.main.actor, AGENTS, agent.id)
        assert agent.id == (await read_head(tx, home.main.actor, agent.id)).agent_id
        for read in (read_owned(tx, OTHERS, AGENTS, agent.id), read_head(tx, OTHERS, agent.id)):
            with pytest.raises(NotFound, match=f"agent '{agent.id}' was not found"):
                await read


@virtual
async def test_many_are_read_in_the_order_asked() -> None:
    """Records come in the order of their ids as given; the first that is missing is named."""
    home = house()
    tools = [await home.main.tools.create(ToolDraft(name=name)) for name in ("a", "b", "c")]
    keys = tuple(tool.id for tool in reversed(tools))
    async with home.memory.transaction() as tx:
        assert tuple(reversed(tools)) == await read_all_owned(tx, home.main.actor, TOOLS, keys)
        with pytest.raises(NotFound, match="tool 'x' was not found"):
            await read_all_owned(tx, home.main.actor, TOOLS, (keys[0], "x", "y"))


@virtual
async def test_agent_without_a_head_is_none() -> None:
    """An agent of which only the configuration is left counts as not there."""
    home = house()
    agent = await home.agent()
    async with home.memory.transaction() as tx:
        await tx.delete(HEADS, (agent.id,))
    async with home.memory.transaction() as tx:
        with pytest.raises(NotFound, match=agent.id):
            await read_head(tx, home.main.actor, agent.id)

"""Cursors of what was deleted."""

import datetime as dt

import pytest

from kelpie_core.errors import InvalidInput, NotFound
from kelpie_core.limits import DEPARTURE_SECONDS, SWEEP_CHUNK_RECORDS
from kelpie_core.model.departure import Departure
from kelpie_core.records import AGENTS, DEPARTURES
from kelpie_core.service.departures import check_not_departed, forget_departures, place_by_creation
from kelpie_core.service.drafts import AgentDraft, BlockDraft, Page
from tests.contracts.made import put
from tests.house import OTHERS, House, house
from tests.twins import virtual


async def departed(home: House) -> list[str]:
    """Return the ids whose places are still known."""
    async with home.memory.transaction() as tx:
        return [one.id for one in await tx.scan(DEPARTURES, limit=1_000)]


@virtual
async def test_walk_goes_on_where_an_item_was() -> None:
    """Whoever deletes each agent or block that a list shows comes to its end, in either direction."""
    home = house()
    agents = [(await home.main.agents.create(AgentDraft(name=name))).id for name in "abcde"]
    await home.main.agents.delete(agents[1])
    assert agents[2:4] == [one.id for one in await home.main.agents.list(Page(after=agents[1], limit=2))]
    assert agents[:1] == [one.id for one in await home.main.agents.list(Page(before=agents[1]))]
    blocks = [(await home.main.blocks.create(BlockDraft(label=label))).id for label in "abc"]
    for key in blocks[:2]:
        await home.main.blocks.delete(key)
    assert blocks[2:] == [one.id for one in await home.main.blocks.list(Page(after=blocks[1]))]


@virtual
async def test_place_is_forgotten_in_time() -> None:
    """A day later the place is not known any more, and a cursor on it is refused."""
    home = house()
    agent = await home.agent()
    await home.main.agents.delete(agent.id)
    await home.clock.sleep(DEPARTURE_SECONDS - 10)
    await home.main.recover()
    assert [agent.id] == await departed(home)
    await home.clock.sleep(20)
    await home.main.recover()
    assert [] == await departed(home)
    with pytest.raises(InvalidInput, match=r"\$\.after: the cursor names nothing"):
        await home.main.agents.list(Page(after=agent.id))


@virtual
async def test_places_are_forgotten_in_pieces() -> None:
    """However many there are, all that are due go."""
    home = house()
    now = home.clock.now()
    gone = [
        Departure(id=f"a{number}", organization_id="o", created_at=now, due_at=now)
        for number in range(SWEEP_CHUNK_RECORDS + 2)
    ]
    kept = Departure(id="b", organization_id="o", created_at=now, due_at=now + dt.timedelta(seconds=1))
    await put(home.memory, DEPARTURES, *gone, kept)
    await forget_departures(home.ports())
    assert ["b"] == await departed(home)


@virtual
async def test_places_belong_to_somebody() -> None:
    """Where another organization's thing stands or stood is not told."""
    home = house()
    here, gone = await home.agent(), await home.agent()
    await home.main.agents.delete(gone.id)
    async with home.memory.transaction() as tx:
        for key in (here.id, gone.id, "agent-x"):
            with pytest.raises(NotFound):
                await place_by_creation(tx, OTHERS, AGENTS, key)
        for agent in (here, gone):
            found = await place_by_creation(tx, home.main.actor, AGENTS, agent.id)
            assert (agent.created_at, agent.id) == found


@virtual
async def test_what_departed_does_not_come_back() -> None:
    """A creation that is repeated after its deletion is told so; one that never was, is not."""
    home = house()
    agent = await home.agent()
    await home.main.agents.delete(agent.id)
    async with home.memory.transaction() as tx:
        await check_not_departed(tx, AGENTS, "agent-x")
        with pytest.raises(NotFound):
            await check_not_departed(tx, AGENTS, agent.id)

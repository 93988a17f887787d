"""Reading an agent's messages by key."""

import pytest

from kelpie_core.limits import PAGE_ITEMS_MAX
from kelpie_core.model.agent import AgentHead, Span
from kelpie_core.model.message import Message, Role
from kelpie_core.records import MESSAGES
from kelpie_core.service.history import read_span, read_window
from tests.house import House, house
from tests.twins import NOON, virtual


async def filled(count: int) -> House:
    """Return a house whose store holds so many messages of agent a, between those of two others."""
    home = house()
    async with home.memory.transaction() as tx:
        for agent_id in ("", "a", "b"):
            for seq in range(count):
                key = f"{agent_id}{seq}"
                await tx.put(MESSAGES, Message(id=key, agent_id=agent_id, seq=seq, role=Role.USER, created_at=NOON))
    return home


@pytest.mark.parametrize(("first", "end"), [(0, 0), (0, 1), (0, 10), (3, 7), (9, 10)])
@virtual
async def test_span_is_read_whole(first: int, end: int) -> None:
    """A span gives its messages and no others, the first and the last of the agent too."""
    home = await filled(10)
    async with home.memory.transaction() as tx:
        read = await read_span(tx, "a", Span(first=first, end=end)) if end else []
    assert [f"a{seq}" for seq in range(first, end)] == [message.id for message in read]


@virtual
async def test_long_span_is_cut_at_a_page() -> None:
    """No read holds more than a page, however long the span."""
    home = await filled(PAGE_ITEMS_MAX + 1)
    async with home.memory.transaction() as tx:
        read = await read_span(tx, "a", Span(first=0, end=PAGE_ITEMS_MAX + 1))
    assert list(range(PAGE_ITEMS_MAX)) == [message.seq for message in read]


@virtual
async def test_window_is_read_from_its_end() -> None:
    """The last messages of a window with gaps come in order."""
    home = await filled(10)
    head = AgentHead(agent_id="a", window=(Span(first=0, end=3), Span(first=5, end=6), Span(first=8, end=10)))
    async with home.memory.transaction() as tx:
        read = {count: [one.seq for one in await read_window(tx, head, count)] for count in (1, 4, 99)}
    assert {1: [9], 4: [2, 5, 8, 9], 99: [0, 1, 2, 5, 8, 9]} == read

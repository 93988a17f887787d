"""Listing and counting agents."""

from collections.abc import Sequence
from typing import Any

import pytest

from kelpie_core.errors import InvalidInput, LimitExceeded
from kelpie_core.limits import TAGS_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.turn import StopReason
from kelpie_core.service.agent_list import AgentFilter
from kelpie_core.service.drafts import AgentChanges, AgentDraft, ConversationDraft, Page
from tests.house import OTHERS, House, house, said
from tests.twins import Reply, virtual

ADA = AgentDraft(name="Ada", tags=("red", "blue"), extra={"project_id": "p", "template_id": "t"})
BO = AgentDraft(name="Bo", tags=("red",), extra={"project_id": "q", "base_template_id": "b"})
CY = AgentDraft(name="Cy ADAMS")


async def filled(home: House) -> None:
    """Make three agents here, the third by a colleague, and one elsewhere."""
    colleague = Actor(user_id="user-colleague", organization_id=home.main.actor.organization_id)
    for actor, draft in ((home.main.actor, ADA), (home.main.actor, BO), (colleague, CY), (OTHERS, ADA)):
        await home.main.acting_as(actor).agents.create(draft)
        await home.clock.sleep(1)


def names(agents: Sequence[Any]) -> str:
    """Return the first letters of agents' names."""
    return "".join(agent.name[0] for agent in agents)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (AgentFilter(), "ABC"),
        (AgentFilter(name="Bo"), "B"),
        (AgentFilter(name="bo"), ""),
        (AgentFilter(name_search="ada"), "AC"),
        (AgentFilter(tags=("red",)), "AB"),
        (AgentFilter(tags=("blue", "red")), "AB"),
        (AgentFilter(tags=("red", "blue"), all_tags=True), "A"),
        (AgentFilter(tags=("red", "green"), all_tags=True), ""),
        (AgentFilter(name="Ada", tags=("blue",)), "A"),
        (AgentFilter(name="Bo", tags=("blue",)), ""),
        (AgentFilter(created_by_id="user-colleague"), "C"),
        (AgentFilter(project_id="q"), "B"),
        (AgentFilter(template_id="t"), "A"),
        (AgentFilter(base_template_id="b"), "B"),
        (AgentFilter(tags=("red",), order="updated_at"), "AB"),
        (AgentFilter(tags=("red",), order="last_run_completion"), "AB"),
    ],
)
@virtual
async def test_filters(which: AgentFilter, expected: str) -> None:
    """Only agents of the organization that fit every filter are listed and counted, each once."""
    home = house()
    await filled(home)
    listed = await home.main.agents.list(which=which)
    assert expected == "".join(sorted(names(listed)))
    assert len(expected) == await home.main.agents.count(which)
    paged = [one async for one in _walk(home, which, descending=False)]
    assert names(listed) == names(paged)


async def _walk(home: House, which: AgentFilter, *, descending: bool) -> Any:
    page = Page(limit=1, descending=descending)
    while agents := await home.main.agents.list(page, which):
        for agent in agents:
            yield agent
        page = Page(limit=1, descending=descending, after=agents[-1].id)


@virtual
async def test_order_by_update() -> None:
    """An agent that is changed comes last, or first if the order is turned round."""
    home = house()
    await filled(home)
    ada = (await home.main.agents.list())[0]
    await home.main.agents.update(ada.id, AgentChanges(description="new"))
    which = AgentFilter(order="updated_at")
    assert "BCA" == names(await home.main.agents.list(which=which))
    assert "ACB" == names([one async for one in _walk(home, which, descending=True)])


@virtual
async def test_order_by_last_run() -> None:
    """An agent that ran later comes first, whichever of its threads it was; those that never ran come last."""
    home = house()
    await filled(home)
    ada, bo, cy = await home.main.agents.list()
    talk = (await home.main.conversations.create(cy.id, ConversationDraft())).conversation
    for agent, where in ((ada, None), (cy, None), (bo, None), (cy, talk.id)):
        await home.clock.sleep(1)
        await home.main.messages.send(agent.id, [said()], conversation_id=where)
    which = AgentFilter(order="last_run_completion")
    assert "CBA" == names([one async for one in _walk(home, which, descending=True)])
    assert "ABC" == names(await home.main.agents.list(which=which))
    await home.main.agents.delete(bo.id)
    assert "AC" == names(await home.main.agents.list(which=which))
    idle = await home.main.agents.create(AgentDraft(name="Di"))
    await home.main.conversations.create(idle.id, ConversationDraft())
    assert "CAD" == names([one async for one in _walk(home, which, descending=True)])
    with pytest.raises(InvalidInput, match="the cursor names nothing"):
        await home.main.agents.list(Page(after=bo.id), which)


@pytest.mark.parametrize("order", ["created_at", "last_run_completion"])
@virtual
async def test_last_stop_reason(order: Any) -> None:
    """An agent is found by how its last run ended, and not by how one before it did."""
    home = house(Reply(text="one"), Reply(text="two"), Reply(text="three"))
    await filled(home)
    ada, bo, _ = await home.main.agents.list()
    for agent in (ada, bo):
        await home.main.messages.send(agent.id, [said()])
    ended = AgentFilter(stop_reasons=frozenset((StopReason.END_TURN,)), order=order)
    other = AgentFilter(stop_reasons=frozenset((StopReason.CANCELLED,)), order=order)
    assert ("AB", "") == (
        names(await home.main.agents.list(which=ended)),
        names(await home.main.agents.list(which=other)),
    )


@virtual
async def test_a_filter_has_few_tags() -> None:
    """Each tag is a place to look at, so there are no more in a filter than an agent may bear."""
    tags = tuple(map(str, range(TAGS_MAX + 1)))
    with pytest.raises(LimitExceeded, match=r"\$\.tags"):
        await house().main.agents.list(which=AgentFilter(tags=tags))

"""Lists that are walked while they change: what people were shown is held against what was there."""

from collections.abc import Sequence

import pytest

from kelpie_core.errors import InvalidInput
from kelpie_core.model.agent import Agent
from kelpie_core.service.agents import Agents
from kelpie_core.service.blocks import Blocks
from kelpie_core.service.drafts import Page
from kelpie_sim.agents.scenarios.paging import SCENARIOS
from tests.sim.agents.scenarios.planted import faulty, first_finding, never_hit

(PAGING,) = SCENARIOS


def test_the_deleted_are_cursors_sometimes():
    """In some seed somebody goes on from an item that is gone."""
    assert set() == never_hit(PAGING)


def test_harm_is_done():
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(PAGING)
    assert len(outcomes) >= 5
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (lambda items, page: items[1:] if len(items) > 1 else items, "missed an item"),
        (lambda items, page: [*items, *items[:1]], "saw an item twice"),
    ],
)
def test_lies_are_found(monkeypatch, lie, words):
    """A list that leaves out an item or shows one twice is found out."""
    for service in (Agents, Blocks):
        monkeypatch.setattr(service, "list", lying(service.list, lie))
    assert words in str(first_finding(PAGING))


def test_lost_cursors_are_found(monkeypatch):
    """A list that forgets its own cursors is found out."""

    def refuse(items: Sequence[Agent], page: Page) -> Sequence[Agent]:
        if page.after is not None:
            raise InvalidInput("no such cursor", path="$.after")
        return items

    for service in (Agents, Blocks):
        monkeypatch.setattr(service, "list", lying(service.list, refuse))
    assert "a cursor that a list gave leads nowhere" in str(first_finding(PAGING))


def lying(honest, lie):
    """Return a list that gives something else than what it read."""

    async def listed(self, page=Page(), *filters):
        return lie(list(await honest(self, page, *filters)), page)

    return listed

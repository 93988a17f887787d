"""The scenarios over HTTP: what they mean to reach is reached, and an app that lies is found."""

import pytest

from kelpie_core.service.messages import Messages
from kelpie_server import sse
from kelpie_sim.agents.scenarios.edge import SCENARIOS
from tests.sim.agents.scenarios.planted import faulty, first_finding, named, never_hit


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_what_must_happen_sometimes_does(scenario):
    """Everything happens that the scenario says must happen sometimes."""
    assert set() == never_hit(scenario)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_harm_is_done(scenario):
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(scenario, 10)
    assert len(outcomes) >= 3
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


def test_stream_without_its_end_is_found(monkeypatch):
    """A stream that does not end with [DONE] is found."""
    monkeypatch.setattr(sse, "DONE", b"")
    assert "edge: a stream did not end with [DONE]" == first_finding(named(SCENARIOS, "edge"))


def test_list_that_lacks_messages_is_found(monkeypatch):
    """A list that is not the history is found."""
    listed = Messages.list

    async def short(self, agent_id, page):
        return (await listed(self, agent_id, page))[:-1]

    monkeypatch.setattr(Messages, "list", short)
    assert first_finding(named(SCENARIOS, "edge"))

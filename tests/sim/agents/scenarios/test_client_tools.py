"""The scenario of a client that runs the tools: it reaches what it means to, and a planted bug is found."""

from kelpie_core.wire.letta_agent import agent_json
from kelpie_server.routes import agents as agents_routes
from kelpie_sim.agents.scenarios.client_tools import SCENARIOS
from tests.sim.agents.scenarios.planted import faulty, first_finding, named, never_hit

(SCENARIO,) = SCENARIOS


def test_what_must_happen_sometimes_does():
    """Everything happens that the scenario says must happen sometimes."""
    assert set() == never_hit(SCENARIO)


def test_harm_is_done():
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(SCENARIO)
    assert len(outcomes) >= 5
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


def test_request_that_is_not_shown_with_its_agent_is_found(monkeypatch):
    """An agent that hides what waits is found by who was asked for it."""
    monkeypatch.setattr(
        agents_routes, "agent_json", lambda *given, **more: {**agent_json(*given, **more), "pending_approval": None}
    )
    found = first_finding(named(SCENARIOS, "client-tools-edge"))
    assert "client: the stream asked for other than what waits" == found

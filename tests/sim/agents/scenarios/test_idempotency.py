"""Requests that are sent again: what is to be reached is reached, and a server that does things twice is found."""

import pytest

from kelpie_core.keyed_entropy import KeyedEntropy
from kelpie_core.service.supervisor import Supervisor
from kelpie_sim.agents.scenarios.idempotency import SCENARIOS
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


def test_other_ids_are_found(monkeypatch):
    """A server that draws new ids for a repeated request makes another thing, and that is found."""
    monkeypatch.setattr(KeyedEntropy, "bits", lambda self, count: self._rest.bits(count))
    assert first_finding(named(SCENARIOS, "idempotent-requests"))


def test_a_turn_that_is_driven_twice_is_found(monkeypatch):
    """A server that begins the turn of a repeated request beside the first one is found."""
    claiming = Supervisor.claiming

    def blind(self, run_id):
        return claiming(Supervisor(self._ports), run_id)

    monkeypatch.setattr(Supervisor, "claiming", blind)
    assert first_finding(named(SCENARIOS, "idempotent-requests"))

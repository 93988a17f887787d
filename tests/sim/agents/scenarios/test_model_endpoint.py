"""Turns whose models are asked over the network: what the scenario means to reach is reached, and harm is done."""

from collections import Counter

from kelpie_core.service import model_reply
from kelpie_sim.agents.scenarios.model_endpoint import SCENARIOS
from tests.sim.agents.scenarios.planted import faulty, first_finding, never_hit

(MODEL_ENDPOINT,) = SCENARIOS


def test_what_must_happen_sometimes_does():
    """Everything happens that the scenario says must happen sometimes."""
    assert set() == never_hit(MODEL_ENDPOINT)


def test_harm_is_done_at_both_fidelities():
    """Faults of the providers and of the network fire over TCP and by messages, and no seed finds anything."""
    outcomes = faulty(MODEL_ENDPOINT, 60)
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]
    harmed = Counter(
        (report.kind.startswith("Network"), outcome.options["tcp"])
        for outcome in outcomes
        for report in outcome.faults
        if report.fired
    )
    assert {(True, True), (True, False), (False, True), (False, False)} == set(harmed)


def test_pieces_that_are_told_twice_are_found(monkeypatch):
    """A reply that is asked for again after its pieces were heard is found."""
    monkeypatch.setattr(model_reply, "_tells", lambda piece: True)
    attempt = model_reply._attempt

    async def forgetful(ports, request, step_id, hear, heard):
        return await attempt(ports, request, step_id, hear, [])

    monkeypatch.setattr(model_reply, "_attempt", forgetful)
    assert "stream: the pieces do not add up to the stored message" == first_finding(MODEL_ENDPOINT)

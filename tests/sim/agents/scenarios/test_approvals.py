"""The scenarios of approvals: everything that they mean to reach is reached, and a planted bug is found."""

import attrs
import pytest

from kelpie_core.model.approval import Verdict, answers_of
from kelpie_core.service import approvals as approvals_service
from kelpie_core.service import turn_start
from kelpie_sim.agents.scenarios.approvals import SCENARIOS
from tests.sim.agents.scenarios.planted import faulty, first_finding, named, never_hit


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_what_must_happen_sometimes_does(scenario):
    """Everything happens that the scenario says must happen sometimes."""
    assert set() == never_hit(scenario)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_harm_is_done(scenario):
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(scenario)
    assert len(outcomes) >= 5
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


def test_answer_that_is_not_checked_is_found(monkeypatch):
    """A server that takes any answer is found by the answers that must be refused."""
    monkeypatch.setattr(turn_start, "check_waiting", lambda head, drafts: None)
    assert "approval: of two answers not exactly one was taken" == first_finding(named(SCENARIOS, "two-approvers"))


def test_withdrawal_that_leaves_calls_open_is_found(monkeypatch):
    """A cancel that only forgets what waits leaves calls open, which the law of what waits finds."""

    async def forget(tx, agent, head, message_id, now):
        return attrs.evolve(head, pending=None)

    monkeypatch.setattr("kelpie_core.service.messages.withdraw", forget)
    assert first_finding(named(SCENARIOS, "approval-cancel")).startswith("waiting: 0 calls wait for approval, ")


def test_denial_that_is_not_heeded_is_found(monkeypatch):
    """A call that runs although it was denied is found in the ledger."""

    def agreeing(approvals):
        return tuple(
            attrs.evolve(one, approve=True) if isinstance(one, Verdict) else one for one in answers_of(approvals)
        )

    monkeypatch.setattr(approvals_service, "answers_of", agreeing)
    assert "approval: a call that was denied took effect" == first_finding(named(SCENARIOS, "two-approvers"))

"""The scenarios of threads: what they mean to reach is reached, and each thing they look for is found."""

import pytest

from kelpie_core.service import conversations as conversations_service
from kelpie_core.service import reset as reset_service
from kelpie_core.service.conversations import Conversations
from kelpie_core.service.messages import Messages
from kelpie_core.service.turn_start import TurnStart
from kelpie_sim.agents.scenarios.threads import SCENARIOS
from tests.sim.agents.scenarios.planted import all_findings, faulty, first_finding, named, never_hit


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_what_is_meant_to_happen_does(scenario):
    """Within some seeds, none of which finds anything, all has happened that must sometimes."""
    assert set() == never_hit(scenario)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_harm_is_done(scenario):
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(scenario, 8)
    assert len(outcomes) >= 3
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


async def nothing(self, *arguments, **options):
    """Do nothing, and say that it is done."""


def test_conversation_that_comes_back_is_found(monkeypatch):
    """A deletion that deletes nothing is found."""
    monkeypatch.setattr(Conversations, "delete", nothing)
    assert "conversation: one that was deleted is there again" == first_finding(named(SCENARIOS, "conversation-delete"))


def test_fork_that_holds_something_else_is_found(monkeypatch):
    """A fork that leaves out what its source holds is found."""
    monkeypatch.setattr(conversations_service, "visible", lambda window: window[2:])
    assert "fork: it does not hold what its source held" in all_findings(named(SCENARIOS, "fork-at-work"))


def test_reset_that_does_nothing_is_found(monkeypatch):
    """A reset after which everything is still there is found."""
    monkeypatch.setattr(Messages, "reset", nothing)
    assert "reset: a message that was taken away is there again" in all_findings(named(SCENARIOS, "reset-at-work"))


def test_reset_in_the_middle_of_a_turn_is_found(monkeypatch):
    """A reset of a thread that a turn holds is found."""
    monkeypatch.setattr(reset_service, "check_free", lambda head, now: None)
    assert "fencing: a thread was reset while a turn held it" in all_findings(named(SCENARIOS, "reset-at-work"))


def test_message_that_begins_two_runs_is_found(monkeypatch):
    """A background turn that is begun again when its sender asks again is found."""

    async def never(self, tx, head):
        return None

    monkeypatch.setattr(TurnStart, "_earlier", never)
    assert "background: one message began two runs" in all_findings(named(SCENARIOS, "background"))


def test_history_without_its_end_is_found(monkeypatch):
    """A server that does not know the last message that a client was told of is found."""
    whole = Messages.list

    async def stale(self, *arguments, **options):
        return [message for message in await whole(self, *arguments, **options) if message.seq < 2]

    monkeypatch.setattr(Messages, "list", stale)
    assert "resume: another server does not know what was told" in all_findings(named(SCENARIOS, "resumed-elsewhere"))

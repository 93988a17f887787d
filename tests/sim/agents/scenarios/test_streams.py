"""Listeners that are cut off: what is to be reached is reached, and a server that tells it otherwise is found."""

import contextlib

import attrs
import pytest

from kelpie_core.errors import LeaseLost
from kelpie_core.service import event_log, log_writer
from kelpie_core.service.log_writer import LogWriter
from kelpie_core.wire.letta_log import LogTeller
from kelpie_sim.agents.scenarios.streams import SCENARIOS
from tests.sim.agents.scenarios.planted import faulty, first_finding, named, never_hit


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_what_must_happen_sometimes_does(scenario):
    """Everything happens that the scenario says must happen sometimes."""
    assert set() == never_hit(scenario)


@pytest.mark.parametrize("name", ["stream-resume", "two-replicas"])
def test_harm_is_done(name):
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(named(SCENARIOS, name), 6)
    assert len(outcomes) >= 3
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


def test_an_event_that_is_lost_is_found(monkeypatch):
    """A server that leaves an event out for whoever resumes is found."""
    feed = LogTeller.feed

    def skipping(self, event):
        told = feed(self, event)
        return [] if getattr(event, "kind", "") == "stop_reason" else told

    monkeypatch.setattr(LogTeller, "feed", skipping)
    assert first_finding(named(SCENARIOS, "stream-every-byte"))


def test_telling_before_storing_is_found(monkeypatch):
    """A writer that does not store what it tells is found."""

    async def store(self, log, chunk):
        self._log = log

    monkeypatch.setattr(LogWriter, "_store", store)
    assert first_finding(named(SCENARIOS, "stream-resume"))


def test_a_writer_that_is_not_shut_out_is_found(monkeypatch):
    """A writer that goes on with the present token of a log, whoever holds it, is found."""
    append = event_log.append

    async def any_token(ports, log, chunk):
        for token in range(log.token, log.token + 4):
            with contextlib.suppress(LeaseLost):  # somebody else's token: the next is tried
                return await append(ports, attrs.evolve(log, token=token), chunk)
        return await append(ports, log, chunk)

    monkeypatch.setattr(log_writer, "append", any_token)
    assert first_finding(named(SCENARIOS, "two-replicas"))

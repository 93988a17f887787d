"""The store on a disk that fails: the scenarios reach their ends, and a store that promises too much is found."""

import attrs
import pytest

from kelpie_server.world import sqlite_database
from kelpie_server.world.sqlite_database import SqliteDatabase
from kelpie_sim.agents.scenarios.disk import SCENARIOS
from kelpie_sim.simulation import simulate
from kelpie_sim.world.disk.sqlite_vfs import DiskVfsFile
from tests.sim.agents.scenarios.planted import all_findings, faulty, first_finding, never_hit, seeds

CRASH, FAULTS, RESTART = SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_everything_happens_sometimes(scenario):
    """In some seeds the store recovers from a crash, and where the disk fails commits fail, and end uncertain."""
    assert set() == never_hit(scenario)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_harm_is_done(scenario):
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(scenario)
    assert len(outcomes) >= 10
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


def test_seed_is_a_run():
    """The same seed gives the same run to the byte, the database's own random numbers included."""
    for seed in seeds(FAULTS, 5):
        assert simulate(FAULTS, seed).digest == simulate(FAULTS, seed).digest


def test_every_kind_of_fault_fires():
    """Over some seeds each kind of fault that the scenario has strikes."""
    fired = {report.kind for outcome in faulty(FAULTS, 40) for report in outcome.faults if report.fired}
    assert {report.kind for report in simulate(FAULTS, 1).faults} == fired


def test_missing_sync_is_found(monkeypatch):
    """A store whose syncs do nothing loses what it acknowledged."""
    monkeypatch.setattr(DiskVfsFile, "xSync", lambda self, flags: None)
    assert any("what was acknowledged is there: found" in message for message in all_findings(CRASH))


def test_log_that_is_not_secured_is_found(monkeypatch):
    """A store that is started again on a log with a hole, and trusts it, loses what it acknowledged."""
    monkeypatch.setattr(sqlite_database, "_secure", lambda log, vfs: None)
    assert any("what was acknowledged is there: found" in message for message in all_findings(RESTART))


def test_commit_that_is_not_written_is_found(monkeypatch):
    """A store that acknowledges what it never wrote is found at the next look."""
    monkeypatch.setattr(SqliteDatabase, "commit_group", lambda self, commits: [None] * len(commits))
    assert "what was acknowledged is there: found nothing" in first_finding(CRASH)


def test_half_a_transaction_is_found(monkeypatch):
    """A store that writes only a part of a transaction is found."""
    whole = SqliteDatabase._commit_member

    def half(self, commit):
        return whole(self, attrs.evolve(commit, writes=commit.writes[:1]))

    monkeypatch.setattr(SqliteDatabase, "_commit_member", half)
    assert "a transaction is written whole or not at all" in first_finding(CRASH)

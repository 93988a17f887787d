"""A streamed turn whose k-th write fails, for each k: it ends well all the same, or its listener hears of an error.

That nothing told is lost, nothing stored twice and no tool call left open is for the audit at the end of each run.
"""

import pytest

from kelpie_sim.agents import faults as f
from tests.stories.sweeping import BROKE, DONE, FAILED, STREAMED_TURN, ends, strikes, swept

# operation, how many of them such a turn has at least: input, three replies, two tool messages, ...
WRITES = (("message_write", 6), ("run_write", 8), ("head_write", 8), ("step_write", 3), ("block_write", 2))


@pytest.mark.parametrize(("operation", "floor"), WRITES)
def test_write_that_fails_once_is_made_up_for(operation, floor):
    """Wherever one write fails, the turn tries again and ends well."""
    outcomes = swept(STREAMED_TURN, f.StorageWriteFail(on=operation))
    assert len(outcomes) >= floor
    assert [DONE] * len(outcomes) == ends(outcomes)


@pytest.mark.parametrize(("operation", "floor"), WRITES)
def test_write_that_fails_for_good_is_told(operation, floor):
    """Wherever a write begins to fail for good, the stream ends with an error or with a failed run, never well."""
    outcomes = swept(STREAMED_TURN, f.StorageWriteFail(on=operation), persistent=True)
    assert len(outcomes) >= floor
    assert DONE not in ends(outcomes)
    assert min(strikes(outcomes)) > 1


def test_full_disk_is_told_at_once():
    """A full disk is not tried again: what cannot begin breaks with an error, what has begun ends as failed."""
    outcomes = swept(STREAMED_TURN, f.DiskFull(on="*_write"))
    assert len(outcomes) >= 27
    assert {BROKE, FAILED} == set(ends(outcomes))


@pytest.mark.parametrize("operation", ["*_read", "*_scan"])
def test_read_that_fails_once_is_made_up_for(operation):
    """Wherever one read fails, the turn tries again and ends well."""
    outcomes = swept(STREAMED_TURN, f.StorageReadFail(on=operation))
    assert [DONE] * len(outcomes) == ends(outcomes)


def test_conflict_is_made_up_for():
    """Wherever the store finds a conflict, the transaction is run again and the turn ends well."""
    outcomes = swept(STREAMED_TURN, f.StoreConflict(on="commit"))
    assert len(outcomes) >= 15
    assert [DONE] * len(outcomes) == ends(outcomes)


def test_conflict_for_good_is_told():
    """Wherever conflicts begin that never end, the bounded retries do, and the listener hears of an error."""
    outcomes = swept(STREAMED_TURN, f.StoreConflict(on="commit"), persistent=True)
    assert [BROKE] * len(outcomes) == ends(outcomes)


def test_lost_acknowledgement_is_found_again():
    """Wherever the store forgets to answer, the commit that went through is found again and nothing is done twice."""
    outcomes = swept(STREAMED_TURN, f.LostAcknowledgement(on="commit"))
    assert len(outcomes) >= 15
    assert [DONE] * len(outcomes) == ends(outcomes)


def test_acknowledgements_lost_for_good_are_told():
    """Wherever the store stops answering for good, the listener hears that nobody knows."""
    outcomes = swept(STREAMED_TURN, f.LostAcknowledgement(on="commit"), persistent=True)
    assert [BROKE] * len(outcomes) == ends(outcomes)

"""The import of a file in several chunks, broken off at each of its commits: the whole file or nothing of it.

Each run ends with the audit and a look at what lists and gets show (kelpie_sim/agents/scenarios/transfers.py).
"""

import pytest

from kelpie_core.limits import IMPORT_CHUNK_MESSAGES
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.documents import normalized
from kelpie_sim.agents.samples import SAMPLES
from kelpie_sim.agents.scenarios.transfers import import_interrupted_of
from tests.stories.sweeping import ends, swept

(CHUNKED,) = (sample for sample in SAMPLES if len(normalized(sample.data)["messages"]) > IMPORT_CHUNK_MESSAGES)
IMPORT = import_interrupted_of(CHUNKED)
# The beginning, two chunks, the publication.
COMMITS = 4
BROKEN_OFF, WENT_THROUGH = "broken off", "went through"


def test_conflict_or_lost_acknowledgement_does_not_stop_an_import():
    """Wherever a commit meets a conflict, or its acknowledgement is lost, the import goes through, nothing twice."""
    for fault in (f.StoreConflict(on="commit"), f.LostAcknowledgement(on="commit")):
        outcomes = swept(IMPORT, fault)
        assert len(outcomes) >= COMMITS
        assert [WENT_THROUGH] * len(outcomes) == ends(outcomes)


@pytest.mark.parametrize("kind", [f.CrashBeforeCommit, f.CrashAfterCommit], ids=lambda kind: kind.__name__)
def test_crash_breaks_an_import_off(kind):
    """Wherever power is lost, the caller hears of it, and the file is there whole or not at all."""
    outcomes = swept(IMPORT, kind(on="commit"))
    assert len(outcomes) >= COMMITS
    assert [BROKEN_OFF] * len(outcomes) == ends(outcomes)


@pytest.mark.parametrize("operation", ["sweep_write", "sweep_delete", "agent_write", "head_write"])
def test_write_that_fails_for_good_breaks_an_import_off(operation):
    """Whichever record cannot be written, the caller is told, and nothing of the file is there."""
    outcomes = swept(IMPORT, f.StorageWriteFail(on=operation), persistent=True)
    assert {BROKEN_OFF} == set(ends(outcomes))


def test_conflicts_that_never_end_break_an_import_off():
    """Wherever conflicts begin that never end, the bounded retries do, and the caller is told."""
    outcomes = swept(IMPORT, f.StoreConflict(on="commit"), persistent=True)
    assert len(outcomes) >= COMMITS
    assert [BROKEN_OFF] * len(outcomes) == ends(outcomes)


def test_acknowledgements_lost_for_good_break_an_import_off():
    """Wherever the store stops answering for good, the caller is told; only the last commit is found by a mere read."""
    outcomes = swept(IMPORT, f.LostAcknowledgement(on="commit"), persistent=True)
    assert len(outcomes) >= COMMITS
    assert [*[BROKEN_OFF] * (len(outcomes) - 1), WENT_THROUGH] == ends(outcomes)

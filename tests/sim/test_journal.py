"""What a campaign has done, on disk."""

import attrs
import pytest

from kelpie_sim.batch import Batch, run_batch
from kelpie_sim.campaign import Plan, seeds_of
from kelpie_sim.journal import BadJournal, Done, Journal

HEADER = Plan(module="tests.sim.toy_failing", scenarios=("count-unlocked",)).header
SEEDS = seeds_of("kelpie", "count-unlocked", 20)


def batch(first: int, last: int, number: int = 0) -> Batch:
    seeds = SEEDS[first:last]
    return Batch(module=HEADER.module, scenario="count-unlocked", seeds=seeds, first=first, round=number)


def write(path, *batches: Batch) -> list[Done]:
    """Run the batches into a journal and return what it holds."""
    with Journal(path, HEADER) as journal:
        for one in batches:
            journal.add(one, run_batch(one))
    return journal.done


def read(path) -> Journal:
    """Return a journal as it is found."""
    with Journal(path, HEADER) as journal:
        return journal


def test_rows_come_back_whole(tmp_path):
    """What is written is read back equal, failing runs with their tapes included."""
    written = write(tmp_path / "deep" / "journal", batch(0, 20))
    again = read(tmp_path / "deep" / "journal").done
    assert written == again
    assert [True] == [found.outcome.failed for found in again[0].row.found.values()]


def test_gaps_are_what_is_not_done(tmp_path):
    """The gaps of a round are the seeds that no batch of that round covers."""
    write(tmp_path / "journal", batch(2, 4), batch(6, 7), batch(0, 1, number=1))
    journal = read(tmp_path / "journal")
    assert [0, 1, 4, 5, 7] == list(journal.gaps("count-unlocked", 0, 8))
    assert [1, 2] == list(journal.gaps("count-unlocked", 1, 3))


def test_a_line_that_was_cut_off_counts_as_never_written(tmp_path):
    """A journal whose last line is torn loses that line only, and can be written on."""
    path = tmp_path / "journal"
    write(path, batch(0, 2), batch(2, 4))
    path.write_bytes(path.read_bytes()[:-9])
    assert [2, 3] == list(read(path).gaps("count-unlocked", 0, 4))
    write(path, batch(2, 4))
    assert [] == list(read(path).gaps("count-unlocked", 0, 4))


def test_the_journal_of_another_campaign_is_refused(tmp_path):
    """Another base seed is another campaign, and its file stays as it is."""
    path = tmp_path / "journal"
    write(path)
    before = path.read_bytes()
    with pytest.raises(BadJournal, match="another campaign"):
        Journal(path, attrs.evolve(HEADER, base_seed="other"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"hello\n", b"\xff\xfe\n", b'{"module": 1}\n'])
def test_what_is_no_journal_is_refused(tmp_path, content):
    """A file that is something else is named and left alone."""
    path = tmp_path / "journal"
    path.write_bytes(content)
    with pytest.raises(BadJournal, match="journal"):
        Journal(path, HEADER)
    assert path.read_bytes() == content

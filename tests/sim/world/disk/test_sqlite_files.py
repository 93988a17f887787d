"""The files of databases, whoever loads SQLite."""

import pytest

from kelpie_sim.errors import HostDead
from kelpie_sim.world.disk import CrashKeeps, DiskSetup
from kelpie_sim.world.disk import faults as f
from kelpie_sim.world.disk import sqlite_files as s
from kelpie_sim.world.disk.locks import EXCLUSIVE, RESERVED, SHARED
from tests.sim.world.disk.benches import Bench

JOURNAL = s.OPEN_CREATE | s.OPEN_MAIN_JOURNAL


def code_of(call):
    """Return the code with which a call fails."""
    with pytest.raises(s.Failed) as caught:
        call()
    return caught.value.code


def opened(bench, path="/a.db", flags=s.OPEN_CREATE):
    """Return an open file, and the life that it belongs to."""
    life = s.DiskLife(bench.disk)
    return life.open(path, flags), life


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (f.DiskReadFail(on=f.READ), s.IOERR_READ),
        (f.DiskWriteFail(on=f.WRITE), s.IOERR_WRITE),
        (f.DiskSpaceFull(on=f.WRITE), s.FULL),
        (f.DiskSyncFail(on=f.SYNC), s.IOERR_FSYNC),
        (f.DiskWriteFail(on=f.TRUNCATE), s.IOERR_TRUNCATE),
        (f.DiskWriteFail(on=f.OPEN), s.CANTOPEN),
        (f.DiskWriteFail(on=f.UNLINK), s.IOERR_DELETE),
        (f.DiskSyncFail(on=f.SYNC_DIRECTORY), s.IOERR_DIR_FSYNC),
    ],
    ids=lambda value: str(value)[:30],
)
def test_each_fault_has_its_code(fault, code):
    """What fails, fails with the code that SQLite has for it."""

    def all_of_it():
        file, life = opened(Bench(fault))
        file.write(b"x", 0)
        file.sync()
        file.truncate(0)
        file.read(1, 0)
        life.delete("/a.db", sync_directory=True)

    assert code == code_of(all_of_it)


def test_missing_file_cannot_be_deleted():
    """There is a code of its own for the deletion of nothing."""
    life = s.DiskLife(Bench().disk)
    assert s.IOERR_DELETE_NOENT == code_of(lambda: life.delete("/a.db", sync_directory=False))


def test_missing_file_is_not_opened_unless_made():
    """Without the flag that makes it, a file that is not there cannot be opened."""
    life = s.DiskLife(Bench().disk)
    assert s.CANTOPEN == code_of(lambda: life.open("/a.db", 0))


def test_file_is_made_for_one_only():
    """An exclusive open fails where something is already."""
    file, life = opened(Bench())
    assert (0, s.CANTOPEN) == (file.size, code_of(lambda: life.open("/a.db", s.OPEN_CREATE | s.OPEN_EXCLUSIVE)))


def test_empty_file_counts_as_none():
    """A file holds something, an empty one does not, a directory does."""
    file, life = opened(Bench())
    before = life.holds("/a.db")
    file.write(b"x", 0)
    assert [False, True, True, False] == [before, life.holds("/a.db"), life.holds("/tmp"), life.holds("/b.db")]


@pytest.mark.parametrize(("flags", "there"), [(JOURNAL, True), (s.OPEN_CREATE, False)])
def test_first_sync_of_a_journal_makes_its_name_safe(flags, there):
    """On a disk that keeps names only with their directory, a synced journal is there after a crash."""
    bench = Bench(setup=DiskSetup(names="strict", crash_keeps=(CrashKeeps.NONE,)))
    file, _ = opened(bench, flags=flags)
    file.write(b"x", 0)
    file.sync()
    bench.disk.crash()
    assert there == bench.disk.exists("/a.db")


def test_halves_are_asked_for_again():
    """Short reads and writes are no shorter in the end."""
    file, _ = opened(Bench(f.DiskShortRead(probability=0.7), f.DiskShortWrite(probability=0.7)))
    file.write(b"abcdefgh" * 20, 0)
    assert b"abcdefgh" * 20 == file.read(160, 0)


def test_locks_are_between_files():
    """Two who have the same file open lock each other out, and let go when they close."""
    bench = Bench()
    (one, _), (other, _) = opened(bench), opened(bench)
    one.lock(SHARED)
    one.lock(RESERVED)
    other.lock(SHARED)
    assert (True, s.BUSY, s.BUSY) == (
        other.reserved(), code_of(lambda: other.lock(RESERVED)), code_of(lambda: one.lock(EXCLUSIVE)),
    )  # fmt: skip
    one.close()
    other.lock(RESERVED)


def test_index_is_shared_between_files():
    """Two who have the same file open share the log's index and its locks."""
    bench = Bench()
    (one, _), (other, _) = opened(bench), opened(bench)
    region = one.index_region(0, 64, extend=True)
    one.lock_index(0, 1, exclusive=True)
    assert (True, s.BUSY) == (
        other.index_region(0, 64, extend=False) is region, code_of(lambda: other.lock_index(0, 1, exclusive=False)),
    )  # fmt: skip
    one.unlock_index(0, 1)
    other.lock_index(0, 1, exclusive=False)


def test_index_goes_with_the_last_file():
    """Who leaves the index, or closes, releases its locks there; what comes after the last one is empty."""
    bench = Bench()
    (one, _), (other, _) = opened(bench), opened(bench)
    one.index_region(0, 64, extend=True)
    one.lock_index(0, 8, exclusive=True)
    assert s.BUSY == code_of(lambda: other.lock_index(0, 1, exclusive=True))
    one.close()
    other.lock_index(0, 1, exclusive=True)
    shared = other.index_region(0, 64, extend=False) is not None
    other.leave_index()
    assert (True, None) == (shared, opened(bench)[0].index_region(0, 64, extend=False))


def test_dead_file_does_nothing():
    """After a crash an open file reads nothing, takes everything, and the disk never hears of it."""
    bench = Bench()
    file, life = opened(bench)
    file.write(b"x", 0)
    file.sync()
    region = file.index_region(0, 64, extend=True)
    bench.disk.crash()
    operations = bench.disk.operations
    file.write(b"y", 0)
    file.truncate(0)
    file.sync()
    file.lock(EXCLUSIVE)
    life.delete("/a.db", sync_directory=True)
    assert (b"", 0, False, False) == (file.read(1, 0), file.size, file.reserved(), life.holds("/a.db"))
    assert (True, operations) == (file.index_region(0, 64, extend=False) is region, bench.disk.operations)
    file.close()
    assert b"x" == bench.content("/a.db")


def test_dead_life_opens_nothing():
    """Nothing is opened in a life that is over, by a crash or by the end of its run."""
    bench = Bench()
    crashed, ended = s.DiskLife(bench.disk), s.DiskLife(bench.disk)
    ended.end()
    with pytest.raises(HostDead, match="run is over"):
        ended.open("/a.db", s.OPEN_CREATE)
    bench.disk.crash()
    with pytest.raises(HostDead, match="lost power"):
        crashed.open("/a.db", s.OPEN_CREATE)


def test_scratch_file_is_on_no_disk():
    """A file without a name is readable, and the disk knows nothing of it."""
    bench = Bench()
    file = s.DiskLife(bench.disk).open(None, s.OPEN_CREATE)
    file.write(b"x", 0)
    assert (b"x", 0, ("tmp",)) == (file.read(1, 0), bench.disk.operations, bench.disk.list("/"))


def test_now_stands_still_outside_of_a_run():
    """Without a run it is 1970."""
    assert s.JULIAN_1970_MS == s.julian_ms()

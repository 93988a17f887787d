"""SQLite on the simulated disk."""

import asyncio
import gc
from functools import partial
from typing import Any

import apsw
import pytest

from benchmarks.disk import SEEDS_UNSAFE, CrashRun, Mode, losing_seeds
from kelpie_sim.errors import HostDead
from kelpie_sim.world.disk import CrashKeeps, Disks, DiskSetup
from kelpie_sim.world.disk import faults as f
from kelpie_sim.world.disk.sqlite_vfs import VFS_NAME, sqlite_path
from tests.sim.programs import World
from tests.sim.world.disk.benches import Bench, keeping


def opened(disk, *, journal="wal", path="/a.db", exclusive=True):
    """Return a connection to a database with a table."""
    connection = apsw.Connection(sqlite_path(disk, path), vfs=VFS_NAME)
    if exclusive:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    assert [(journal,)] == connection.execute(f"PRAGMA journal_mode = {journal}").fetchall()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
    return connection


def insert(connection, *values):
    """Commit these values."""
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
    connection.execute("COMMIT")


def values_in(connection):
    """Return what is in the table."""
    return [value for (value,) in connection.execute("SELECT x FROM t ORDER BY rowid").fetchall()]


@pytest.mark.parametrize("journal", ["wal", "delete", "truncate", "persist"])
def test_committed_rows_survive_a_crash_that_keeps_nothing(journal):
    """With full sync what was committed is there after the worst of crashes, and what was not is not."""
    disk = Bench(setup=keeping(CrashKeeps.NONE)).disk
    connection = opened(disk, journal=journal)
    insert(connection, 1, 2)
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES (3)")
    disk.crash()
    again = opened(disk, journal=journal)
    assert ([1, 2], [("ok",)]) == (values_in(again), again.execute("PRAGMA integrity_check").fetchall())


def test_close_leaves_the_database_alone():
    """A database that was closed is one file."""
    disk = Bench().disk
    connection = opened(disk)
    insert(connection, 1)
    connection.close()
    assert ("a.db", "tmp") == disk.list("/")


def test_two_connections_lock_each_other_out():
    """While one connection writes the other is told that the database is busy, and goes on after that."""
    disk = Bench().disk
    one, other = (opened(disk, journal="delete", exclusive=False) for _ in range(2))
    one.execute("BEGIN IMMEDIATE")
    with pytest.raises(apsw.BusyError):
        other.execute("INSERT INTO t VALUES (1)")
    one.execute("COMMIT")
    insert(other, 2)
    assert [2] == values_in(one)


def test_second_connection_to_an_exclusive_one_is_refused():
    """An exclusive owner lets nobody in, until power is lost."""
    disk = Bench().disk
    owner = opened(disk)
    insert(owner, 1)
    with pytest.raises(apsw.BusyError):
        opened(disk)
    disk.crash()
    assert [1] == values_in(opened(disk))


SOON: dict[str, Any] = {"between": (1.0, 2.0), "max_triggers": 1}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (f.DiskWriteFail(on=f.WRITE, **SOON), apsw.IOError),
        (f.DiskSpaceFull(on=f.WRITE, **SOON), apsw.FullError),
        (f.DiskSyncFail(on=f.SYNC, **SOON), apsw.IOError),
        (f.DiskCrash(on=f.WRITE, **SOON), HostDead),
    ],
)
def test_failed_commit_is_told(fault, error):
    """What goes wrong in a commit is told as SQLite tells it, and the database is whole and goes on afterwards."""
    bench = Bench(fault)
    connection = opened(bench.disk)
    insert(connection, 1)
    bench.now_ns = 1_000_000_000
    with pytest.raises(error):
        insert(connection, 2)
    if error is HostDead:
        connection = opened(bench.disk)
    elif connection.in_transaction:
        connection.execute("ROLLBACK")
    insert(connection, 3)
    assert ([1, 3], 1) == (values_in(connection), bench.fired)
    assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()


def test_failed_read_is_told():
    """A page that cannot be read is an error of that statement only."""
    bench = Bench(f.DiskReadFail(on=f.READ, **SOON))
    insert(opened(bench.disk), 1)
    bench.disk.crash()
    connection = opened(bench.disk)
    bench.now_ns = 1_000_000_000
    with pytest.raises(apsw.IOError):
        values_in(connection)
    assert ([1], 1) == (values_in(connection), bench.fired)


def test_short_reads_and_writes_are_done_again():
    """A disk that does things by halves loses nothing: the rest is asked for again."""
    bench = Bench(f.DiskShortRead(probability=0.5), f.DiskShortWrite(probability=0.5))
    insert(opened(bench.disk), *range(1_000))
    bench.disk.crash()
    assert [*range(1_000)] == values_in(opened(bench.disk))
    assert [True, True] == [report.fired > 0 for report in bench.board.report()]


def test_lying_sync_is_found_out():
    """With a sync that does nothing, acknowledged commits are lost in a crash: the check sees it."""
    bench = Bench(f.DiskLostSync(on=f.SYNC, after=20), setup=keeping(CrashKeeps.NONE))
    connection = opened(bench.disk)
    for number in range(50):
        insert(connection, number)
    bench.disk.crash()
    bench.board.lift()
    found = values_in(opened(bench.disk))
    assert (True, [*range(len(found))]) == (len(found) < 50, found)


def test_lost_write_is_found_out():
    """A page that never reached the medium shows as damage."""
    bench = Bench(f.DiskLostWrite(subjects=("/a.db",), after=3))
    connection = opened(bench.disk)
    insert(connection, *("x" * 500 for _ in range(300)))
    connection.close()
    with pytest.raises(apsw.CorruptError):
        values_in(opened(bench.disk))


def test_dead_connection_does_not_touch_the_next_life():
    """A connection that was open in a crash does nothing any more, though SQLite goes on to close it."""
    disk = Bench().disk
    old = opened(disk)
    insert(old, 1)
    disk.crash()
    new = opened(disk)
    insert(new, 2)
    operations = disk.operations
    old.close()
    del old
    gc.collect()
    assert (operations, [1, 2]) == (disk.operations, values_in(new))


def test_path_of_a_dead_life_opens_nothing():
    """A name that was given out before a crash opens no database after it."""
    disk = Bench().disk
    path = sqlite_path(disk, "/a.db")
    disk.crash()
    with pytest.raises(HostDead):
        apsw.Connection(path, vfs=VFS_NAME).execute("PRAGMA user_version").fetchall()


def test_log_without_exclusive_lock_stays_a_journal():
    """Without shared memory there is no write-ahead log for several connections, and SQLite says so."""
    connection = apsw.Connection(sqlite_path(Bench().disk, "/a.db"), vfs=VFS_NAME)
    assert [("delete",)] == connection.execute("PRAGMA journal_mode = WAL").fetchall()


def test_large_sorts_use_a_file_of_their_own():
    """What SQLite spills to a temporary file is no file of the disk."""
    disk = Bench().disk
    connection = opened(disk)
    connection.execute("PRAGMA temp_store = FILE")
    connection.execute("PRAGMA cache_size = 2")
    insert(connection, *(f"{number * 7919 % 5_000:05}" + "x" * 300 for number in range(5_000)))
    first = connection.execute("SELECT x FROM t ORDER BY x").fetchall()
    assert ("00000", ("a.db", "a.db-wal", "tmp")) == (first[0][0][:5], disk.list("/"))


def content_of(seed):
    """Return the bytes of a database after a run in a world, and what SQLite told of time and chance."""
    world = World(seed)
    host = world.host("server")
    disk = Disks(world.loop, world.streams, None, world.trace).disk(host)
    told = []

    async def program():
        await asyncio.sleep(1.5)
        connection = opened(disk)
        insert(connection, "a", "b")
        told.extend(connection.execute("SELECT datetime('now'), random(), hex(randomblob(4))").fetchall())
        told.append(disk.pristine("/a.db-wal"))

    async def main():
        await host.start(program)

    world.run(main())
    return told[0][0], told[0][1:], told[1], world.trace.digest()


def test_sqlite_is_part_of_the_seed():
    """Time is virtual; SQLite's own random numbers and the salts of its log are the same for the same seed."""
    one, again, other = content_of(1), content_of(1), content_of(2)
    assert (one, "2026-01-01 00:00:01") == (again, one[0])
    assert (True, True) == (one[1] != other[1], one[2] != other[2])


def test_full_sync_loses_nothing():
    """Two crashes at random I/O, often in mid-recovery, lose no commit and damage nothing, also with strict names."""
    strict = DiskSetup(names="strict", sector_bytes=4096)
    modes = [Mode(), Mode(setup=strict), *(Mode(journal=kind, exclusive=False) for kind in ("truncate", "persist"))]
    modes.append(Mode(journal="delete", synchronous="EXTRA", exclusive=False, setup=strict))
    assert [[]] * 5 == [losing_seeds(mode, range(60)) for mode in modes]


@pytest.mark.parametrize(
    "mode",
    [
        Mode(synchronous="OFF"),
        Mode(synchronous="NORMAL"),
        Mode(journal="delete", synchronous="OFF"),
        Mode(journal="memory", exclusive=False),
        Mode(journal="delete", exclusive=False),
    ],
    ids=lambda mode: f"{mode.journal}-{mode.synchronous}",
)
def test_less_sync_is_found_out(mode):
    """Where SQLite promises less than durability, a hundred crash seeds find commits that are lost."""
    assert any(losing_seeds(mode, range(seed, seed + 1)) for seed in range(SEEDS_UNSAFE))


def test_every_run_crashes_twice():
    """The crash runs do crash, all of them, and twice."""
    runs = [CrashRun(seed=seed, mode=Mode()) for seed in range(20)]
    for each in map(partial(CrashRun.run), runs):
        assert None is each
    assert [2] * 20 == [run.crashes for run in runs]

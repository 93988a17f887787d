"""The standard library's SQLite on the simulated disk: what the VFS promises."""

import gc
import sqlite3
import subprocess
import sys
from typing import Any

import attrs
import pytest

from benchmarks.disk import SEEDS_UNSAFE, Mode, by_sqlite3, losing_seeds
from kelpie_sim.errors import HostDead
from kelpie_sim.world.disk import CrashKeeps, DiskSetup
from kelpie_sim.world.disk import faults as f
from kelpie_sim.world.disk.sqlite3_connections import connect
from kelpie_sim.world.disk.sqlite3_vfs import mounted
from tests.sim.world.disk.benches import Bench, keeping

FULL = Mode(connect=by_sqlite3, exclusive=False)


def opened(disk, *, journal="wal", path="/a.db", **options):
    """Return a connection to a database with a table."""
    connection = connect(disk, path, **options)
    assert [(journal,)] == connection.execute(f"PRAGMA journal_mode = {journal}").fetchall()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
    return connection


def insert(connection, *values):
    """Commit these values."""
    with connection:
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])


def values_in(connection):
    """Return what is in the table."""
    return [value for (value,) in connection.execute("SELECT x FROM t ORDER BY rowid").fetchall()]


def whole(connection):
    """Return what SQLite finds wrong with the database."""
    return connection.execute("PRAGMA integrity_check").fetchall()


def damaged(disk, rows):
    """Return whether the database is not whole, or holds something else."""
    try:
        connection = connect(disk, "/a.db")
        return whole(connection) != [("ok",)] or values_in(connection) != rows
    except sqlite3.DatabaseError:
        return True


@pytest.mark.parametrize("journal", ["wal", "truncate", "persist"])
def test_committed_rows_survive_a_crash_that_keeps_nothing(journal):
    """With full sync what was committed is there after the worst of crashes, and what was not is not."""
    disk = Bench(setup=keeping(CrashKeeps.NONE)).disk
    connection = opened(disk, journal=journal)
    insert(connection, 1, 2)
    connection.execute("INSERT INTO t VALUES (3)")
    disk.crash()
    again = opened(disk, journal=journal)
    assert ([1, 2], [("ok",)]) == (values_in(again), whole(again))


def test_close_leaves_the_database_alone():
    """A database that was closed is one file, by the path that was asked for."""
    disk = Bench().disk
    connection = opened(disk)
    insert(connection, 1)
    assert [(0, "main", "/a.db")] == connection.execute("PRAGMA database_list").fetchall()
    connection.close()
    assert ("a.db", "tmp") == disk.list("/")


def test_connections_share_a_log():
    """With a write-ahead log each connection sees what the others commit, and a reader goes on seeing what it saw."""
    disk = Bench().disk
    one, other, reader = (opened(disk) for _ in range(3))
    insert(one, 1)
    reader.execute("BEGIN")
    seen = [values_in(reader), values_in(other)]
    insert(other, 2)
    seen += [values_in(one), values_in(reader)]
    reader.commit()
    assert [[1], [1], [1, 2], [1], [1, 2]] == [*seen, values_in(reader)]


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_second_writer_is_told_at_once(journal):
    """In a step nobody could make room for a second writer: it hears that the database is locked, without waiting."""
    disk = Bench().disk
    one, other = opened(disk, journal=journal), opened(disk, journal=journal)
    one.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="database is locked"):
        insert(other, 1)
    one.commit()
    insert(other, 2)
    assert [2] == values_in(one)


def test_log_is_checkpointed_under_its_readers():
    """The log of several connections goes back into the database, and the rows stay."""
    disk = Bench().disk
    one, other = opened(disk), opened(disk)
    insert(one, *range(500))
    assert [*range(500)] == values_in(other)
    assert [(0, 0, 0)] == other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert (0, [*range(500)]) == (disk.stat("/a.db-wal").size, values_in(one))


SOON: dict[str, Any] = {"between": (1.0, 2.0), "max_triggers": 1}


@pytest.mark.parametrize("journal", ["wal", "delete"])
@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (f.DiskWriteFail(on=f.WRITE, **SOON), "disk I/O error"),
        (f.DiskSpaceFull(on=f.WRITE, **SOON), "database or disk is full"),
        (f.DiskSyncFail(on=f.SYNC, **SOON), "disk I/O error"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_failed_commit_is_told(fault, text, journal):
    """What goes wrong in a commit is told as SQLite tells it, and the database is whole and goes on afterwards."""
    bench = Bench(fault)
    connection = opened(bench.disk, journal=journal)
    insert(connection, 1)
    bench.now_ns = 1_000_000_000
    with pytest.raises(sqlite3.OperationalError, match=text):
        insert(connection, 2)
    insert(connection, 3)
    assert ([1, 3], 1, [("ok",)]) == (values_in(connection), bench.fired, whole(connection))


def test_failed_read_is_told():
    """A page that cannot be read is an error of that statement only."""
    bench = Bench(f.DiskReadFail(on=f.READ, **SOON))
    insert(opened(bench.disk), 1)
    bench.disk.crash()
    connection = opened(bench.disk)
    bench.now_ns = 1_000_000_000
    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        values_in(connection)
    assert ([1], 1) == (values_in(connection), bench.fired)


@pytest.mark.parametrize("fault", [f.DiskWriteFail(on=f.OPEN), f.DiskReadFail(on=f.OPEN)])
def test_failed_open_is_told(fault):
    """A database whose file cannot be made or opened is not opened."""
    bench = Bench(fault)
    if isinstance(fault, f.DiskReadFail):
        bench.disk.open("/a.db", create=True)
    with pytest.raises(sqlite3.OperationalError, match="unable to open database file"):
        connect(bench.disk, "/a.db")
    assert bench.fired == 1


def test_full_disk_is_told():
    """A disk that is too small for the rows is full, and holds what was there before."""
    disk = Bench(setup=DiskSetup(capacity_bytes=100_000)).disk
    connection = opened(disk)
    insert(connection, "x")
    with pytest.raises(sqlite3.OperationalError, match="database or disk is full"):
        insert(connection, "y" * 200_000)
    assert ["x"] == values_in(connection)


def test_short_reads_and_writes_are_done_again():
    """A disk that does things by halves loses nothing: the rest is asked for again."""
    bench = Bench(f.DiskShortRead(probability=0.5), f.DiskShortWrite(probability=0.5))
    insert(opened(bench.disk), *range(1_000))
    bench.disk.crash()
    assert [*range(1_000)] == values_in(opened(bench.disk))
    assert [True, True] == [report.fired > 0 for report in bench.board.report()]


@pytest.mark.parametrize("kind", [f.DiskLostWrite, f.DiskMisdirectedWrite])
def test_write_that_went_astray_is_found_out(kind):
    """A page that never reached its place shows as damage."""
    bench = Bench(kind(subjects=("/a.db",), after=3))
    connection = opened(bench.disk)
    insert(connection, *(b"x" * 500 for _ in range(300)))
    connection.close()
    with pytest.raises(sqlite3.DatabaseError, match="database disk image is malformed"):
        values_in(opened(bench.disk))


@pytest.mark.parametrize("fault", [f.DiskCorruption(subjects=("/a.db",)), f.DiskMisdirectedRead(subjects=("/a.db",))])
def test_wrong_bytes_reach_sqlite(fault):
    """A flipped bit, or the page of another place, is what SQLite reads."""
    bench = Bench(attrs.evolve(fault, between=(1.0, 2.0)))
    connection = opened(bench.disk)
    insert(connection, *(b"x" * 500 for _ in range(300)))
    connection.close()
    bench.now_ns = 1_000_000_000
    assert (True, True) == (damaged(bench.disk, [b"x" * 500] * 300), bench.fired > 0)


def test_lying_sync_is_found_out():
    """With a sync that does nothing, acknowledged commits are lost in a crash."""
    bench = Bench(f.DiskLostSync(on=f.SYNC, after=20), setup=keeping(CrashKeeps.NONE))
    connection = opened(bench.disk)
    for number in range(50):
        insert(connection, number)
    bench.disk.crash()
    bench.board.lift()
    found = values_in(opened(bench.disk))
    assert (True, [*range(len(found))]) == (len(found) < 50, found)


def test_torn_write_is_found_out():
    """Without sync, a crash that tears the last write leaves pages of two ages; with it nothing is torn."""
    found = {}
    for synchronous in ("OFF", "FULL"):
        bench = Bench(f.DiskTornWrite())
        connection = connect(bench.disk, "/a.db")
        connection.execute("PRAGMA journal_mode = OFF").fetchall()
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("CREATE TABLE t (x)")
        insert(connection, *(b"x" * 500 for _ in range(300)))
        bench.disk.crash()
        found[synchronous] = damaged(bench.disk, [b"x" * 500] * 300)
    assert {"OFF": True, "FULL": False} == found


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_crash_inside_of_sqlite_ends_its_caller(when):
    """Power that is lost in the middle of a call is HostDead to its caller, and so is every call after it."""
    bench = Bench(f.DiskCrash(on=f.WRITE, when=when, **SOON))
    connection = opened(bench.disk)
    insert(connection, 1)
    bench.now_ns = 1_000_000_000
    with pytest.raises(HostDead):
        insert(connection, 2)
    with pytest.raises(HostDead):
        connection.execute("SELECT 1")
    again = opened(bench.disk)
    assert ([1], [("ok",)], 1) == (values_in(again)[:1], whole(again), bench.fired)


def test_crash_in_an_open_ends_its_caller():
    """Power that is lost while a database is opened is HostDead, and not a database that cannot be opened."""
    bench = Bench(f.DiskCrash(on=f.OPEN))
    with pytest.raises(HostDead):
        connect(bench.disk, "/a.db")


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_garbage_does_not_touch_the_next_life(journal):
    """A connection that was open in a crash, in a transaction, does nothing when it is collected later."""
    disk = Bench().disk
    old = opened(disk, journal=journal)
    insert(old, *range(100))
    old.execute("INSERT INTO t VALUES (-1)")
    disk.crash()
    new = opened(disk, journal=journal)
    insert(new, 100)
    operations = disk.operations
    del old
    gc.collect()
    assert (operations, [*range(101)]) == (disk.operations, values_in(new))


def test_path_of_a_dead_life_opens_nothing():
    """A database that is attached to a connection after a crash is not opened."""
    disk = Bench().disk
    connection = opened(disk)
    disk.crash()
    operations = disk.operations
    with pytest.raises(HostDead):
        connection.execute("ATTACH '/b.db' AS b")
    assert (operations, False) == (disk.operations, disk.exists("/b.db"))


def test_attached_databases_are_on_the_disk():
    """A transaction over two databases is one for the next life too, whose journals name them as this one does."""
    disk = Bench(setup=keeping(CrashKeeps.NONE)).disk
    connection = opened(disk, journal="delete")
    connection.execute("ATTACH 'b.db' AS b")
    connection.execute("CREATE TABLE b.u (x)")
    with connection:
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("INSERT INTO u VALUES (1)")
    disk.crash()
    rows = [connect(disk, f"/{name}.db").execute(f"SELECT x FROM {table}").fetchall() for name, table in ("at", "bu")]
    assert ([[(1,)]] * 2, ("a.db", "b.db", "tmp")) == (rows, disk.list("/"))


def test_life_has_one_vfs():
    """Connections of one life share its VFS, the next life has another."""
    disk = Bench().disk
    first = mounted(disk)
    assert first is mounted(disk)
    disk.crash()
    assert (True, True) == (first.dead, mounted(disk).vfs_name != first.vfs_name)


def test_large_sorts_use_a_file_of_their_own():
    """What SQLite spills to a temporary file is no file of the disk."""
    disk = Bench().disk
    connection = opened(disk)
    connection.execute("PRAGMA temp_store = FILE")
    connection.execute("PRAGMA cache_size = 2")
    insert(connection, *(f"{number * 7919 % 5_000:05}" + "x" * 300 for number in range(5_000)))
    first = connection.execute("SELECT x FROM t ORDER BY x").fetchall()
    assert ("00000", ("a.db", "a.db-wal", "tmp")) == (first[0][0][:5], disk.list("/"))


def test_full_sync_loses_nothing():
    """Two crashes at random I/O, often in mid-recovery, lose no commit and damage nothing, also with strict names."""
    strict = DiskSetup(names="strict", sector_bytes=4096)
    modes = [FULL, attrs.evolve(FULL, setup=strict), attrs.evolve(FULL, exclusive=True)]
    modes += [attrs.evolve(FULL, journal=kind) for kind in ("truncate", "persist")]
    modes.append(attrs.evolve(FULL, journal="delete", synchronous="EXTRA", setup=strict))
    assert [[], [], [], [], [], []] == [losing_seeds(mode, range(100)) for mode in modes]


@pytest.mark.parametrize(
    "mode",
    [
        attrs.evolve(FULL, synchronous="OFF"),
        attrs.evolve(FULL, synchronous="NORMAL"),
        attrs.evolve(FULL, journal="delete", synchronous="OFF"),
        attrs.evolve(FULL, journal="memory"),
        attrs.evolve(FULL, journal="delete"),
    ],
    ids=lambda mode: f"{mode.journal}-{mode.synchronous}",
)
def test_less_sync_is_found_out(mode):
    """Where SQLite promises less than durability, a hundred crash seeds find commits that are lost."""
    assert any(losing_seeds(mode, range(seed, seed + 1)) for seed in range(SEEDS_UNSAFE))


LEFT_OPEN = """
from kelpie_sim.world.disk import Disk, Surroundings
from kelpie_sim.world.disk.sqlite3_connections import connect
from kelpie_sim.seed import Streams

disk = Disk("d", Surroundings(streams=Streams(0)))
connections = [connect(disk, "/a.db") for _ in range(3)]
connections[0].execute("PRAGMA journal_mode = WAL").fetchall()
connections[0].execute("CREATE TABLE t (x)")
connections[0].execute("INSERT INTO t VALUES (1)")
cursor = connections[1].execute("SELECT * FROM sqlite_schema")
connections.append(connections)
print(disk.exists("/a.db"))
"""


def test_interpreter_ends_quietly_with_what_is_open():
    """Connections, transactions and statements that are open when the interpreter ends disturb nobody."""
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", LEFT_OPEN]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (0, "True\n", "") == (ended.returncode, ended.stdout, ended.stderr)

"""Connections of `sqlite3` on the simulated disk: the library's own, with an end that fits."""

import gc
import sqlite3
import sys
import threading
import weakref
from typing import Any

import pytest

from kelpie_sim.errors import HostDead, Unsupported
from kelpie_sim.world.disk import sqlite3_connections
from kelpie_sim.world.disk.sqlite3_connections import connect
from tests.sim.world.disk.benches import Bench


def filled(disk, rows=2_000, **options):
    """Return a connection to a table that takes many pages."""
    connection = connect(disk, "/a.db", **options)
    connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
    connection.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(rows)])
    connection.commit()
    return connection


def test_connection_is_the_librarys():
    """What a program gets are connections and cursors of `sqlite3`, with rows and errors as ever."""
    connection = filled(Bench().disk, rows=3)
    connection.row_factory = sqlite3.Row
    cursor = connection.cursor()
    assert (True, True) == (isinstance(connection, sqlite3.Connection), isinstance(cursor, sqlite3.Cursor))
    assert [[0], [1], [2]] == [list(row) for row in cursor.execute("SELECT x FROM t")]
    assert [0, 1, 2] == [row["x"] for row in connection.execute("SELECT x FROM t").fetchmany(5)]
    with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
        connection.executescript("CREATE TABLE n (x NOT NULL); INSERT INTO n VALUES (NULL)")


def test_classes_of_the_program_are_followed():
    """Classes that a program derives from the library's stay what they are, and what they add is used."""

    class Cursor(sqlite3.Cursor):
        def one(self):
            return self.fetchone()[0]

    class Connection(sqlite3.Connection):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.first = self.execute("SELECT 1").fetchone()

        def execute(self, sql, *args):
            return super().execute(sql.lower(), *args)

    connection: Any = connect(Bench().disk, "/a.db", factory=Connection)
    assert (True, (1,)) == (isinstance(connection, Connection), connection.first)
    assert ("shout", 7) == (
        connection.execute("SELECT 'SHOUT'").fetchone()[0], connection.cursor(Cursor).execute("SELECT 7").one(),
    )  # fmt: skip


def test_factory_that_is_no_class_is_refused():
    """A factory that only makes connections cannot be followed, and is refused by name."""
    with pytest.raises(Unsupported, match="factory that is no class"):
        connect(Bench().disk, "/a.db", factory=print)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:a.db", "/a.db"),
        ("file:/a.db?mode=rwc", "/a.db"),
        ("file:///d%20e/../a.db?cache=private#fragment", "/a.db"),
        ("file://localhost/a%3fb.db", "/a?b.db"),
    ],
)
def test_uris_mean_files_of_the_disk(uri, path):
    """A URI means what it means to SQLite, on this disk."""
    disk = Bench().disk
    with connect(disk, uri, uri=True) as connection:
        connection.execute("CREATE TABLE t (x)")
    assert disk.exists(path)


@pytest.mark.parametrize("path", ["a?b#c%20.db", "file:a.db", "sp ace.db"])
def test_plain_names_are_no_uris(path):
    """What only looks like a URI is the name of a file, to the letter."""
    disk = Bench().disk
    with connect(disk, path) as connection:
        connection.execute("CREATE TABLE t (x)")
    assert disk.exists("/" + path)


def test_read_only_uri_reads_only():
    """A connection by mode=ro reads, and may not write; it makes no file."""
    disk = Bench().disk
    filled(disk, rows=1)
    connection = connect(disk, "file:a.db?mode=ro", uri=True)
    assert [(0,)] == connection.execute("SELECT x FROM t").fetchall()
    with pytest.raises(sqlite3.OperationalError, match="attempt to write a readonly database"):
        connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(sqlite3.OperationalError, match="unable to open database file"):
        connect(disk, "file:b.db?mode=ro", uri=True)
    assert not disk.exists("/b.db")


def test_memory_by_uri_is_of_one_life():
    """A named database in memory is shared by the connections of a host's life, and is on no disk."""
    disk = Bench().disk
    name = "file:m?mode=memory&cache=shared"
    with connect(disk, name, uri=True) as one:
        one.execute("CREATE TABLE t (x)")
    assert [] == connect(disk, name, uri=True).execute("SELECT x FROM t").fetchall()
    disk.crash()
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        connect(disk, name, uri=True).execute("SELECT x FROM t")
    assert ("tmp",) == disk.list("/")


def test_uri_that_names_a_vfs_is_refused():
    """A VFS of the real world would open a file of it."""
    with pytest.raises(Unsupported, match=r"sqlite3\.connect with vfs="):
        connect(Bench().disk, "file:a.db?vfs=unix", uri=True)


def under_way(connection):
    """Raise while a cursor in the middle of its rows is freed."""
    for (number,) in connection.execute("SELECT x FROM t"):
        print(1 / (number - 5))


def as_an_argument(connection):
    """Raise in C code that holds the cursor."""
    int(connection.execute("SELECT x FROM t"))


def closed_before(connection):
    """Raise while a cursor is freed whose connection is closed, and waits for it."""
    cursor = connection.execute("SELECT x FROM t")
    next(cursor)
    connection.close()
    del connection
    print(cursor, 1 / 0)


def in_a_blob(connection):
    """Raise while an open blob is freed."""
    connection.execute("INSERT INTO t VALUES (zeroblob(9))")
    print(connection.blobopen("t", "x", connection.execute("SELECT max(rowid) FROM t").fetchone()[0]), 1 / 0)


@pytest.mark.parametrize("journal", ["wal", "delete"])
@pytest.mark.parametrize(
    ("program", "error"),
    [
        (under_way, ZeroDivisionError),
        (as_an_argument, TypeError),
        (closed_before, ZeroDivisionError),
        (in_a_blob, ZeroDivisionError),
    ],
)
def test_errors_pass_by_what_they_free(monkeypatch, program, error, journal):
    """An exception that frees cursors in the middle of their rows stays that exception, and nothing else is told."""
    unheard: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unheard.append)
    connection = filled(Bench().disk)
    connection.execute(f"PRAGMA journal_mode = {journal}").fetchall()
    with pytest.raises(error):
        program(connection)
    del connection
    gc.collect()
    assert [] == unheard


def test_blob_works():
    """A blob is read and written in place."""
    connection = connect(Bench().disk, "/a.db")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t VALUES (zeroblob(4))")
    with connection.blobopen("t", "x", 1) as blob:
        blob.write(b"ab")
        blob[3] = 7
        assert (4, 2, 7) == (len(blob), blob.tell(), blob[3])
    assert [(b"ab\0\7",)] == connection.execute("SELECT x FROM t").fetchall()


def test_blob_of_a_dead_life_is_dead():
    """A blob that was open in a crash is HostDead to who reads it."""
    disk = Bench().disk
    connection = connect(disk, "/a.db")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t VALUES (zeroblob(4))")
    connection.commit()
    blob = connection.blobopen("t", "x", 1)
    disk.crash()
    with pytest.raises(HostDead):
        blob.read()


def test_calls_of_a_dead_life_are_dead():
    """After a crash each call is HostDead, but for a close, which is what is left to do."""
    disk = Bench().disk
    connection = filled(disk)
    cursor = connection.execute("SELECT x FROM t")
    disk.crash()
    for call in (connection.commit, connection.rollback, cursor.fetchone, cursor.fetchall, lambda: next(cursor)):
        with pytest.raises(HostDead):
            call()
    with pytest.raises(HostDead):
        connection.isolation_level = None
    with pytest.raises(HostDead), connection:
        pass
    connection.close()


def test_backup_goes_both_ways():
    """A database is copied from the disk into memory, and back."""
    disk = Bench().disk
    memory = sqlite3.connect(":memory:")
    filled(disk, rows=3).backup(memory)
    copy = connect(disk, "/b.db")
    memory.backup(copy)
    assert [(0,), (1,), (2,)] == copy.execute("SELECT x FROM t").fetchall()
    memory.close()


def test_random_numbers_follow_the_seed():
    """SQLite's own generator starts over with each connection, as the seed of the disk says."""
    one, again, other = (
        connect(Bench(seed=seed).disk, "/a.db").execute("SELECT random(), hex(randomblob(8))").fetchall()
        for seed in (1, 1, 2)
    )
    assert (True, True) == (one == again, one != other)


def test_connection_freed_by_another_thread_is_safe():
    """A connection that ends in a thread that may not close it ends by itself, and its life stays for good."""
    disk = Bench().disk
    held = [filled(disk, rows=3)]
    life = held[0].kelpie_life

    def end():
        held.clear()
        gc.collect()

    thread = threading.Thread(target=end)
    thread.start()
    thread.join()
    assert [(0,), (1,), (2,)] == connect(disk, "/a.db").execute("SELECT x FROM t").fetchall()
    assert life in sqlite3_connections._pinned


def test_nothing_piles_up():
    """A life goes with the disk and the connections that knew it."""
    lives = []
    for _ in range(20):
        disk = Bench().disk
        for _ in range(2):
            lives.append(weakref.ref(filled(disk, rows=1).kelpie_life))
            disk.crash()
        del disk
    # What one collection closes the next one frees.
    for _ in range(3):
        gc.collect()
    assert [None] * 40 == [life() for life in lives]

"""`sqlite3` in a guarded run: databases on the disks of the hosts, and the refusals where there are none."""

import asyncio
import gc
import os
import pathlib
import sqlite3
import subprocess
import sys
from contextlib import closing
from sqlite3 import connect as bound_connect

import pytest

from kelpie_sim.errors import HostDead, Unsupported
from kelpie_sim.guards import databases, files
from kelpie_sim.world.disk import CrashKeeps, Disks, DiskSetup, sqlite_library
from tests.sim.programs import World

NOTHING = DiskSetup(crash_keeps=(CrashKeeps.NONE,))


class Place:
    """A world whose hosts have disks, and a host named "server"."""

    def __init__(self, seed=1):
        self.world = World(seed)
        self.disks = Disks(self.world.loop, self.world.streams, None, self.world.trace)
        self.host = self.world.host("server")

    def run(self, *programs):
        """Run programs on the host, one per life, with a crash after each; return what the last one returns."""

        async def main():
            files.serve(self.disks)
            self.disks.disk(self.host, NOTHING)
            for program in programs:
                result = await self.host.start(program)
                self.host.crash()
            return result

        return self.world.run(main())


def kept(*rows, name="/a.db", connect=None):
    """Commit rows by a log that is synced with each."""
    connection = (connect or sqlite3.connect)(name)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    with connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [(row,) for row in rows])
    return connection


def rows_of(name="/a.db"):
    """Return the rows that a new connection sees."""
    return [row for (row,) in sqlite3.connect(name).execute("SELECT x FROM t ORDER BY rowid")]


def test_connect_is_on_the_hosts_disk():
    """What a host commits is a file of its disk, and there after a crash; this machine has no such file."""
    place = Place()

    async def write():
        connection = kept(1, 2)
        connection.execute("INSERT INTO t VALUES (3)")

    async def read():
        return rows_of(), os.listdir("/")

    assert ([1, 2], ["a.db", "a.db-wal", "tmp"]) == place.run(write, read)
    assert not pathlib.Path("/a.db").exists()


def test_every_name_of_connect_is_followed():
    """Names that were imported before, positions, paths and bytes mean the same."""

    async def program():
        kept(1, connect=bound_connect)
        kept(2, connect=sqlite3.dbapi2.connect, name=pathlib.Path("a.db"))
        kept(3, name=b"/a.db")
        sqlite3.connect("/a.db", 5.0, 0, None, True, sqlite3.Connection, 128, False).execute("INSERT INTO t VALUES (4)")
        sqlite3.connect("file:a.db", 5.0, 0, None, uri=True).execute("INSERT INTO t VALUES (5)")
        return rows_of("/tmp/../a.db")

    assert [1, 2, 3, 4, 5] == Place().run(program)


def test_memory_is_as_ever():
    """A database in memory, or a temporary one, is the library's own, and makes no file."""

    async def program():
        kinds = []
        for options in ({"database": ":memory:", "timeout": 1.0}, {"database": ""}):
            with closing(sqlite3.connect(**options)) as connection:
                kinds.append(type(connection))
        return kinds, os.listdir("/")

    assert ([sqlite3.Connection] * 2, ["tmp"]) == Place().run(program)


def test_time_is_the_hosts():
    """'now' is the host's clock."""
    place = Place()

    async def program():
        await asyncio.sleep(90)
        return sqlite3.connect("/a.db").execute("SELECT datetime('now')").fetchone()

    assert ("2026-01-01 00:01:30",) == place.run(program)


def test_connect_outside_of_a_host_is_refused():
    """Code on no host has no disk, and gets the refusal that says what to do."""

    async def main():
        files.serve(place.disks)
        sqlite3.connect("/a.db")

    place = Place()
    with pytest.raises(Unsupported, match=r"sqlite3\.connect .*in code of a host"):
        place.world.run(main())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: sqlite3.Connection("/a.db"), r"sqlite3\.connect .*call sqlite3\.connect itself"),
        (lambda: sqlite3.connect("file:a.db?vfs=unix", uri=True), "sqlite3.connect with vfs="),
        (lambda: sqlite3.connect("/a.db", factory=print), "factory that is no class"),  # type: ignore[call-overload]
    ],
)
def test_what_would_leave_the_disk_is_refused_by_name(call, text):
    """A connection past `connect`, a VFS of the real world, a factory that is none: each is refused, and remembered."""
    place = Place()

    async def program():
        with pytest.raises(Unsupported, match=text):
            call()

    place.run(program)
    assert len(place.world.loop.refusals) == 1


def test_library_out_of_reach_is_a_refusal(monkeypatch):
    """Where this Python's SQLite cannot be reached the refusal says so, and is remembered."""
    place = Place()

    def nowhere():
        raise Unsupported("sqlite3.connect", "this Python's SQLite cannot be reached by ctypes")

    async def program():
        monkeypatch.setattr(sqlite_library, "library", nowhere)
        with pytest.raises(Unsupported, match="cannot be reached"):
            sqlite3.connect("/a.db")

    place.run(program)
    assert ["sqlite3.connect"] == place.world.loop.refusals


def test_python_without_sqlite_has_no_patch(monkeypatch):
    """Where there is no `sqlite3` at all, there is nothing to replace."""
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    assert [] == databases.database_patches(lambda: None)


def test_dead_connection_says_so():
    """Code of a dead host that goes on for a moment gets HostDead, and its rows are not there."""
    place = Place()
    told = []

    async def program():
        connection = kept(1)
        with pytest.raises(HostDead):
            place.host.crash()
        with pytest.raises(HostDead):
            connection.execute("INSERT INTO t VALUES (2)")
        told.append("dead")

    async def main():
        files.serve(place.disks)
        place.host.start(program)
        await asyncio.sleep(1)
        return await place.host.start(read)

    async def read():
        return rows_of()

    assert ([1], ["dead"]) == (place.world.run(main()), told)


def test_connection_outlives_its_run_harmlessly():
    """What is open at the end of a run does nothing any more, and nothing changes outside of runs."""
    place = Place()
    held = []

    async def program():
        held.append(kept(*range(100)))
        held[0].execute("INSERT INTO t VALUES (-1)")

    async def main():
        files.serve(place.disks)
        await place.host.start(program)

    place.world.run(main())
    disk = place.disks.disk(place.host)
    operations = disk.operations
    with pytest.raises(HostDead, match="run is over"):
        held[0].execute("SELECT 1")
    held.clear()
    gc.collect()
    assert operations == disk.operations
    with closing(sqlite3.connect("")) as real:
        assert sqlite3.Connection is type(real)
        assert len({real.execute("SELECT random()").fetchone() for _ in range(3)}) == 3


def test_real_files_are_as_ever_outside_of_a_run(tmp_path):
    """After a run `connect` opens files of this machine."""
    Place().run(_nothing)
    with sqlite3.connect(tmp_path / "real.db") as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    assert (tmp_path / "real.db").exists()


async def _nothing():
    kept(1)


def digest_of(seed):
    """Return the digest of a run with chance, time, attached databases and a crash in it, and what it told."""
    place = Place(seed)

    async def write():
        connection = kept(1)
        connection.execute("ATTACH 'b.db' AS b")
        connection.execute("CREATE TABLE b.u (x)")
        with connection:
            connection.execute("INSERT INTO t VALUES (random()), (datetime('now'))")
            connection.execute("INSERT INTO u VALUES (randomblob(9))")

    async def read():
        return rows_of()

    return repr(place.run(write, read)), place.world.trace.digest()


def test_seed_is_a_run_in_every_process():
    """The same seed writes the same bytes, salts of the log and names of journals included, in any process."""
    command = "from tests.sim.guards.test_databases import digest_of; print(digest_of(7))"
    ended = [
        subprocess.run(
            [sys.executable, "-c", command],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        ).stdout
        for hash_seed in ("1", "22")
    ]
    assert [f"{digest_of(7)}\n"] * 2 == ended
    assert digest_of(7) != digest_of(8)

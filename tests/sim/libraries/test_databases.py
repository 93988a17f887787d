"""aiosqlite in the world: its connections have no threads."""

import asyncio
import sqlite3
import threading

import aiosqlite
import pytest

from kelpie_sim.errors import Unsupported
from tests.sim.programs import World


def test_calls_keep_their_order():
    """Calls of several tasks run one per step, in the order in which they came, under any order of steps."""

    async def main():
        async with aiosqlite.connect(":memory:") as connection:
            await connection.execute("CREATE TABLE t (x INTEGER)")
            tasks = [connection.execute("INSERT INTO t VALUES (?)", (n,)) for n in range(10)]
            queued = [asyncio.ensure_future(task) for task in tasks]
            await asyncio.gather(*queued)
            rows = await connection.execute_fetchall("SELECT x FROM t ORDER BY rowid")
            return [row[0] for row in rows]

    runs = [World(seed, strategy="fifo").run(main()) for seed in (1, 2)]
    assert [list(range(10))] * 2 == runs
    assert list(range(10)) == sorted(World(3).run(main()))


def test_errors_are_those_of_the_database():
    """What the database raises reaches who asked, and the connection goes on."""

    async def main():
        async with aiosqlite.connect(":memory:") as connection:
            with pytest.raises(sqlite3.OperationalError, match="no such table"):
                await connection.execute("SELECT * FROM nowhere")
            async with connection.execute("SELECT 1") as cursor:
                return await cursor.fetchone()

    assert (1,) == World().run(main())


def test_closed_connection_says_so():
    """After its end a connection takes no calls."""

    async def main():
        connection = await aiosqlite.connect(":memory:")
        await connection.close()
        with pytest.raises(ValueError, match="no active connection"):
            await connection.execute("SELECT 1")

    World().run(main())


def test_files_of_this_machine_are_refused(tmp_path):
    """A database in a real file is refused by name, unless its host has a disk."""

    async def main():
        with pytest.raises(Unsupported, match=r"sqlite3\.connect"):
            await aiosqlite.connect(tmp_path / "real.db")

    World().run(main())


def test_crash_ends_what_was_queued():
    """Calls that wait when their host loses power never run."""
    world = World(strategy="fifo")
    host = world.host("server")
    connections, queued = [], []

    async def serve():
        connection = await aiosqlite.connect(":memory:")
        connections.append(connection)
        connection._conn.set_trace_callback(seen.append)
        await asyncio.sleep(1)
        queued.append(asyncio.ensure_future(connection.execute("SELECT 1")))
        await asyncio.sleep(0)
        host.crash()

    seen: list[str] = []

    async def main():
        host.start(serve)
        await asyncio.sleep(5)

    world.run(main())
    assert [] == seen
    connections[0]._conn.close()
    connections[0]._connection = None


def test_outside_of_a_run_there_are_threads():
    """After a run has adapted it, a connection outside of runs has its thread again."""
    World().run(asyncio.sleep(0))

    async def main():
        async with aiosqlite.connect(":memory:") as connection:
            return isinstance(connection._thread, threading.Thread)

    assert asyncio.run(main())

"""aiosqlite in the world: its connections have no threads, and databases in files are on the disk of their host."""

import asyncio
import gc
import sqlite3
import threading

import aiosqlite
import pytest

from kelpie_sim.errors import Unsupported
from kelpie_sim.faults import Fault
from kelpie_sim.libraries import threads
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import simulate
from kelpie_sim.world.disk import CrashKeeps, DiskSetup
from kelpie_sim.world.disk import faults as f
from tests.sim.programs import World

NOTHING = DiskSetup(crash_keeps=(CrashKeeps.NONE,))


def outcome_of(run, *faults: Fault, seed=1):
    """Return what became of a scenario on a host with a disk."""
    return simulate(Scenario(name="database", run=run, faults=lambda swarm: faults), seed=seed)


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


@pytest.mark.parametrize("journal", ["wal", "truncate"])
@pytest.mark.parametrize("seed", range(8))
def test_commits_survive_the_crash_of_their_host(seed, journal):
    """What several connections committed to a file is there after a crash in the middle of them, and nothing else."""
    acknowledged: list[str] = []
    tried: list[str] = []
    found: list[object] = []

    async def run(world):
        host = world.host("server")
        world.disks.disk(host, NOTHING)

        async def write(who):
            async with aiosqlite.connect("/a.db") as connection:
                await connection.execute(f"PRAGMA journal_mode = {journal}")
                await connection.execute("PRAGMA synchronous = FULL")
                for number in range(40):
                    await asyncio.sleep(0.01)
                    tried.append(row := f"{who}{number}")
                    await connection.execute("INSERT INTO t VALUES (?)", (row,))
                    await connection.commit()
                    acknowledged.append(row)

        async def serve():
            async with aiosqlite.connect("/a.db") as connection:
                await connection.execute(f"PRAGMA journal_mode = {journal}")
                await connection.execute("CREATE TABLE t (x)")
                await connection.commit()
            await asyncio.gather(write("a"), write("b"), write("c"))

        async def look():
            async with aiosqlite.connect("/a.db") as connection:
                found.extend(row for (row,) in await connection.execute_fetchall("SELECT x FROM t ORDER BY rowid"))
                found.extend(await connection.execute_fetchall("PRAGMA integrity_check"))

        host.start(serve)
        await asyncio.sleep(0.15 + seed / 100)
        host.crash()
        await host.start(look)

    outcome = outcome_of(run, seed=seed)
    assert None is outcome.finding
    assert ("ok",) == found.pop()
    assert (True, True) == (3 < len(acknowledged) < 120, set(acknowledged) <= set(found) <= set(tried))


def test_locked_database_is_waited_for():
    """A call that finds the database locked waits in virtual time, and goes on when the other has committed."""
    told: list[float] = []

    async def run(world):
        async def serve():
            one, other = [await aiosqlite.connect("/a.db", isolation_level=None) for _ in range(2)]
            await one.execute("CREATE TABLE t (x)")
            await one.execute("BEGIN IMMEDIATE")
            waiting = asyncio.ensure_future(other.execute("BEGIN IMMEDIATE"))
            await asyncio.sleep(2)
            told.append(waiting.done())
            await one.commit()
            await waiting
            told.append(asyncio.get_running_loop().time())
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                await one.execute("BEGIN IMMEDIATE")
            told.append(asyncio.get_running_loop().time())

        await world.host("server").start(serve)

    assert None is outcome_of(run).finding
    still, served, given_up = told
    assert (False, True, True) == (still, 2 <= served <= 2.2, 5 <= given_up - served <= 5.2)


def test_without_greenlets_a_lock_is_told_at_once(monkeypatch):
    """Without stacks of their own no call can wait in the middle: a locked database is told without delay."""
    monkeypatch.setattr(threads, "greenlet", None)
    told = []

    async def run(world):
        async def serve():
            one, other = [await aiosqlite.connect("/a.db", isolation_level=None) for _ in range(2)]
            await one.execute("BEGIN IMMEDIATE")
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                await other.execute("BEGIN IMMEDIATE")
            told.append(asyncio.get_running_loop().time())

        await world.host("server").start(serve)

    assert (None, [0.0]) == (outcome_of(run).finding, told)


@pytest.mark.parametrize("seed", range(5))
def test_crash_ends_a_call_that_waits_for_a_lock(seed):
    """A call that waits inside of SQLite when its host loses power never goes on, and the next life is not locked."""
    told = []

    async def run(world):
        host = world.host("server")

        async def serve():
            one, other = [await aiosqlite.connect("/a.db", isolation_level=None) for _ in range(2)]
            await one.execute("CREATE TABLE t (x)")
            await one.execute("BEGIN IMMEDIATE")
            await other.execute("BEGIN IMMEDIATE")
            told.append("went on")

        async def again():
            connection = await aiosqlite.connect("/a.db", isolation_level=None)
            await connection.execute("BEGIN IMMEDIATE")
            told.append("not locked")

        host.start(serve)
        await asyncio.sleep(1)
        host.crash()
        await host.start(again)

    assert (None, ["not locked"]) == (outcome_of(run, seed=seed).finding, told)


@pytest.mark.parametrize(
    ("setup", "faults"),
    [(DiskSetup(sync_latency_us=1_000_000), ()), (None, (f.DiskLatency(on=f.SYNC, latency_ms=1_000, max_triggers=1),))],
)
def test_calls_take_the_time_of_their_disk(setup, faults):
    """A commit is done when the disk is."""
    took = []

    async def run(world):
        host = world.host("server")
        world.disks.disk(host, setup)

        async def serve():
            loop = asyncio.get_running_loop()
            async with aiosqlite.connect("/a.db") as connection:
                await connection.execute("CREATE TABLE t (x)")
                took.append(loop.time())

        await host.start(serve)

    assert None is outcome_of(run, *faults).finding
    assert 1.0 <= took[0]


@pytest.mark.parametrize("seed", range(10))
def test_power_lost_inside_of_a_call_ends_the_host(seed):
    """A disk that loses power in the middle of a call takes its host down: nobody hears of a database error."""
    acknowledged: list[int] = []
    found: list[int] = []
    heard: list[object] = []

    async def run(world):
        host = world.host("server")
        world.disks.disk(host, NOTHING)

        async def serve():
            async with aiosqlite.connect("/a.db") as connection:
                await connection.execute("PRAGMA journal_mode = WAL")
                await connection.execute("PRAGMA synchronous = FULL")
                await connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
                for number in range(100):
                    try:
                        await connection.execute("INSERT INTO t VALUES (?)", (number,))
                        await connection.commit()
                    except sqlite3.Error as error:
                        heard.append(error)
                    acknowledged.append(number)

        async def look():
            async with aiosqlite.connect("/a.db") as connection:
                found.extend(row for (row,) in await connection.execute_fetchall("SELECT x FROM t ORDER BY rowid"))

        host.start(serve)
        await asyncio.sleep(1)
        assert not host.alive
        await host.start(look)

    fault = f.DiskCrash(after=100 + seed, max_triggers=1, when=("before", "during", "after")[seed % 3])
    assert None is outcome_of(run, fault, seed=seed).finding
    assert ([], True, True) == (heard, 5 < len(acknowledged) < 100, found[: len(acknowledged)] == acknowledged)


def test_failed_commit_reaches_who_asked():
    """What the disk does to a commit is an error of the database to who awaits it."""
    told = []

    async def run(world):
        async def serve():
            async with aiosqlite.connect("/a.db") as connection:
                with pytest.raises(sqlite3.OperationalError) as caught:
                    await connection.execute("CREATE TABLE t (x)")
                told.append(str(caught.value))

        await world.host("server").start(serve)

    assert None is outcome_of(run, f.DiskSpaceFull(on=f.WRITE)).finding
    assert ["database or disk is full"] == told


def test_what_a_crash_leaves_is_quiet(recwarn):
    """Connections that a crash left open, in use and idle, make no loop, no warning and no finding at the end."""

    async def run(world):
        host = world.host("server")

        async def use():
            async with aiosqlite.connect("/a.db") as connection:
                await asyncio.sleep(100)
                await connection.commit()

        async def serve():
            held = await aiosqlite.connect("/b.db")
            await asyncio.gather(use(), use())
            await held.close()

        host.start(serve)
        await asyncio.sleep(1)
        host.crash()

    outcome = outcome_of(run)
    gc.collect()
    assert (None, []) == (outcome.finding, [str(warning.message) for warning in recwarn])


def test_outside_of_a_run_there_are_threads():
    """After a run has adapted it, a connection outside of runs has its thread again."""
    World().run(asyncio.sleep(0))

    async def main():
        async with aiosqlite.connect(":memory:") as connection:
            return isinstance(connection._thread, threading.Thread)

    assert asyncio.run(main())

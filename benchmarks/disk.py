"""SQLite on the simulated disk, by apsw and by `sqlite3`: crash seeds that lose a commit, how fast they run, and what
the disk costs.

A crash run writes random transactions, loses power twice at a random I/O (often while the database recovers from the
first time), opens the database again, and compares it with what was acknowledged. By default a part of the seeds runs;
KELPIE_BENCH_FULL=1 runs all 100,000 by apsw.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

import apsw
import attrs

from benchmarks.figure import Figure
from kelpie_sim.errors import HostDead
from kelpie_sim.faults import FaultBoard
from kelpie_sim.seed import Stream, Streams
from kelpie_sim.trace import Trace
from kelpie_sim.world.disk import OPERATIONS, PORT, Disk, DiskSetup, Surroundings, sqlite3_connections
from kelpie_sim.world.disk.faults import DiskCrash
from kelpie_sim.world.disk.sqlite_vfs import VFS_NAME, sqlite_path

SEEDS, SEEDS_FULL, SEEDS_UNSAFE = 10_000, 100_000, 100
FULL_VARIABLE = "KELPIE_BENCH_FULL"
PATH = "/crash.db"
KEYS = 8
ROUNDS = 12
INSERTS = 5_000


class Lost(Exception):
    """What was acknowledged is not there, or something else is."""


class Corrupt(Exception):
    """The database is damaged."""


class Rows(Protocol):
    """What a statement found."""

    def fetchall(self) -> list[Any]:
        """Return all of it."""


class Connection(Protocol):
    """What apsw's connections and those of `sqlite3` have in common."""

    def execute(self, statement: str, bindings: Any = (), /) -> Rows:
        """Execute a statement."""


def by_apsw(disk: Disk) -> Connection:
    """Connect by apsw."""
    return apsw.Connection(sqlite_path(disk, PATH), vfs=VFS_NAME)


def by_sqlite3(disk: Disk) -> Connection:
    """Connect by the standard library."""
    return sqlite3_connections.connect(disk, PATH, isolation_level=None)


@attrs.frozen(kw_only=True)
class Mode:
    """How SQLite is told to keep its promises, and by whom."""

    connect: Callable[[Disk], Connection] = by_apsw
    journal: str = "wal"
    synchronous: str = "FULL"
    exclusive: bool = True
    setup: DiskSetup = attrs.field(factory=DiskSetup)


@attrs.define(eq=False)
class CrashRun:
    """One run: a disk, and the account of what was acknowledged on it."""

    seed: int
    mode: Mode
    crashes: int = 0
    _acknowledged: dict[int, int] = attrs.field(factory=dict, init=False)
    _perhaps: dict[int, int] | None = attrs.field(default=None, init=False)
    """What holds if the transaction under way went through."""
    _connection: Connection | None = attrs.field(default=None, init=False)

    def run(self) -> None:
        """Write, crash, look; raise Lost or Corrupt."""
        streams = Streams(self.seed)
        workload = streams.stream("workload")
        board = self._board(streams, workload)
        disk = Disk("bench", Surroundings(streams=streams, board=board), self.mode.setup)
        try:
            self._rounds(disk, workload)
        except (apsw.CorruptError, apsw.NotADBError, sqlite3.DatabaseError) as error:
            raise Corrupt(str(error)) from error
        finally:
            # A connection that is collected is closed, and could crash the disk where nobody hears of it.
            board.active = False

    def _rounds(self, disk: Disk, workload: Stream) -> None:
        for _ in range(ROUNDS):
            try:
                if self._connection is None:
                    self._connection = self._opened(disk)
                    self._look(self._connection)
                self._write(self._connection, workload)
            except HostDead:
                self.crashes += 1
                self._connection = None

    def _board(self, streams: Streams, workload: Stream) -> FaultBoard:
        first = workload.between(0, 60)
        faults = tuple(
            DiskCrash(after=after, max_triggers=1, when=workload.pick(("before", "during", "after")))
            for after in (first, first + workload.between(1, 40))
        )
        return FaultBoard(faults, {PORT: OPERATIONS}, streams, lambda: 0, Trace())

    def _opened(self, disk: Disk) -> Connection:
        connection = self.mode.connect(disk)
        if self.mode.exclusive:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
        connection.execute(f"PRAGMA journal_mode = {self.mode.journal}").fetchall()
        connection.execute(f"PRAGMA synchronous = {self.mode.synchronous}")
        connection.execute("CREATE TABLE IF NOT EXISTS t (key INTEGER PRIMARY KEY, size INTEGER, body BLOB)")
        return connection

    def _look(self, connection: Connection) -> None:
        if (found := connection.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
            raise Corrupt(str(found))
        found = connection.execute("SELECT key, length(body) FROM t").fetchall()
        rows = dict(cast(list[tuple[int, int]], found))
        if rows not in (self._acknowledged, self._perhaps):
            raise Lost(f"seed {self.seed}: {rows}, not {self._acknowledged} nor {self._perhaps}")
        self._acknowledged, self._perhaps = rows, None

    def _write(self, connection: Connection, workload: Stream) -> None:
        changed = {workload.below(KEYS): workload.below(2_000) for _ in range(workload.between(1, 3))}
        self._perhaps = self._acknowledged | changed
        connection.execute("BEGIN")
        for key, size in changed.items():
            connection.execute("INSERT OR REPLACE INTO t VALUES (?, ?, zeroblob(?))", (key, size, size))
        connection.execute("COMMIT")
        self._acknowledged, self._perhaps = self._perhaps, None


def losing_seeds(mode: Mode, seeds: range) -> list[int]:
    """Return the seeds of which a run loses or corrupts something."""
    return [seed for seed in seeds if _loses(mode, seed)]


def _loses(mode: Mode, seed: int) -> bool:
    try:
        CrashRun(seed=seed, mode=mode).run()
    except (Lost, Corrupt):
        return True
    return False


def inserts_per_second(connection: Connection) -> float:
    """Return how many transactions of one small row a database commits per second of CPU."""
    connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (key INTEGER PRIMARY KEY, body TEXT)")
    start = time.process_time()
    for _ in range(INSERTS):
        connection.execute("INSERT INTO t (body) VALUES ('a small row')")
    return INSERTS / (time.process_time() - start)


def figures() -> Iterator[Figure]:
    """Yield what is lost with full sync and without, and how fast it is."""
    count = SEEDS_FULL if os.environ.get(FULL_VARIABLE) else SEEDS
    yield from _losses("", Mode(), count)
    yield from _losses("sqlite3, ", Mode(connect=by_sqlite3, exclusive=False), SEEDS)
    disk = Disk("bench", Surroundings(streams=Streams(0)))
    simulated, memory = inserts_per_second(by_apsw(disk)), inserts_per_second(apsw.Connection(":memory:"))
    peer = f"apsw in memory: {memory:,.0f}"
    yield Figure(name="commits on the simulated disk", value=simulated, unit="per CPU-second", against=peer)
    disk = Disk("bench", Surroundings(streams=Streams(0)))
    simulated = inserts_per_second(by_sqlite3(disk))
    yield Figure(name="sqlite3, commits on the simulated disk", value=simulated, unit="per CPU-second")


def _losses(who: str, full: Mode, count: int) -> Iterator[Figure]:
    start = time.process_time()
    lost = losing_seeds(full, range(count))
    rate = count / (time.process_time() - start)
    yield Figure(name=f"{who}FULL: of {count:,} crash seeds, lose", value=len(lost), unit="seeds", ceiling=0)
    yield Figure(name=f"{who}crash seeds", value=rate, unit="per CPU-second", floor=200)
    for journal, synchronous in (("wal", "OFF"), ("wal", "NORMAL"), ("delete", "OFF")):
        seeds = losing_seeds(attrs.evolve(full, journal=journal, synchronous=synchronous), range(SEEDS_UNSAFE))
        name = f"{who}{journal} {synchronous}: of {SEEDS_UNSAFE} crash seeds, lose"
        yield Figure(name=name, value=len(seeds), unit="seeds", floor=1)

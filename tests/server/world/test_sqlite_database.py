"""The connection: durability settings, groups, and what each failure of the disk becomes."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import apsw
import pytest

from kelpie_core.errors import Conflict, InvariantBroken, StoreError
from kelpie_core.optimistic import ABSENT, Commit, Range, Read, Row, Scan, Write
from kelpie_core.records import BY_KEY, HEADS, SWEEPS, Table
from kelpie_server.world.sqlite_database import SECURED_BYTES, VERSIONS_PER_OPENING, SqliteDatabase
from tests.server.world.faulty_disk import FaultyDisk

HEADS_TABLE, SWEEPS_TABLE = cast(Table[object], HEADS), cast(Table[object], SWEEPS)
FIRST = VERSIONS_PER_OPENING + 1
EVERYTHING = Range(table=HEADS_TABLE, index=BY_KEY, low=b"", high=b"\xff", limit=100)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Give a place for a database."""
    return str(tmp_path / "store.db")


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    """Give a disk that can be told to fail."""
    with FaultyDisk() as disk:
        yield disk


@pytest.fixture
def database(path: str, disk: FaultyDisk) -> Iterator[SqliteDatabase]:
    """Give an open database on that disk."""
    opened = SqliteDatabase(path, disk.name)
    yield opened
    disk.failing.clear()
    opened.close()


def creation(key: bytes, body: bytes = b"1") -> Commit:
    """Return a commit that creates a head."""
    return Commit(writes=(Write(table=HEADS_TABLE, key=key, version=ABSENT, body=body),))


def entry(key: bytes, entry: bytes) -> Commit:
    """Return a commit that creates a sweep with an index entry."""
    write = Write(table=SWEEPS_TABLE, key=key, version=ABSENT, body=b"1", added=(("by_due", entry),))
    return Commit(writes=(write,))


def keys_in(database: SqliteDatabase) -> list[bytes]:
    """Return the keys of all heads."""
    return [row.key for row in database.range(EVERYTHING)]


def test_the_settings_that_make_it_durable(database: SqliteDatabase) -> None:
    """The log is written ahead, synced in full at each commit, and the file is locked for one owner."""
    connection = database._connection
    wanted = {"journal_mode": "wal", "synchronous": 2, "locking_mode": "exclusive", "foreign_keys": 0}
    assert {name: connection.pragma(name) for name in wanted} == wanted


def test_a_group_shares_one_sync(database: SqliteDatabase, disk: FaultyDisk) -> None:
    """Three commits in a group cost one sync of the disk, three groups of one cost three."""
    assert database.commit_group([creation(b"0")]) == [None]
    before = disk.syncs
    assert database.commit_group([creation(key) for key in (b"a", b"b", b"c")]) == [None] * 3
    in_a_group = disk.syncs - before
    for key in (b"d", b"e", b"f"):
        assert database.commit_group([creation(key)]) == [None]
    assert [in_a_group, disk.syncs - before - in_a_group] == [1, 3]


def test_a_group_of_refused_members_needs_no_sync(database: SqliteDatabase, disk: FaultyDisk) -> None:
    """A group in which nobody may write leaves the disk alone."""
    database.commit_group([creation(b"a")])
    before = disk.syncs
    assert [type(outcome) for outcome in database.commit_group([creation(b"a")] * 2)] == [Conflict, Conflict]
    assert disk.syncs == before


def test_a_member_in_conflict_is_alone_with_it(database: SqliteDatabase) -> None:
    """A member that conflicts, even with one before it in its group, writes nothing; the others are written."""
    read = Read(table=HEADS_TABLE, key=b"a", version=ABSENT)
    scan = Scan(range=EVERYTHING, seen=())
    late = Commit(reads=(read,), writes=creation(b"c").writes)
    phantom = Commit(scans=(scan,), writes=creation(b"d").writes)
    outcomes = database.commit_group([creation(b"a"), late, creation(b"a"), phantom, creation(b"e")])
    assert [type(outcome) for outcome in outcomes] == [type(None), Conflict, Conflict, Conflict, type(None)]
    assert keys_in(database) == [b"a", b"e"]


def test_versions_are_never_used_twice(path: str) -> None:
    """Commits count up within an opening, and each opening starts beyond all before it."""
    versions = []
    for key in (b"a", b"b"):
        database = SqliteDatabase(path)
        database.commit_group([creation(key), creation(key + b"1")])
        versions += [row.version for row in database.range(EVERYTHING) if row.key.startswith(key)]
        database.close()
    assert versions == [FIRST, FIRST + 1, FIRST + VERSIONS_PER_OPENING, FIRST + VERSIONS_PER_OPENING + 1]


def test_a_member_whose_write_fails_is_alone_with_it(database: SqliteDatabase) -> None:
    """If one member's write breaks a constraint, it alone fails, as our own mistake, and leaves no half of itself."""
    assert database.commit_group([entry(b"a", b"e")]) == [None]
    broken = Commit(writes=(*creation(b"x").writes, *entry(b"b", b"e").writes))
    outcomes = database.commit_group([creation(b"c"), broken, creation(b"d")])
    assert [type(outcome) for outcome in outcomes] == [type(None), InvariantBroken, type(None)]
    assert keys_in(database) == [b"c", b"d"]


@pytest.mark.parametrize(
    ("operation", "error", "retriable"),
    [("write", apsw.FullError, False), ("write", apsw.IOError, True), ("sync", apsw.IOError, True)],
)
def test_a_commit_that_fails_is_uncertain(
    database: SqliteDatabase, disk: FaultyDisk, operation: str, error: type[apsw.Error], retriable: bool
) -> None:
    """If the disk fails in the commit, each member that wrote hears that it may be stored; the next one is as ever."""
    database.commit_group([creation(b"a")])
    disk.failing[operation] = error
    outcomes = database.commit_group([creation(b"b"), creation(b"a"), creation(b"c")])
    disk.failing.clear()
    assert [type(outcome) for outcome in outcomes] == [StoreError, Conflict, StoreError]
    told = [(each.retriable, each.uncertain) for each in outcomes if isinstance(each, StoreError)]
    assert told == [(retriable, True), (True, False), (retriable, True)]
    assert keys_in(database) == [b"a"]
    assert database.commit_group([creation(b"b")]) == [None]
    assert keys_in(database) == [b"a", b"b"]


def test_a_commit_that_is_refused_leaves_no_transaction_open(database: SqliteDatabase) -> None:
    """If SQLite does not even try to commit, the group is rolled back and the next one starts afresh."""

    def deny_commit(action: int, name: str | None, *_: str | None) -> int:
        return apsw.SQLITE_DENY if (action, name) == (apsw.SQLITE_TRANSACTION, "COMMIT") else apsw.SQLITE_OK

    database._connection.authorizer = deny_commit
    assert [type(outcome) for outcome in database.commit_group([creation(b"a")])] == [InvariantBroken]
    database._connection.authorizer = None
    assert database.commit_group([creation(b"b")]) == [None]
    assert keys_in(database) == [b"b"]


def test_a_write_too_big_for_the_cache_fails_before_the_commit(database: SqliteDatabase, disk: FaultyDisk) -> None:
    """If the disk is full while pages spill before the commit, nothing was written and that is certain."""
    database.commit_group([creation(b"a")])
    disk.failing["write"] = apsw.FullError
    huge = Commit(writes=tuple(creation(b"b%d" % number, bytes(10_000_000)).writes[0] for number in range(5)))
    (outcome,) = database.commit_group([huge])
    disk.failing.clear()
    assert isinstance(outcome, StoreError)
    assert [outcome.retriable, outcome.uncertain] == [False, False]
    assert keys_in(database) == [b"a"]


def test_a_read_that_fails_says_so(path: str, disk: FaultyDisk) -> None:
    """A read error of the disk comes out of get, scan and check; nothing is taken for absent."""
    database = SqliteDatabase(path)
    database.commit_group([creation(b"a")])
    database.close()
    database = SqliteDatabase(path, disk.name)
    disk.failing["read"] = apsw.IOError
    for job in (
        lambda: database.read(HEADS_TABLE, b"a"),
        lambda: database.range(EVERYTHING),
        lambda: database.check(Commit(reads=(Read(table=HEADS_TABLE, key=b"a", version=ABSENT),))),
    ):
        with pytest.raises(apsw.IOError):
            job()
    (outcome,) = database.commit_group([creation(b"b")])
    assert isinstance(outcome, StoreError)
    assert outcome.uncertain is False
    disk.failing.clear()
    assert database.read(HEADS_TABLE, b"a") == Row(version=FIRST, body=b"1")
    database.close()


def left_by_a_killed_process(path: str, *commits: Commit) -> tuple[Path, Path]:
    """Return the file and the log that a process leaves which has committed and was killed."""
    database = SqliteDatabase(path)
    assert [None] * len(commits) == database.commit_group(commits)
    found = Path(path + ".left"), Path(path + ".left-wal")
    shutil.copy(path, found[0])
    shutil.copy(path + "-wal", found[1])
    database.close()
    return found


def test_a_log_is_written_once_more(path: str, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening writes all of the log that it finds once more, the same, and syncs it before it does anything else."""
    file, log = left_by_a_killed_process(path, creation(b"a", bytes(300_000)))
    before, seen = log.read_bytes(), list[str]()
    monkeypatch.setattr(disk, "reach", seen.append)
    database = SqliteDatabase(str(file), disk.name)
    writes = -(-len(before) // SECURED_BYTES)
    first = seen.index("write")
    assert [*["read", "write"] * writes, "sync"] == seen[first - 1 : first + 2 * writes]
    assert before == log.read_bytes()[: len(before)]
    assert keys_in(database) == [b"a"]
    database.close()


def test_an_opening_that_fails_brings_nothing_into_the_file(
    path: str, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the log cannot be made safe, opening fails and leaves file and log as they were, even if it could now."""
    file, log = left_by_a_killed_process(path, creation(b"a"))
    before, failures = (file.read_bytes(), log.read_bytes()), [apsw.IOError("sync failed on purpose")]

    def reach(operation: str) -> None:
        if operation == "sync" and failures:
            raise failures.pop()

    monkeypatch.setattr(disk, "reach", reach)
    with pytest.raises(apsw.IOError):
        SqliteDatabase(str(file), disk.name)
    assert before == (file.read_bytes(), log.read_bytes())
    again = SqliteDatabase(str(file), disk.name)
    assert keys_in(again) == [b"a"]
    again.close()


def test_what_was_committed_survives_the_process(path: str, tmp_path: Path) -> None:
    """The files as a killed process leaves them hold everything that was committed."""
    database = SqliteDatabase(path)
    database.commit_group([creation(b"a")])
    for suffix in ("", "-wal"):
        shutil.copy(path + suffix, str(tmp_path / f"left.db{suffix}"))
    database.close()
    left = SqliteDatabase(str(tmp_path / "left.db"))
    assert keys_in(left) == [b"a"]
    left.close()


def test_an_entry_that_leads_nowhere_is_corruption(database: SqliteDatabase) -> None:
    """An index entry without its record is reported by scan and by check, and hidden by neither."""
    database._connection.execute("INSERT INTO sweeps__by_due VALUES (?, ?)", (b"e", b"gone"))
    wanted = Range(table=SWEEPS_TABLE, index="by_due", low=b"", high=b"\xff", limit=1)
    check = Commit(scans=(Scan(range=wanted, seen=()),), writes=creation(b"a").writes)
    with pytest.raises(StoreError, match="by_due leads to no record"):
        database.range(wanted)
    outcomes = database.commit_group([check, creation(b"b")])
    assert [type(outcome) for outcome in outcomes] == [StoreError, type(None)]


def test_another_codec_is_refused(database: SqliteDatabase) -> None:
    """A record that another version of the codec wrote is not guessed at."""
    database.commit_group([creation(b"a")])
    database._connection.execute("UPDATE heads SET codec = 2")
    for job in (lambda: database.read(HEADS_TABLE, b"a"), lambda: database.range(EVERYTHING)):
        with pytest.raises(StoreError, match="codec 2, not 1"):
            job()


def test_a_file_system_without_a_log_is_refused(path: str) -> None:
    """Where SQLite cannot keep a write-ahead log, opening says so instead of being less durable."""
    with pytest.raises(StoreError, match="write-ahead log"):
        SqliteDatabase(path, "memdb")


def test_a_refused_file_is_let_go(path: str) -> None:
    """A file that opening refuses is free at once, even while somebody still holds the error."""
    theirs = apsw.Connection(path)
    theirs.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StoreError, match="another program") as caught:
        SqliteDatabase(path)
    theirs.execute("INSERT INTO theirs VALUES (1)")
    theirs.close()
    assert caught.value.retriable is False


def test_closing_brings_the_log_into_the_file(path: str) -> None:
    """After a close all is in the one file, and the log is gone."""
    database = SqliteDatabase(path)
    database.commit_group([creation(b"a")])
    database.close()
    assert [each.name for each in Path(path).parent.iterdir()] == ["store.db"]


def test_a_close_that_fails_closes_all_the_same(path: str, disk: FaultyDisk) -> None:
    """A failing disk makes close raise; the file is free, and what the log holds is there at the next opening."""
    database = SqliteDatabase(path, disk.name)
    database.commit_group([creation(b"a")])
    disk.failing["write"] = apsw.IOError
    with pytest.raises(apsw.IOError):
        database.close()
    again = SqliteDatabase(path)
    assert keys_in(again) == [b"a"]
    again.close()


@pytest.mark.parametrize(("failing", "uncertain"), [({"COMMIT", "ROLLBACK"}, True), ({"heads", "ROLLBACK"}, False)])
@pytest.mark.parametrize("first", ["read", "range", "commit_group"])
def test_a_rollback_that_fails_too(database: SqliteDatabase, failing: set[str], uncertain: bool, first: str) -> None:
    """If a group fails and so does its rollback, that is a StoreError; whatever comes next sees nothing of the group.

    It is uncertain only if the commit was begun.
    """

    def authorize(operation: int, what: str | None, *_: str | None) -> int:
        if what in failing and operation != apsw.SQLITE_READ:
            raise apsw.IOError("failed on purpose")
        return apsw.SQLITE_OK

    database._connection.authorizer = authorize
    (outcome,) = database.commit_group([creation(b"a")])
    database._connection.authorizer = None
    assert isinstance(outcome, StoreError)
    assert [uncertain, True] == [outcome.uncertain, database._connection.in_transaction]
    seen: dict[str, Callable[[], object]] = {
        "read": lambda: database.read(HEADS_TABLE, b"a"),
        "range": lambda: database.range(EVERYTHING) or None,
        "commit_group": lambda: database.commit_group([creation(b"a")])[0],
    }
    assert seen[first]() is None


def test_a_group_that_fails_is_rolled_back_at_once(database: SqliteDatabase) -> None:
    """Nothing of a group that failed before its commit is left open, so that no backup copies it."""
    database._connection.execute("INSERT INTO sweeps__by_due VALUES (?, ?)", (b"e", b"gone"))
    wanted = Range(table=SWEEPS_TABLE, index="by_due", low=b"", high=b"\xff", limit=1)
    (outcome,) = database.commit_group([Commit(scans=(Scan(range=wanted, seen=()),), writes=creation(b"a").writes)])
    assert [StoreError, False] == [type(outcome), database._connection.in_transaction]

"""The connection of the SQLite store and what is asked of it. Nothing here waits for a loop or knows of threads.

- Durable: write-ahead log with full sync, so a commit that returned survives power loss.
- One owner: the lock on the file is exclusive for as long as it is open. So nobody writes behind the back of the
  owner, and a second process is refused instead of being slow or wrong.
- Group commit: all members share one transaction and one sync. Each is compared with the database, as its
  predecessors in the group leave it, before it writes anything: a member in conflict has nothing to undo. If a write
  fails, the group is rolled back and each member tried alone, so that one member's trouble stays its own.
- Versions: each opening of the database has a range of its own and numbers its commits from there, so none is ever
  used twice, and no row has to be written for it.

Methods raise what apsw raises, and StoreError where the content is corrupt; `commit_group` gives StoreErrors.
"""

import contextlib
from collections.abc import Sequence
from functools import cache
from typing import cast

import apsw
import attrs

from kelpie_core.errors import Conflict, StoreError
from kelpie_core.optimistic import ABSENT, Commit, EntryRow, Range, Row, Write, validate
from kelpie_core.records import BY_KEY, Table
from kelpie_server.world.sqlite_backup import SqliteBackup
from kelpie_server.world.sqlite_errors import as_store_error
from kelpie_server.world.sqlite_schema import check_ours, count_opening, index_table, migrate

BUSY_TIMEOUT_MS = 250
CACHE_KIB = 32 * 1024
STATEMENTS_CACHED_MAX = 512
LOG_SUFFIX = "-wal"
# SQLite writes no more than 128 KiB at once.
SECURED_BYTES = 64 * 1024
# 2^40 commits for each of 2^23 openings: both out of reach, and together within the 63 bits of an integer.
VERSIONS_PER_OPENING = 1 << 40
_Stored = tuple[int, int, bytes]
_Found = tuple[bytes, int, bytes, int, bytes]


class SqliteDatabase:
    """An open SQLite database with our tables."""

    def __init__(self, path: str, vfs: str | None = None) -> None:
        """Open or create the file; refuse it if it is in use or not ours; bring its tables up to date."""
        self._connection = apsw.Connection(path, vfs=vfs, statementcachesize=STATEMENTS_CACHED_MAX)
        try:
            self._version_last = self._prepare(path, vfs or "")
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, path: str, vfs: str) -> int:
        """Make the fresh connection ours and return the last version before those of this opening."""
        connection, in_memory = self._connection, path == ":memory:"
        # Should this opening fail: a close brings nothing into the file from a log that is not safe.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        # Before the first access: then the log needs no shared memory, which not every file system offers.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        # Lock first: of two that start at once, one goes on and one is refused, instead of both.
        connection.execute("BEGIN EXCLUSIVE")
        check_ours(connection)
        connection.execute("COMMIT")
        ((mode,),) = connection.execute("PRAGMA journal_mode = WAL").fetchall()
        if mode != ("memory" if in_memory else "wal"):
            raise StoreError(f"the database cannot keep a write-ahead log (journal mode {mode})", retriable=False)
        connection.execute("PRAGMA synchronous = FULL")
        # On macOS a plain sync does not reach the disk; elsewhere this changes nothing.
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        if not in_memory:
            _secure(path + LOG_SUFFIX, vfs)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
        migrate(connection)
        return count_opening(connection) * VERSIONS_PER_OPENING

    def close(self) -> None:
        """Bring the log into the file and close both; a failing disk closes them too, and leaves the log for later."""
        self._connection.close()

    def ping(self) -> None:
        """Read something; raise if the database cannot."""
        self._connection.execute("SELECT schema_version FROM store_state").fetchall()

    def rewrite(self) -> None:
        """Write what is there already, and sync it; raise if the database cannot."""
        self._roll_back()
        try:
            # There and back: SQLite does not write what an update leaves as it is.
            self._connection.execute("BEGIN IMMEDIATE")
            for _ in range(2):
                self._connection.execute("UPDATE store_state SET openings = -openings")
            self._connection.execute("COMMIT")
        except apsw.Error:
            self._give_up()
            raise

    def read(self, table: Table[object], key: bytes) -> Row | None:
        """Return the row with that key, or None."""
        self._roll_back()
        found = cast(list[_Stored], self._connection.execute(_statements(table.name).read, (key,)).fetchall())
        for version, codec, body in found:
            _check_codec(table, codec)
            return Row(version=version, body=body)
        return None

    def range(self, wanted: Range) -> list[EntryRow]:
        """Return the rows of a range, in the order of the scan."""
        self._roll_back()
        found = []
        for entry, version, key, codec, body in cast(list[_Found], self._select(wanted, "t.key", "t.codec", "t.body")):
            _check_codec(wanted.table, codec)
            found.append(EntryRow(entry=entry, key=key, version=version, body=body))
        return found

    def check(self, commit: Commit) -> None:
        """Raise Conflict if anything that a commit saw is different now."""
        validate(commit, self._version_of, self._versions_in)

    def commit_group(self, commits: Sequence[Commit]) -> list[Exception | None]:
        """Write all commits under one sync; return for each the error to raise, or None when it is written."""
        try:
            self._roll_back()
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes: list[Exception | None] = [self._commit_member(commit) for commit in commits]
        except Exception as error:
            self._give_up()
            if len(commits) > 1:
                return [outcome for commit in commits for outcome in self.commit_group((commit,))]
            return [as_store_error(error)]
        try:
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            # The log may hold the whole transaction all the same, and a crash from here on bring it to light.
            self._give_up()
            return [outcome or as_store_error(error, uncertain=True) for outcome in outcomes]
        return outcomes

    def start_backup(self, path: str) -> SqliteBackup:
        """Return a copy to another file, to be made in steps."""
        return SqliteBackup(self._connection, path)

    def _commit_member(self, commit: Commit) -> Conflict | None:
        try:
            self.check(commit)
        except Conflict as conflict:
            return conflict
        self._version_last += 1
        for write in commit.writes:
            self._apply(write)
        return None

    def _apply(self, write: Write) -> None:
        execute, table = self._connection.execute, write.table
        statements = _statements(table.name)
        if write.body is None:
            execute(statements.delete, (write.key,))
        elif write.version == ABSENT:
            execute(statements.insert, (write.key, self._version_last, table.codec_version, write.body))
        else:
            execute(statements.update, (self._version_last, table.codec_version, write.body, write.key))
        for index, entry in write.removed:
            execute(f"DELETE FROM {index_table(table.name, index)} WHERE entry = ?", (entry,))
        for index, entry in write.added:
            execute(f"INSERT INTO {index_table(table.name, index)} VALUES (?, ?)", (entry, write.key))

    def _version_of(self, table: Table[object], key: bytes) -> int:
        found = self._connection.execute(_statements(table.name).version, (key,)).fetchall()
        return cast(int, found[0][0]) if found else ABSENT

    def _versions_in(self, wanted: Range) -> list[tuple[bytes, int]]:
        return cast(list[tuple[bytes, int]], self._select(wanted))

    def _select(self, wanted: Range, *columns: str) -> "list[tuple[apsw.SQLiteValue, ...]]":
        """Return (entry, version, columns...) for a range; raise StoreError if an entry leads to no record."""
        sql = _range_sql(wanted.table.name, wanted.index, columns, wanted.descending)
        rows = self._connection.execute(sql, (wanted.low, wanted.high, wanted.limit)).fetchall()
        if any(row[1] is None for row in rows):
            raise StoreError(f"table {wanted.table.name}: index {wanted.index} leads to no record", retriable=False)
        return rows

    def _give_up(self) -> None:
        # What failed before is what is told. Should this fail too, whoever comes next begins with it.
        with contextlib.suppress(apsw.Error):
            self._roll_back()

    def _roll_back(self) -> None:
        # Some failures roll back by themselves, and mostly there is nothing left of any.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _secure(log: str, vfs: str) -> None:
    """Write all of the log once more and sync it, before anything is appended to it or brought into the file.

    A sync that failed in an earlier opening may have lost pages that the system still shows, and no later sync writes
    them: then the log has a hole on the disk that nobody can see, and power loss takes what stands behind it.
    """
    # Not there yet beside a new file.
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_WAL
    file = apsw.VFSFile(vfs, log, [flags, 0])
    try:
        size = file.xFileSize()
        for offset in range(0, size, SECURED_BYTES):
            file.xWrite(file.xRead(min(SECURED_BYTES, size - offset), offset), offset)
        if size:
            file.xSync(apsw.SQLITE_SYNC_FULL)
    finally:
        file.xClose()


@attrs.frozen(kw_only=True)
class _Statements:
    """The SQL for one table of records."""

    read: str
    version: str
    insert: str
    update: str
    delete: str


@cache
def _statements(table: str) -> _Statements:
    return _Statements(
        read=f"SELECT version, codec, body FROM {table} WHERE key = ?",
        version=f"SELECT version FROM {table} WHERE key = ?",
        insert=f"INSERT INTO {table} VALUES (?, ?, ?, ?)",
        update=f"UPDATE {table} SET version = ?, codec = ?, body = ? WHERE key = ?",
        delete=f"DELETE FROM {table} WHERE key = ?",
    )


@cache
def _range_sql(table: str, index: str, columns: tuple[str, ...], descending: bool) -> str:
    """Return the SQL that walks an index: entry and version first, no version where an entry leads nowhere."""
    entry, source = "t.key", f"{table} AS t"
    if index != BY_KEY:
        # A left join, so that an entry without a record shows instead of vanishing from every list.
        entry, source = "i.entry", f"{index_table(table, index)} AS i LEFT JOIN {table} AS t ON t.key = i.key"
    return (
        f"SELECT {', '.join((entry, 't.version', *columns))} FROM {source} WHERE {entry} >= ? AND {entry} < ? "
        f"ORDER BY {entry} {'DESC' if descending else 'ASC'} LIMIT ?"
    )


def _check_codec(table: Table[object], codec: int) -> None:
    if codec != table.codec_version:
        raise StoreError(f"table {table.name}: a record has codec {codec}, not {table.codec_version}", retriable=False)

"""The default store: one SQLite file, nothing to set up.

The transaction is the optimistic one that all stores share; the work is SqliteDatabase's, done where the runner says.
Under simulation an InlineRunner takes the place of the thread and a file on the simulated disk the place of the real
one. After a simulated crash the same path is simply opened again; a database in ":memory:" dies with its store.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Self, TypeVar

import apsw

from kelpie_core.optimistic import Commit, EntryRow, Range, Row, optimistic_transaction
from kelpie_core.ports import Transaction
from kelpie_core.records import Table
from kelpie_server.world.sqlite_database import SqliteDatabase
from kelpie_server.world.sqlite_errors import as_store_error
from kelpie_server.world.sqlite_runner import Runner, ThreadRunner

T = TypeVar("T")


class SqliteStore:
    """A `Store` and a `Backend` on a SQLite file. Make it with `open`."""

    def __init__(self, database: SqliteDatabase, runner: Runner) -> None:
        self._database = database
        self._runner = runner

    @classmethod
    async def open(cls, path: str, *, runner: Runner | None = None, vfs: str | None = None) -> Self:
        """Open or create the database at `path`: on a thread unless a runner is given, on the disk unless a VFS is.

        Raise StoreError if it cannot be opened, is in use, is not ours, or was written by a newer kelpie.
        """
        owner = ThreadRunner() if runner is None else runner
        opened: list[SqliteDatabase] = []
        try:
            await _call(owner, lambda: opened.append(SqliteDatabase(path, vfs)))
        except BaseException:
            # A cancelled caller may leave behind what the owner opens after all.
            await owner.stop(partial(_close_all, opened))
            raise
        return cls(opened[0], owner)

    async def aclose(self) -> None:
        """Finish what was asked for, bring the log into the file and close it; nothing happens the second time."""
        try:
            await self._runner.stop(self._database.close)
        except apsw.Error as error:
            raise as_store_error(error) from error

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Return a transaction that commits when its block ends."""
        return optimistic_transaction(self)

    async def read(self, table: Table[object], key: bytes) -> Row | None:
        """Return the row with that key, or None."""
        return await _call(self._runner, partial(self._database.read, table, key))

    async def range(self, wanted: Range) -> Sequence[EntryRow]:
        """Return the rows of a range, in the order of the scan."""
        return await _call(self._runner, partial(self._database.range, wanted))

    async def commit(self, commit: Commit) -> None:
        """Write all of a commit and sync it; raise Conflict, with nothing written, if a seen thing changed.

        Raise StoreError if the disk fails, `uncertain` if it failed in the very commit.
        """
        if commit.writes:
            await self._runner.join(self._database.commit_group, commit)
        else:
            await _call(self._runner, partial(self._database.check, commit))

    async def ping(self) -> None:
        """Read something; raise StoreError if the database cannot."""
        await _call(self._runner, self._database.ping)

    async def check(self) -> None:
        """Write something that changes nothing, and sync it; raise StoreError if the disk cannot."""
        await _call(self._runner, self._database.rewrite)

    async def backup(self, path: str) -> None:
        """Copy the database to another file while it is in use; raise StoreError and leave that file as it was."""
        copy = await _call(self._runner, partial(self._database.start_backup, path))
        try:
            while not await _call(self._runner, copy.step):
                pass
        finally:
            await _call(self._runner, copy.finish)


def _close_all(databases: Iterable[SqliteDatabase]) -> None:
    for database in databases:
        database.close()


async def _call(runner: Runner, job: Callable[[], T]) -> T:
    """Run a job with the runner; raise StoreError for what SQLite raises."""
    try:
        return await runner.call(job)
    except apsw.Error as error:
        raise as_store_error(error) from error

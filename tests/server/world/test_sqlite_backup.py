"""Backups: whole copies of a database in use, or nothing."""

from pathlib import Path
from typing import cast

import apsw
import pytest

from kelpie_core.optimistic import ABSENT, Commit, Range, Write
from kelpie_core.records import BY_KEY, HEADS, Table
from kelpie_server.world.sqlite_database import SqliteDatabase

HEADS_TABLE = cast(Table[object], HEADS)


def filled(path: Path, *keys: bytes) -> SqliteDatabase:
    """Return a database with some big heads, of more pages than one step copies."""
    database = SqliteDatabase(str(path))
    write(database, *keys)
    return database


def write(database: SqliteDatabase, *keys: bytes) -> None:
    """Create some big heads."""
    body = bytes(3_000_000)
    writes = tuple(Write(table=HEADS_TABLE, key=key, version=ABSENT, body=body) for key in keys)
    assert database.commit_group([Commit(writes=writes)]) == [None]


def keys_in(path: Path) -> list[bytes]:
    """Open a database, return its keys, close it."""
    database = SqliteDatabase(str(path))
    found = database.range(Range(table=HEADS_TABLE, index=BY_KEY, low=b"", high=b"\xff", limit=100))
    database.close()
    return [row.key for row in found]


def test_a_backup_has_what_was_written_meanwhile(tmp_path: Path) -> None:
    """Commits between the steps go on, and the finished copy has them."""
    database = filled(tmp_path / "store.db", b"a", b"b")
    copy = database.start_backup(str(tmp_path / "copy.db"))
    assert copy.step() is False
    write(database, b"c")
    while not copy.step():
        pass
    copy.finish()
    database.close()
    assert keys_in(tmp_path / "copy.db") == [b"a", b"b", b"c"]


def test_a_backup_that_breaks_off_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    """An unfinished copy over an older one leaves the older one."""
    filled(tmp_path / "copy.db", b"old").close()
    database = filled(tmp_path / "store.db", b"a", b"b")
    copy = database.start_backup(str(tmp_path / "copy.db"))
    assert copy.step() is False
    copy.finish()
    database.close()
    assert keys_in(tmp_path / "copy.db") == [b"old"]


def test_a_target_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    """A path without a folder is refused, and the database goes on."""
    database = filled(tmp_path / "store.db", b"a")
    with pytest.raises(apsw.CantOpenError):
        database.start_backup(str(tmp_path / "nowhere" / "copy.db"))
    write(database, b"b")
    database.close()
    assert keys_in(tmp_path / "store.db") == [b"a", b"b"]


def test_a_close_amid_a_backup_ends_it(tmp_path: Path) -> None:
    """A database closes although a copy of it is under way; finishing that copy then does nothing."""
    database = filled(tmp_path / "store.db", b"a", b"b")
    copy = database.start_backup(str(tmp_path / "copy.db"))
    copy.step()
    database.close()
    copy.finish()
    assert keys_in(tmp_path / "store.db") == [b"a", b"b"]

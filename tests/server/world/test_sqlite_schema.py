"""The schema: what the migrations make is what the records ask for, and no foreign or newer file is touched."""

from collections.abc import Iterator
from typing import cast

import apsw
import pytest

from kelpie_core.errors import StoreError
from kelpie_core.records import TABLES
from kelpie_server.world.sqlite_schema import (
    APPLICATION_ID,
    MIGRATIONS,
    check_ours,
    count_opening,
    index_table,
    migrate,
    schema_of,
)


@pytest.fixture
def connection() -> Iterator[apsw.Connection]:
    """Give an empty database in memory."""
    opened = apsw.Connection(":memory:")
    yield opened
    opened.close()


def tables_in(connection: apsw.Connection) -> dict[object, object]:
    """Return the SQL of each table by its name."""
    rows = connection.execute("SELECT name, sql FROM sqlite_schema").fetchall()
    return dict(cast(list[tuple[object, object]], rows))


def test_migrations_make_what_records_ask_for(connection: apsw.Connection) -> None:
    """Each table and index of the records has its SQL table, with exactly the columns, and there is no other."""
    migrate(connection)
    made = tables_in(connection)
    del made["store_state"]
    wanted: dict[object, object] = {}
    for table in TABLES:
        indexes = [index.name for index in table.indexes]
        names = [table.name, *(index_table(table.name, index) for index in indexes)]
        wanted.update(zip(names, schema_of(table.name, *indexes), strict=True))
    assert made == wanted


def test_an_empty_database_becomes_ours_once(connection: apsw.Connection) -> None:
    """Migrations mark the file, count themselves, and do nothing the second time."""
    assert check_ours(connection) == 0
    migrate(connection)
    migrate(connection)
    assert check_ours(connection) == len(MIGRATIONS)
    assert connection.execute("PRAGMA application_id").fetchall() == [(APPLICATION_ID,)]


def test_later_migrations_go_on_from_where_it_stands(connection: apsw.Connection) -> None:
    """Only the migrations that a database has not seen run, in order."""
    migrate(connection)
    added = (*MIGRATIONS, ("CREATE TABLE one (x)",), ("ALTER TABLE one RENAME TO two", "CREATE TABLE three (x)"))
    migrate(connection, added)
    assert check_ours(connection, added) == len(MIGRATIONS) + 2
    assert {"two", "three"} <= tables_in(connection).keys()


def test_a_migration_is_whole_or_not_at_all(connection: apsw.Connection) -> None:
    """A migration that fails midway leaves the database as the one before left it."""
    migrate(connection)
    before = tables_in(connection)
    with pytest.raises(apsw.SQLError, match="nonsense"):
        migrate(connection, (*MIGRATIONS, ("CREATE TABLE one (x)", "nonsense")))
    assert tables_in(connection) == before
    assert check_ours(connection) == len(MIGRATIONS)


def test_a_newer_schema_is_refused(connection: apsw.Connection) -> None:
    """A database that a newer kelpie has migrated is not touched."""
    migrate(connection, (*MIGRATIONS, ("CREATE TABLE one (x)",)))
    with pytest.raises(StoreError, match="use a newer kelpie") as caught:
        migrate(connection)
    assert caught.value.retriable is False


@pytest.mark.parametrize("sql", ["CREATE TABLE theirs (x)", "PRAGMA application_id = 7"])
def test_a_foreign_database_is_refused(connection: apsw.Connection, sql: str) -> None:
    """A database with tables but without our mark, or with another mark, is not touched."""
    connection.execute(sql)
    before = tables_in(connection)
    with pytest.raises(StoreError, match="another program"):
        migrate(connection)
    assert tables_in(connection) == before


def test_openings_are_counted(connection: apsw.Connection) -> None:
    """Each opening has a number of its own."""
    migrate(connection)
    assert [count_opening(connection), count_opening(connection)] == [1, 2]


def test_a_state_that_is_no_number_is_corrupt(connection: apsw.Connection) -> None:
    """A text where the schema version should stand is reported as corruption."""
    migrate(connection)
    connection.execute("UPDATE store_state SET schema_version = 'x'")
    with pytest.raises(StoreError, match="corrupt"):
        check_ours(connection)


@pytest.mark.parametrize(
    "sql",
    ["DROP TABLE runs__by_thread", "CREATE TABLE more (x)", "ALTER TABLE heads ADD COLUMN more"],
    ids=["lacks a table", "has one more", "has another column"],
)
def test_another_builds_database_is_refused(connection: apsw.Connection, sql: str) -> None:
    """A file whose tables are not those of its version is named as another build's, and not touched."""
    migrate(connection)
    connection.execute(sql)
    before = tables_in(connection)
    with pytest.raises(StoreError, match="another build of kelpie: its schema 1 differs in table") as caught:
        migrate(connection)
    assert caught.value.retriable is False
    assert tables_in(connection) == before

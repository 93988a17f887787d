"""The tables of the SQLite store: numbered migrations, forward only, and the check that a file is ours.

A file whose tables are not the ones that its migrations make (an early kelpie's, before the first release, or one that
somebody altered) is refused as well: what it lacks would be missed only in the middle of a request.

A migration is a tuple of SQL statements. What has been released never changes: a new table or index of
`kelpie_core.records` is a new migration at the end. A test compares what the migrations make with what the records
ask for, so none can be forgotten.

A record's table is a map from key to encoded record; an index is a map from entry to key. Neither has a rowid: both
are read in the order of their bytes.
"""

from collections.abc import Sequence

import apsw

from kelpie_core.errors import StoreError

Migration = tuple[str, ...]

APPLICATION_ID = 0x4B_45_4C_50
"""What marks a SQLite file as ours: "KELP"."""


def index_table(table: str, index: str) -> str:
    """Return the name of the SQL table that holds an index."""
    return f"{table}__{index}"


def schema_of(table: str, *indexes: str) -> Migration:
    """Return the statements that create a table of records and its indexes."""
    columns = "key BLOB PRIMARY KEY, version INTEGER NOT NULL, codec INTEGER NOT NULL, body BLOB NOT NULL"
    return (
        f"CREATE TABLE {table} ({columns}) WITHOUT ROWID",
        *(
            f"CREATE TABLE {index_table(table, index)} (entry BLOB PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID"
            for index in indexes
        ),
    )


# `openings` counts how often the database was opened: each opening numbers its versions in a range of its own.
_STATE = (
    "CREATE TABLE store_state (one INTEGER PRIMARY KEY CHECK (one = 1), schema_version INTEGER NOT NULL, "
    "openings INTEGER NOT NULL)"
)

MIGRATIONS: tuple[Migration, ...] = (
    (
        f"PRAGMA application_id = {APPLICATION_ID}",
        _STATE,
        "INSERT INTO store_state VALUES (1, 0, 0)",
        *schema_of("agents", "by_organization", "by_update", "by_name", "by_tag", "by_block", "by_tool"),
        *schema_of("heads", "by_last_run"),
        *schema_of("blocks", "by_organization", "by_label", "by_tag"),
        *schema_of("tools", "by_organization", "by_name"),
        *schema_of("messages", "by_organization", "by_agent", "by_id", "by_otid", "by_run"),
        *schema_of("runs", "by_organization", "by_agent", "by_thread", "by_status", "by_state"),
        *schema_of("steps", "by_organization", "by_run", "by_agent"),
        *schema_of(
            "conversations",
            "by_organization",
            "by_organization_message",
            "by_organization_run",
            "by_agent",
            "by_agent_message",
            "by_agent_run",
        ),
        *schema_of("event_logs", "by_agent", "by_thread", "by_state"),
        *schema_of("event_chunks"),
        *schema_of("departures", "by_due"),
        *schema_of("sweeps", "by_due"),
    ),
)


def check_ours(connection: apsw.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Return the schema version of a database, 0 for an empty one, without writing anything.

    Raise StoreError if the file belongs to another program, or to a newer kelpie than this one, or if its tables are
    not what the migrations up to its version make.
    """
    application = _one(connection, "PRAGMA application_id")
    if application != APPLICATION_ID:
        if application or _one(connection, "SELECT count(*) FROM sqlite_schema"):
            raise StoreError("the file is a database of another program", retriable=False)
        return 0
    version = _one(connection, "SELECT schema_version FROM store_state")
    if version > len(migrations):
        raise StoreError(
            f"the database has schema {version}, this kelpie knows up to {len(migrations)}: use a newer kelpie",
            retriable=False,
        )
    _check_tables(connection, migrations[:version])
    return version


def migrate(connection: apsw.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring a database up to date, each migration in a transaction of its own; raise StoreError as `check_ours`."""
    version = check_ours(connection, migrations)
    for number, migration in enumerate(migrations[version:], start=version + 1):
        with connection:
            for statement in migration:
                connection.execute(statement)
            connection.execute("UPDATE store_state SET schema_version = ?", (number,))


def count_opening(connection: apsw.Connection) -> int:
    """Count one more opening of the database and return its number."""
    return _one(connection, "UPDATE store_state SET openings = openings + 1 RETURNING openings")


def _check_tables(connection: apsw.Connection, migrations: Sequence[Migration]) -> None:
    made = apsw.Connection(":memory:")
    try:
        for migration in migrations:
            for statement in migration:
                made.execute(statement)
        differing = sorted(_tables(made) ^ _tables(connection))
    finally:
        made.close()
    if differing:
        raise StoreError(
            f"the database was made by another build of kelpie: its schema {len(migrations)} differs in table "
            f"{differing[0][0]!r}; export the agents with that build and import them into a new file",
            retriable=False,
        )


def _tables(connection: apsw.Connection) -> set[tuple[str, str]]:
    rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall()
    return {(str(name), str(sql)) for name, sql in rows}


def _one(connection: apsw.Connection, sql: str) -> int:
    """Return the one integer that a statement gives."""
    ((value,),) = connection.execute(sql).fetchall()
    if not isinstance(value, int):
        raise StoreError(f"the database is corrupt: no number where {sql!r} reads one", retriable=False)
    return value

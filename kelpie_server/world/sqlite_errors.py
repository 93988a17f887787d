"""What a failure of SQLite means to a caller: the world's fault, told as StoreError, or ours."""

import apsw

from kelpie_core.errors import InvariantBroken, KelpieError, StoreError

# What the world does to a database: (class, what to say, may the same call succeed later).
_WORLD: tuple[tuple[type[apsw.Error], str, bool], ...] = (
    (apsw.BusyError, "the database is in use by another kelpie", True),
    (apsw.LockedError, "the database is in use by another kelpie", True),
    (apsw.FullError, "the disk of the database is full", False),
    (apsw.IOError, "the disk of the database failed", True),
    (apsw.NoMemError, "the database ran out of memory", True),
    (apsw.ProtocolError, "the database could not be locked", True),
    (apsw.CantOpenError, "the database cannot be opened", False),
    (apsw.PermissionsError, "the database may not be opened", False),
    (apsw.ReadOnlyError, "the database cannot be written", False),
    (apsw.CorruptError, "the database is corrupt", False),
    (apsw.NotADBError, "the file is not a database", False),
    (apsw.TooBigError, "a record is too big for the database", False),
)


def as_store_error(error: Exception, *, uncertain: bool = False) -> Exception:
    """Return what to raise for an error of SQLite, which becomes its cause; any other error is returned as it is.

    That is a StoreError for what the world does, and InvariantBroken for the rest: wrong SQL, misuse, a broken
    constraint are our own mistakes.
    """
    if not isinstance(error, apsw.Error):
        return error
    found: KelpieError = InvariantBroken(f"{type(error).__name__}: {error}")
    for kind, meaning, retriable in _WORLD:
        if isinstance(error, kind):
            found = StoreError(f"{meaning} ({error})", retriable=retriable, uncertain=uncertain)
    found.__cause__ = error
    return found

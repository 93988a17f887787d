"""What failures of SQLite become: the world's as StoreError, our own as InvariantBroken."""

import apsw
import pytest

from kelpie_core.errors import InvariantBroken, StoreError
from kelpie_server.world.sqlite_errors import as_store_error


@pytest.mark.parametrize(
    ("kind", "retriable", "words"),
    [
        (apsw.BusyError, True, "in use by another kelpie"),
        (apsw.LockedError, True, "in use by another kelpie"),
        (apsw.FullError, False, "full"),
        (apsw.IOError, True, "disk of the database failed"),
        (apsw.CorruptError, False, "corrupt"),
        (apsw.NotADBError, False, "not a database"),
        (apsw.CantOpenError, False, "cannot be opened"),
    ],
)
def test_the_world_fails(kind: type[apsw.Error], retriable: bool, words: str) -> None:
    """What disk, lock and file do is a StoreError that says so, with the cause, and whether to try again."""
    cause = kind("details")
    error = as_store_error(cause, uncertain=True)
    assert isinstance(error, StoreError)
    assert [error.retriable, error.uncertain, error.__cause__] == [retriable, True, cause]
    assert words in str(error)
    assert "details" in str(error)


@pytest.mark.parametrize("kind", [apsw.SQLError, apsw.ConstraintError, apsw.MisuseError])
def test_we_fail(kind: type[apsw.Error]) -> None:
    """Wrong SQL, a broken constraint and misuse are ours."""
    error = as_store_error(kind("details"))
    assert isinstance(error, InvariantBroken)
    assert str(error) == f"{kind.__name__}: details"


def test_other_errors_stay() -> None:
    """An error that is not SQLite's is returned as it is."""
    error = StoreError("corrupt")
    assert as_store_error(error) is error

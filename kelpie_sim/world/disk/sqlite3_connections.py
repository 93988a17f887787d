"""Connections of the standard library's `sqlite3` to databases on a simulated disk.

They are `sqlite3.Connection` and `sqlite3.Cursor`, or what a program derives from these, with two things added. After
each call it is found out whether the disk lost power in it: then it is HostDead, whatever SQLite made of that. And what
nobody closed is closed before its memory goes: C code frees things while an exception is under way, and SQLite must not
call Python then.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from functools import cache
from typing import Any, cast
from urllib.parse import parse_qsl, quote

from kelpie_sim.errors import Unsupported
from kelpie_sim.guards.refusals import SimulatedName
from kelpie_sim.world.disk.disk import Disk
from kelpie_sim.world.disk.names import normal
from kelpie_sim.world.disk.sqlite3_vfs import MountedLife, mounted

# Of lives one of whose connections could not be closed before its memory went.
_pinned: dict[MountedLife, None] = {}


def name_of(life: MountedLife, database: str, *, uri: bool) -> SimulatedName:
    """Return the URI under which `sqlite3` finds a database. Raise Unsupported for one that names a VFS."""
    if not uri or not database.startswith("file:"):
        return SimulatedName(f"file:{quote(normal(database), errors='surrogateescape')}?vfs={life.vfs_name}")
    named = database.partition("#")[0]
    path, mark, query = named.partition("?")
    if any(key == "vfs" for key, _ in parse_qsl(query, keep_blank_values=True)):
        raise Unsupported("sqlite3.connect with vfs=", "a host's databases are on its disk")
    return SimulatedName(f"{path}?{query}&vfs={life.vfs_name}" if mark else f"{path}?vfs={life.vfs_name}")


def connect(
    disk: Disk,
    database: str,
    *,
    uri: bool = False,
    factory: type[sqlite3.Connection] = sqlite3.Connection,
    real: Callable[..., object] = sqlite3.connect,
    **options: object,
) -> sqlite3.Connection:
    """Return a connection to a database on a disk; `options` are those of `sqlite3.connect`.

    Raise as that does, HostDead if the disk loses power in it, Unsupported where SQLite is out of reach.
    """
    if not isinstance(factory, type):
        raise Unsupported("sqlite3.connect with a factory that is no class", "give it a class")
    life = mounted(disk)
    life.seed()
    kind = _with_life(cast(Any, factory), SimConnection)

    def make(*args: object, **given: object) -> object:
        connection = kind.__new__(kind)
        connection.kelpie_life = life
        connection.__init__(*args, **given)
        return connection

    try:
        return cast(sqlite3.Connection, real(name_of(life, database, uri=uri), uri=True, factory=make, **options))
    finally:
        life.check()


@cache
def _with_life(given: Any, ours: Any) -> Any:
    """Return the class of a program's own, or of the library's, with what we add just above the library's."""
    if issubclass(ours, given):
        return ours
    return given if issubclass(given, ours) else type(given.__name__, (given, ours), {})


def _checked(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method after which it is found out what became of the disk."""

    def checked(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return call(self, *args, **options)
        finally:
            life = self.kelpie_life
            if life is not None:
                life.check()

    return checked


class SimCursor(sqlite3.Cursor):
    """A cursor. Its statement ends with it, and not when C code frees it."""

    @property
    def kelpie_life(self) -> MountedLife | None:
        """The life that its connection belongs to."""
        return getattr(self.connection, "kelpie_life", None)

    def __del__(
        self,
        close: Callable[..., None] = sqlite3.Cursor.close,
        release: Callable[..., None] = sqlite3.Cursor.__init__,
        error: type[Exception] = sqlite3.Error,
    ) -> None:
        with contextlib.suppress(AttributeError, TypeError, error):
            try:
                close(self)
            except error:
                # The connection was closed first, and SQLite waits for this statement.
                release(self, self.connection)


class SimConnection(sqlite3.Connection):
    """A connection. `kelpie_life` is the life that it belongs to."""

    kelpie_life: MountedLife | None = None

    def cursor(self, factory: object = sqlite3.Cursor) -> sqlite3.Cursor:  # type: ignore[override]  # whatever it makes
        """Return a cursor; a class of the program's own is followed too."""
        made: Any = _with_life(factory, SimCursor) if isinstance(factory, type) else factory
        return cast(sqlite3.Cursor, super().cursor(made))

    def blobopen(self, *args: object, **options: object) -> SimBlob:  # type: ignore[override]  # it can be no other
        """Open a blob as the original does."""
        return SimBlob(super().blobopen(*cast(Any, args), **cast(Any, options)), self.kelpie_life)

    def close(self) -> None:
        """Close it. Also one of a life that is over: then there is nothing to tell."""
        super().close()
        if self.kelpie_life is not None:
            self.kelpie_life.tell()

    def __del__(
        self,
        close: Callable[..., None] = sqlite3.Connection.close,
        error: type[Exception] = sqlite3.ProgrammingError,
    ) -> None:
        life = self.kelpie_life
        if life is None:
            return
        try:
            close(self)
        except error as failed:
            # Opened by another thread: what SQLite may still look at stays. One that was never opened is no matter.
            if "__init__" not in str(failed):
                _pinned[life] = None
        finally:
            life.raised = None


class SimBlob:
    """An open blob, whose class lets nobody derive from it. It is closed before C code frees it."""

    def __init__(self, blob: Any, life: MountedLife | None) -> None:
        self.kelpie_life = life
        self._blob = blob

    def __enter__(self) -> SimBlob:
        return self

    def __exit__(self, *error: object) -> None:
        self._blob.close()

    def __del__(self, error: type[Exception] = sqlite3.Error) -> None:
        with contextlib.suppress(error):
            self._blob.close()


def _of_blob(name: str) -> Callable[..., Any]:
    def call(self: SimBlob, *args: Any) -> Any:
        return getattr(self._blob, name)(*args)

    return call


def _by_cursor(name: str) -> Callable[..., Any]:
    """Return a short cut over a cursor: the library's own would make one that is not ours."""

    def call(self: SimConnection, *args: Any) -> Any:
        return getattr(sqlite3.Connection.cursor(self, SimCursor), name)(*args)

    return call


for _name in ("execute", "executemany", "executescript"):
    setattr(SimConnection, _name, _by_cursor(_name))
_CURSOR_CALLS = ("execute", "executemany", "executescript", "fetchone", "fetchmany", "fetchall", "__next__", "close")
_CONNECTION_CALLS = ("commit", "rollback", "__exit__", "__setattr__", "backup", "blobopen", "serialize", "deserialize")
_BLOB_CALLS = ("close", "read", "write", "seek", "tell", "__len__", "__getitem__", "__setitem__")
for _name in _BLOB_CALLS:
    setattr(SimBlob, _name, _checked(_of_blob(_name)))
for _ours, _names in ((SimCursor, _CURSOR_CALLS), (SimConnection, _CONNECTION_CALLS)):
    for _name in _names:
        if hasattr(_ours, _name):
            setattr(_ours, _name, _checked(getattr(_ours, _name)))

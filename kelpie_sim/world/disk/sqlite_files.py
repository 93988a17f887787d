"""The files of databases, as SQLite's own VFS for unix treats them: what both of our VFSs do, whoever loads SQLite.

A new journal's directory is synced with the journal's first sync, what was read or written by halves is asked for
again, and locks are those between the connections of one host. What goes wrong is a `Failed` with SQLite's own code.

Laws: a file of a life that is over does nothing and hears nothing. SQLite still rolls back and closes what is collected
long after the crash, and must find neither an error to tell of nor the disk of the next life.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from typing import Final, TypeVar

from kelpie_sim.errors import HostDead
from kelpie_sim.guards.active import current
from kelpie_sim.seed import Streams
from kelpie_sim.world.disk.changes import FileNode, parent_of
from kelpie_sim.world.disk.disk import Disk, Surroundings
from kelpie_sim.world.disk.locks import NONE, FileLocks
from kelpie_sim.world.disk.names import normal
from kelpie_sim.world.disk.open_file import OpenFile
from kelpie_sim.world.disk.wal_index import Region, WalIndex

T = TypeVar("T")

# Results and flags, by SQLite's names for them.
OK, BUSY, IOERR, NOTFOUND, FULL, CANTOPEN = 0, 5, 10, 12, 13, 14
(
    IOERR_READ, IOERR_SHORT_READ, IOERR_WRITE, IOERR_FSYNC, IOERR_DIR_FSYNC, IOERR_TRUNCATE, _, _, _, IOERR_DELETE,
) = (IOERR | number << 8 for number in range(1, 11))  # fmt: skip
IOERR_DELETE_NOENT: Final = IOERR | 23 << 8
OPEN_CREATE, OPEN_EXCLUSIVE = 0x4, 0x10
OPEN_MAIN_JOURNAL, OPEN_SUPER_JOURNAL, OPEN_WAL = 0x800, 0x4000, 0x80000
POWERSAFE_OVERWRITE: Final = 0x1000
# Journals whose names must be safe before they are relied on.
_DIRECTORY_SYNCED = OPEN_MAIN_JOURNAL | OPEN_SUPER_JOURNAL | OPEN_WAL

# SQLite counts milliseconds from noon of a day in 4714 BC; this is where 1970 began.
JULIAN_1970_MS = 210_866_760_000_000
MS_NS = 1_000_000


def julian_ms() -> int:
    """Return what 'now' is to SQLite: by the host's clock, or where 1970 began outside of a run."""
    guard = current()
    return JULIAN_1970_MS + (0 if guard is None else guard.wall_ns() // MS_NS)


class Failed(Exception):
    """An operation failed, and `code` is how SQLite calls that."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _told(code: int, act: Callable[[], T]) -> T:
    """Act, and tell an OSError as SQLite does: the disk is full, or `code`."""
    try:
        return act()
    except OSError as error:
        raise Failed(FULL if error.errno == errno.ENOSPC else code) from error


class DiskLife:
    """A disk in one of its lives, with the operations on paths. `end` ends it for SQLite before its time."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.raised: BaseException | None = None
        """What SQLite could not be told of, where it is not Python that calls."""
        self._generation = disk.generation
        self._ended = False

    @property
    def dead(self) -> bool:
        """Whether power was lost since, or all was told to end."""
        return self._ended or self._generation != self.disk.generation

    def end(self) -> None:
        """Let nothing more happen to the disk."""
        self._ended = True

    def fence(self) -> None:
        """Raise HostDead once this life is over."""
        if self.dead:
            raise HostDead(f"disk {self.disk.name!r} lost power, or the run is over: its databases are closed")

    def open(self, path: str | None, flags: int) -> DatabaseFile:
        """Open a file, or one without a name. Raise HostDead, Failed."""
        self.fence()
        if path is None:
            return scratch_file(self)
        create = bool(flags & OPEN_CREATE)
        exclusive = create and bool(flags & OPEN_EXCLUSIVE)
        file = _told(CANTOPEN, lambda: self.disk.open(path, create=create, exclusive=exclusive))
        # Also if it was there: who made it may have failed before the name was safe.
        return DatabaseFile(self, file, sync_directory=create and bool(flags & _DIRECTORY_SYNCED))

    def delete(self, path: str, *, sync_directory: bool) -> None:
        """Delete a file. Raise Failed, also if there is none."""
        if self.dead:
            return
        if not self.disk.exists(path):
            raise Failed(IOERR_DELETE_NOENT)
        _told(IOERR_DELETE, lambda: self.disk.unlink(path))
        if sync_directory:
            _told(IOERR_DIR_FSYNC, lambda: self.disk.sync_directory(parent_of(normal(path))))

    def holds(self, path: str) -> bool:
        """Return whether there is a file with something in it, or a directory."""
        node = None if self.dead else self.disk.names.find(normal(path))
        return node is not None and not (isinstance(node, FileNode) and not node.live)


def scratch_file(life: DiskLife | None = None) -> DatabaseFile:
    """Return a file that dies with its connection: on a disk of its own, without a host, where nothing goes wrong."""
    disk = Disk("scratch", Surroundings(streams=Streams(0)))
    return DatabaseFile(life or DiskLife(disk), disk.open_nameless(), sync_directory=False)


class _Shared:
    """What the connections to one file share."""

    __slots__ = ("index", "locks")

    def __init__(self) -> None:
        self.locks = FileLocks()
        self.index = WalIndex()


class DatabaseFile:
    """A file that SQLite has open. Each operation raises Failed, or HostDead if it is what takes the host down."""

    __slots__ = ("_file", "_index", "_sync_directory", "life")

    def __init__(self, life: DiskLife, file: OpenFile, *, sync_directory: bool) -> None:
        self.life = life
        self._file = file
        self._sync_directory = sync_directory
        # SQLite reads its memory as long as this is open, also after a crash.
        self._index: WalIndex | None = None

    def read(self, size: int, offset: int) -> bytes:
        """Read; fewer bytes at the end of the file."""
        if self.life.dead:
            return b""
        return _told(IOERR_READ, lambda: self._read_on(size, offset))

    def _read_on(self, size: int, offset: int) -> bytes:
        found = more = self._file.read_at(offset, size)
        while more and len(found) < size:
            more = self._file.read_at(offset + len(found), size - len(found))
            found += more
        return found

    def write(self, data: bytes, offset: int) -> None:
        """Write all of it."""
        if not self.life.dead:
            _told(IOERR_WRITE, lambda: self._write_on(data, offset))

    def _write_on(self, data: bytes, offset: int) -> None:
        taken = self._file.write_at(offset, data)
        while taken < len(data):
            taken += self._file.write_at(offset + taken, data[taken:])

    def truncate(self, size: int) -> None:
        """Change the size."""
        if not self.life.dead:
            _told(IOERR_TRUNCATE, lambda: self._file.truncate(size))

    def sync(self) -> None:
        """Make it durable, a new journal with its name."""
        if self.life.dead:
            return
        _told(IOERR_FSYNC, self._file.sync)
        if self._sync_directory:
            self._sync_directory = False
            # As the unix VFS does: an error of the directory's sync is not told.
            with contextlib.suppress(OSError):
                self._file.disk.sync_directory(parent_of(self._file.path))

    @property
    def size(self) -> int:
        """How long it is."""
        return 0 if self.life.dead else self._file.size

    # --- locks and shared memory

    def _shared(self) -> _Shared:
        node = self._file.node
        if not isinstance(node.locks, _Shared):
            node.locks = _Shared()
        return node.locks

    def lock(self, level: int) -> None:
        """Raise the lock to a level. Raise Failed (BUSY)."""
        if not self.life.dead and not self._shared().locks.lock(self, level):
            raise Failed(BUSY)

    def unlock(self, level: int) -> None:
        """Lower the lock to a level."""
        if not self.life.dead:
            self._shared().locks.unlock(self, level)

    def reserved(self) -> bool:
        """Return whether anybody means to write."""
        return not self.life.dead and self._shared().locks.reserved()

    def _own_index(self) -> WalIndex:
        if self._index is None:
            self._index = WalIndex() if self.life.dead else self._shared().index
            self._index.enter(self)
        return self._index

    def index_region(self, number: int, size: int, *, extend: bool) -> Region | None:
        """Return a part of the log's index, None if it is not there yet."""
        return self._own_index().region(number, size, extend=extend)

    def lock_index(self, first: int, count: int, *, exclusive: bool) -> None:
        """Lock slots of the log's index. Raise Failed (BUSY)."""
        if not self._own_index().lock(self, first, count, exclusive=exclusive):
            raise Failed(BUSY)

    def unlock_index(self, first: int, count: int) -> None:
        """Release slots of the log's index."""
        self._own_index().unlock(self, first, count)

    def leave_index(self) -> None:
        """Be done with the log's index; it goes with its last user."""
        if self._index is not None:
            self._index.leave(self)
            self._index = None

    def close(self) -> None:
        """Let go of everything."""
        self.leave_index()
        self.unlock(NONE)

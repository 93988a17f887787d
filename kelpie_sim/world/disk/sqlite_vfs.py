"""SQLite on a simulated disk: a VFS for apsw.

`sqlite_path(disk, path)` names a file on a disk for as long as the disk's present life lasts; open it with
`apsw.Connection(sqlite_path(disk, path), vfs=VFS_NAME)`. It does what the unix VFS does: locks, a sync of the directory
with the first sync of a new journal, short reads and writes done again. apsw offers no shared memory, so a write-ahead
log needs `PRAGMA locking_mode = EXCLUSIVE` before the first access; else SQLite silently keeps its rollback journal.

Laws: a connection of a life that is over does nothing and hears nothing: SQLite still rolls back and closes what is
collected long after the crash, and must find neither an error to print nor the disk of the next life. SQLite's own
generator is seeded by the run each time a disk is named, 'now' is the host's clock, and sleeping takes no time.

A transaction over attached databases writes their names into its journals, and a name holds a number of the process:
the digests of such runs differ from process to process. Attach none.
"""

from __future__ import annotations

import contextlib
import errno
import random
from collections.abc import Callable
from functools import cache
from itertools import count
from typing import TypeVar
from weakref import WeakValueDictionary

import apsw

from kelpie_sim.errors import HostDead
from kelpie_sim.guards.active import current
from kelpie_sim.seed import Streams
from kelpie_sim.world.disk.changes import parent_of
from kelpie_sim.world.disk.disk import Disk, Surroundings
from kelpie_sim.world.disk.locks import NONE, FileLocks
from kelpie_sim.world.disk.names import normal
from kelpie_sim.world.disk.open_file import OpenFile

T = TypeVar("T")
VFS_NAME = "kelpie-simulated-disk"
# SQLite counts milliseconds from noon of a day in 4714 BC; this is where 1970 began.
JULIAN_1970_MS = 210_866_760_000_000
MS_NS = 1_000_000
# Journals whose names must be safe before they are relied on.
_DIRECTORY_SYNCED = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL


class _Mount:
    """A disk in one of its lives, as the VFS finds it by number. The disk drops it when that life is over."""

    __slots__ = ("__weakref__", "disk", "number")

    def __init__(self, disk: Disk, number: int) -> None:
        self.disk = disk
        self.number = number


_numbers = count(1)
_mounts: WeakValueDictionary[int, _Mount] = WeakValueDictionary()


def sqlite_path(disk: Disk, path: str) -> str:
    """Return the name under which SQLite finds a path of a disk, in the disk's present life."""
    mount = next((found for found in disk.attachments if isinstance(found, _Mount)), None)
    if mount is None:
        mount = _Mount(disk, next(_numbers))
        _mounts[mount.number] = mount
        disk.attachments.append(mount)
    _vfs().seed(disk.stream("sqlite").bits(64))
    return f"/{mount.number}{normal(path)}"


def _found(name: str) -> tuple[Disk | None, str]:
    """Return the disk that a name means, if that life of it goes on, and the path."""
    number, _, path = name[1:].partition("/")
    mount = _mounts.get(int(number))
    return None if mount is None else mount.disk, "/" + path


@cache
def _vfs() -> DiskVfs:
    return DiskVfs()


def _told(act: Callable[[], T], code: int) -> T:
    """Act, and tell an OSError as SQLite does: the disk is full, or `code`."""
    try:
        return act()
    except OSError as error:
        raise _as_sqlite(error, code) from error


def _as_sqlite(error: OSError, code: int) -> Exception:
    return apsw.exception_for(apsw.SQLITE_FULL if error.errno == errno.ENOSPC else code)


def _scratch_file() -> OpenFile:
    """Return a file that dies with its connection: on a disk of its own, without a host, where nothing goes wrong."""
    return Disk("scratch", Surroundings(streams=Streams(0))).open_nameless()


class DiskVfs(apsw.VFS):
    """The VFS of all simulated disks; there is one in a process."""

    def __init__(self) -> None:
        super().__init__(VFS_NAME, None, False)
        self._generator = random.Random(0)

    def seed(self, key: int) -> None:
        """Let SQLite's generator start over from a key. It asks the default VFS, so this is that for a moment."""
        self._generator.seed(key)
        default = apsw.vfs_names()[0]
        apsw.set_default_vfs(VFS_NAME)
        apsw.randomness(0)
        apsw.randomness(1)
        apsw.set_default_vfs(default)

    def xRandomness(self, size: int) -> bytes:
        return self._generator.randbytes(size)

    def xSleep(self, microseconds: int) -> int:
        return microseconds

    def xCurrentTimeInt64(self) -> int:
        guard = current()
        return JULIAN_1970_MS + (0 if guard is None else guard.wall_ns() // MS_NS)

    def xGetLastError(self) -> tuple[int, str]:
        return 0, ""

    def xFullPathname(self, name: str) -> str:
        return name

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> DiskVfsFile:  # type: ignore[override]  # any object with its methods will do
        flags[1] = flags[0]
        if name is None:
            return DiskVfsFile(_scratch_file(), sync_directory=False)
        disk, path = _found(name.filename() if isinstance(name, apsw.URIFilename) else name)
        if disk is None:
            raise HostDead("a dead host opens a database")
        create = bool(flags[0] & apsw.SQLITE_OPEN_CREATE)
        file = _told(lambda: disk.open(path, create=create), apsw.SQLITE_CANTOPEN)
        # Also if it was there: who made it may have failed before the name was safe.
        return DiskVfsFile(file, sync_directory=create and bool(flags[0] & _DIRECTORY_SYNCED))

    def xDelete(self, name: str, sync_directory: bool) -> None:
        disk, path = _found(name)
        if disk is None:
            return
        if not disk.exists(path):
            raise apsw.exception_for(apsw.SQLITE_IOERR_DELETE_NOENT)
        _told(lambda: disk.unlink(path), apsw.SQLITE_IOERR_DELETE)
        if sync_directory:
            _told(lambda: disk.sync_directory(parent_of(path)), apsw.SQLITE_IOERR_DIR_FSYNC)

    def xAccess(self, name: str, flags: int) -> bool:
        disk, path = _found(name)
        return disk is not None and disk.exists(path) and len(disk.names.file(path).live) > 0


class DiskVfsFile:
    """A file that SQLite has open."""

    __slots__ = ("_file", "_sync_directory")

    def __init__(self, file: OpenFile, *, sync_directory: bool) -> None:
        self._file = file
        self._sync_directory = sync_directory

    def xRead(self, size: int, offset: int) -> bytes:
        if self._file.dead:
            return b""
        try:
            found = more = self._file.read_at(offset, size)
            while more and len(found) < size:
                more = self._file.read_at(offset + len(found), size - len(found))
                found += more
        except OSError as error:
            raise apsw.exception_for(apsw.SQLITE_IOERR_READ) from error
        return found

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._file.dead:
            return
        try:
            taken = self._file.write_at(offset, data)
            while taken < len(data):
                taken += self._file.write_at(offset + taken, data[taken:])
        except OSError as error:
            raise _as_sqlite(error, apsw.SQLITE_IOERR_WRITE) from error

    def xTruncate(self, size: int) -> None:
        if not self._file.dead:
            _told(lambda: self._file.truncate(size), apsw.SQLITE_IOERR_TRUNCATE)

    def xSync(self, flags: int) -> None:
        if self._file.dead:
            return
        _told(self._file.sync, apsw.SQLITE_IOERR_FSYNC)
        if self._sync_directory:
            self._sync_directory = False
            # As the unix VFS does: an error of the directory's sync is not told.
            with contextlib.suppress(OSError):
                self._file.disk.sync_directory(parent_of(self._file.path))

    def xFileSize(self) -> int:
        return 0 if self._file.dead else self._file.size

    def xLock(self, level: int) -> None:
        if not self._file.dead and not self._locks().lock(self, level):
            raise apsw.exception_for(apsw.SQLITE_BUSY)

    def xUnlock(self, level: int) -> None:
        if not self._file.dead:
            self._locks().unlock(self, level)

    def xCheckReservedLock(self) -> bool:
        return not self._file.dead and self._locks().reserved()

    def _locks(self) -> FileLocks:
        node = self._file.node
        if not isinstance(node.locks, FileLocks):
            node.locks = FileLocks()
        return node.locks

    def xFileControl(self, operation: int, pointer: int) -> bool:
        return False

    def xDeviceCharacteristics(self) -> int:
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE

    def xClose(self) -> None:
        self.xUnlock(NONE)

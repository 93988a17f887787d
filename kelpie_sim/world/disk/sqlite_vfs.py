"""SQLite on a simulated disk: a VFS for apsw.

`sqlite_path(disk, path)` names a file on a disk for as long as the disk's present life lasts; open it with
`apsw.Connection(sqlite_path(disk, path), vfs=VFS_NAME)`. What it does stands in sqlite_files.py. apsw offers no shared
memory, so a write-ahead log needs `PRAGMA locking_mode = EXCLUSIVE` before the first access; else SQLite silently keeps
its rollback journal.

SQLite's own generator is seeded by the run each time a disk is named, 'now' is the host's clock, and sleeping takes no
time.

A transaction over attached databases writes their names into its journals, and a name holds a number of the process:
the digests of such runs differ from process to process. Attach none.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from itertools import count
from typing import TypeVar
from weakref import WeakValueDictionary

import apsw

from kelpie_sim.errors import HostDead
from kelpie_sim.world.disk.disk import Disk
from kelpie_sim.world.disk.names import normal
from kelpie_sim.world.disk.sqlite_files import DatabaseFile, DiskLife, Failed, julian_ms, scratch_file

T = TypeVar("T")
VFS_NAME = "kelpie-simulated-disk"


class _Mount(DiskLife):
    """A disk in one of its lives, as the VFS finds it by number. The disk drops it when that life is over."""

    def __init__(self, disk: Disk, number: int) -> None:
        super().__init__(disk)
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


def _found(name: str) -> tuple[DiskLife | None, str]:
    """Return the life of a disk that a name means, if it goes on, and the path."""
    number, _, path = name[1:].partition("/")
    return _mounts.get(int(number)), "/" + path


@cache
def _vfs() -> DiskVfs:
    return DiskVfs()


def _told(act: Callable[[], T]) -> T:
    """Act, and tell a failure as apsw does."""
    try:
        return act()
    except Failed as failed:
        raise apsw.exception_for(failed.code) from failed


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
        return julian_ms()

    def xGetLastError(self) -> tuple[int, str]:
        return 0, ""

    def xFullPathname(self, name: str) -> str:
        return name

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> DiskVfsFile:  # type: ignore[override]  # any object with its methods will do
        flags[1] = flags[0]
        if name is None:
            return DiskVfsFile(scratch_file())
        life, path = _found(name.filename() if isinstance(name, apsw.URIFilename) else name)
        if life is None:
            raise HostDead("a dead host opens a database")
        return DiskVfsFile(_told(lambda: life.open(path, flags[0])))

    def xDelete(self, name: str, sync_directory: bool) -> None:
        life, path = _found(name)
        if life is not None:
            _told(lambda: life.delete(path, sync_directory=sync_directory))

    def xAccess(self, name: str, flags: int) -> bool:
        life, path = _found(name)
        return life is not None and life.holds(path)


class DiskVfsFile:
    """A file that SQLite has open."""

    __slots__ = ("_file",)

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file

    def xRead(self, size: int, offset: int) -> bytes:
        return _told(lambda: self._file.read(size, offset))

    def xWrite(self, data: bytes, offset: int) -> None:
        _told(lambda: self._file.write(data, offset))

    def xTruncate(self, size: int) -> None:
        _told(lambda: self._file.truncate(size))

    def xSync(self, flags: int) -> None:
        _told(self._file.sync)

    def xFileSize(self) -> int:
        return self._file.size

    def xLock(self, level: int) -> None:
        _told(lambda: self._file.lock(level))

    def xUnlock(self, level: int) -> None:
        self._file.unlock(level)

    def xCheckReservedLock(self) -> bool:
        return self._file.reserved()

    def xFileControl(self, operation: int, pointer: int) -> bool:
        return False

    def xDeviceCharacteristics(self) -> int:
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE

    def xClose(self) -> None:
        self._file.close()

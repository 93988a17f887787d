"""SQLite's VFS on simulated disks for the standard library's `sqlite3`, by ctypes; one per disk and life.

A VFS of its own for each life keeps paths what they are: journals name each other by paths that the next life finds
again. SQLite calls by address, of a VFS or of an open file; an address that means nothing any more means a dead disk.
There is shared memory, so a write-ahead log works with several connections.

Laws: C code cannot carry an exception. What is none of SQLite's own failures stays with the life (`raised`), SQLite is
told of an I/O error, and who called SQLite raises it again (sqlite3_connections.py). The functions that C code holds
are never freed: SQLite may close a database while the interpreter ends.
"""

from __future__ import annotations

import ctypes
import os
import random
from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Final
from weakref import WeakValueDictionary

from kelpie_sim.guards.active import current
from kelpie_sim.libraries.threads import Job
from kelpie_sim.seed import Streams
from kelpie_sim.world.disk import sqlite_library as c
from kelpie_sim.world.disk.disk import Disk, Surroundings
from kelpie_sim.world.disk.names import normal
from kelpie_sim.world.disk.sqlite_files import (
    CANTOPEN,
    IOERR,
    IOERR_SHORT_READ,
    NOTFOUND,
    OK,
    POWERSAFE_OVERWRITE,
    DatabaseFile,
    DiskLife,
    Failed,
    julian_ms,
)

PATH_BYTES_MAX: Final = 1024
_LOCK, _EXCLUSIVE = 2, 8
Simulated = Callable[..., int]


class MountedLife(DiskLife):
    """A disk in one of its lives, with the VFS that shows it. Whoever has a connection to it holds on to it."""

    def __init__(self, disk: Disk) -> None:
        """Raise Unsupported where the library cannot be reached."""
        super().__init__(disk)
        self.vfs_name = f"kelpie-{next(_numbers)}"
        self._library = c.library()
        self._vfs = _new_vfs(self._library, self.vfs_name)
        self._library.register(self._vfs)
        _lives[ctypes.addressof(self._vfs)] = self

    def __del__(self) -> None:
        if hasattr(self, "_vfs"):
            self._library.unregister(self._vfs)

    def end(self) -> None:
        """Let nothing more happen to the disk, and SQLite's generator be as it is outside of a run."""
        super().end()
        self._library.forget_seed()

    def seed(self) -> None:
        """Let SQLite's own generator follow the seed of the run from here on."""
        _Generator.random.seed(self.disk.stream("sqlite").bits(64))
        self._library.seed_from(_seeding_vfs())

    def tell(self) -> None:
        """Raise what was raised inside of SQLite, if anything was."""
        error, self.raised = self.raised, None
        if error is not None:
            raise error

    def check(self) -> None:
        """Raise what was raised inside of SQLite, or HostDead if this life is over."""
        self.tell()
        self.fence()


class _Generator:
    """What SQLite's generator is seeded from."""

    random = random.Random(0)


_numbers = count(1)
_lives: WeakValueDictionary[int, DiskLife] = WeakValueDictionary()
_files: dict[int, DatabaseFile] = {}
# Of whom nobody knows any more.
_TOMBSTONE: Final = DiskLife(Disk("tombstone", Surroundings(streams=Streams(0))))
_TOMBSTONE.end()


def mounted(disk: Disk) -> MountedLife:
    """Return the present life of a disk, for `sqlite3`. Raise Unsupported where that is out of reach."""
    found = next((found for found in disk.attachments if isinstance(found, MountedLife) and not found.dead), None)
    if found is None:
        found = MountedLife(disk)
        disk.attachments.append(found)
        guard = current()
        if guard is not None:
            guard.at_end.append(found.end)
    return found


# --- from C to Python


def _failed(life: DiskLife, error: BaseException) -> int:
    """Return what SQLite is told. Of what it cannot be told, the first is kept: it is the cause of the others."""
    if isinstance(error, Failed):
        return error.code
    if life.raised is None and life is not _TOMBSTONE:
        life.raised = error
    return IOERR


def _on_path(kind: Callable[[Simulated], object]) -> Callable[[Simulated], object]:
    """Return what makes a C function of one that gets the life in place of the VFS's address."""

    def made(function: Simulated) -> object:
        def call(address: int, *args: object) -> int:
            life = _lives.get(address, _TOMBSTONE)
            try:
                return function(life, *args)
            except BaseException as error:  # Kept, and raised again.
                return _failed(life, error)

        return _kept(kind(call))

    return made


def _on_file(kind: Callable[[Simulated], object]) -> Callable[[Simulated], object]:
    """Return what makes a C function of one that gets the open file in place of its address."""

    def made(function: Simulated) -> object:
        def call(address: int, *args: object) -> int:
            file = _files[address]
            try:
                return function(file, *args)
            except BaseException as error:  # Kept, and raised again.
                return _failed(file.life, error)

        return _kept(kind(call))

    return made


def _kept(function: object) -> object:
    """Never free it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(function))
    return function


def _put(address: int, value: int) -> int:
    ctypes.c_int.from_address(address).value = value
    return OK


def _put_wide(address: int, value: int) -> int:
    ctypes.c_int64.from_address(address).value = value
    return OK


# --- open files


def _drop(address: int) -> int:
    _files.pop(address).close()
    return OK


@_on_file(c.Move)
def _read(file: DatabaseFile, buffer: int, size: int, offset: int) -> int:
    found = file.read(size, offset)
    ctypes.memmove(buffer, found, len(found))
    if len(found) == size:
        return OK
    ctypes.memset(buffer + len(found), 0, size - len(found))
    return IOERR_SHORT_READ


@_on_file(c.Move)
def _write(file: DatabaseFile, buffer: int, size: int, offset: int) -> int:
    file.write(ctypes.string_at(buffer, size), offset)
    return OK


@_on_file(c.Truncate)
def _truncate(file: DatabaseFile, size: int) -> int:
    file.truncate(size)
    return OK


@_on_file(c.OnFileInt)
def _sync(file: DatabaseFile, flags: int) -> int:
    file.sync()
    return OK


@_on_file(c.OnFilePointer)
def _file_size(file: DatabaseFile, size: int) -> int:
    return _put_wide(size, file.size)


@_on_file(c.OnFileInt)
def _lock(file: DatabaseFile, level: int) -> int:
    file.lock(level)
    return OK


@_on_file(c.OnFileInt)
def _unlock(file: DatabaseFile, level: int) -> int:
    file.unlock(level)
    return OK


@_on_file(c.OnFilePointer)
def _check_reserved(file: DatabaseFile, answer: int) -> int:
    return _put(answer, file.reserved())


@_on_file(c.OnFileIntPointer)
def _control(file: DatabaseFile, operation: int, argument: int) -> int:
    return NOTFOUND


@_on_file(c.OnFile)
def _characteristics(file: DatabaseFile) -> int:
    return POWERSAFE_OVERWRITE


@_on_file(c.ShmMap)
def _map_index(file: DatabaseFile, number: int, size: int, extend: int, answer: int) -> int:
    region = file.index_region(number, size, extend=bool(extend))
    return _put_wide(answer, 0 if region is None else ctypes.addressof(region))


@_on_file(c.ShmLock)
def _lock_index(file: DatabaseFile, first: int, slots: int, flags: int) -> int:
    if flags & _LOCK:
        file.lock_index(first, slots, exclusive=bool(flags & _EXCLUSIVE))
    else:
        file.unlock_index(first, slots)
    return OK


@_on_file(c.Barrier)
def _barrier(file: DatabaseFile) -> int:
    return OK


@_on_file(c.OnFileInt)
def _unmap_index(file: DatabaseFile, delete: int) -> int:
    file.leave_index()
    return OK


@cache
def _methods() -> c.IoMethods:
    return c.IoMethods(
        iVersion=2,
        xClose=_kept(c.OnFile(_drop)),
        xRead=_read,
        xWrite=_write,
        xTruncate=_truncate,
        xSync=_sync,
        xFileSize=_file_size,
        xLock=_lock,
        xUnlock=_unlock,
        xCheckReservedLock=_check_reserved,
        xFileControl=_control,
        xDeviceCharacteristics=_characteristics,
        xShmMap=_map_index,
        xShmLock=_lock_index,
        xShmBarrier=_barrier,
        xShmUnmap=_unmap_index,
    )


# --- paths


@_on_path(c.Open)
def _open(life: DiskLife, path: bytes | None, file: int, flags: int, flags_out: int | None) -> int:
    opened = c.SimFile.from_address(file)
    # No methods, no file: it will not be closed.
    opened.pMethods = None
    _files[file] = life.open(None if path is None else os.fsdecode(path), flags)
    opened.pMethods = ctypes.addressof(_methods())
    return OK if flags_out is None else _put(flags_out, flags)


@_on_path(c.OnPath)
def _delete(life: DiskLife, path: bytes, sync_directory: int) -> int:
    life.delete(os.fsdecode(path), sync_directory=bool(sync_directory))
    return OK


@_on_path(c.Access)
def _access(life: DiskLife, path: bytes, flags: int, answer: int) -> int:
    return _put(answer, life.holds(os.fsdecode(path)))


@_on_path(c.FullPath)
def _full_path(life: DiskLife, path: bytes, room: int, answer: int) -> int:
    found = os.fsencode(normal(os.fsdecode(path))) + b"\0"
    if len(found) > room:
        return CANTOPEN
    ctypes.memmove(answer, found, len(found))
    return OK


@_on_path(c.OnFileIntPointer)
def _randomness(life: DiskLife, size: int, answer: int) -> int:
    ctypes.memmove(answer, _Generator.random.randbytes(size), size)
    return size


@_on_path(c.OnFileInt)
def _sleep(life: DiskLife, microseconds: int) -> int:
    # In a step nobody else could release what SQLite waits for: there, waiting takes no time.
    job = Job.current
    if job is not None and job.waits and not life.dead:
        job.sleep_us(microseconds)
    return microseconds


@_on_path(c.OnFileIntPointer)
def _last_error(life: DiskLife, size: int, text: int) -> int:
    return 0


@_on_path(c.OnFilePointer)
def _now(life: DiskLife, answer: int) -> int:
    return _put_wide(answer, julian_ms())


def _new_vfs(library: c.Library, name: str) -> c.Vfs:
    vfs = library.copy_of_default()
    vfs.szOsFile, vfs.mxPathname, vfs.zName = ctypes.sizeof(c.SimFile), PATH_BYTES_MAX, name.encode()
    vfs.xOpen, vfs.xDelete, vfs.xAccess, vfs.xFullPathname = _open, _delete, _access, _full_path
    vfs.xRandomness, vfs.xSleep, vfs.xGetLastError, vfs.xCurrentTimeInt64 = _randomness, _sleep, _last_error, _now
    return vfs


@cache
def _seeding_vfs() -> c.Vfs:
    """Return the default VFS with our randomness: to be the default for a moment, whoever else opens a database."""
    vfs = c.library().copy_of_default()
    vfs.zName, vfs.xRandomness = b"kelpie-seeding", _randomness
    return vfs

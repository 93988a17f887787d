"""The SQLite library behind the standard library's `sqlite3`, as ctypes sees it: its structures, and where it is.

Only the very library that the extension module `_sqlite3` is linked with will do. The dynamic linker finds it by way of
that module. A Python whose SQLite is linked statically, or hidden, has none that could be reached.
"""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, c_char_p, c_int, c_int64, c_void_p
from functools import cache

from kelpie_sim.errors import Unsupported

# Pointers are numbers to the functions that get them. What SQLite calls may come without the interpreter's lock.
OnPath = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
OnFile = CFUNCTYPE(c_int, c_void_p)
OnFileInt = CFUNCTYPE(c_int, c_void_p, c_int)
OnFilePointer = CFUNCTYPE(c_int, c_void_p, c_void_p)
OnFileIntPointer = CFUNCTYPE(c_int, c_void_p, c_int, c_void_p)
Move = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
Open = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p, c_int, c_void_p)
Access = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, c_void_p)
FullPath = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, c_void_p)
ShmMap = CFUNCTYPE(c_int, c_void_p, c_int, c_int, c_int, c_void_p)
ShmLock = CFUNCTYPE(c_int, c_void_p, c_int, c_int, c_int)
Barrier = CFUNCTYPE(None, c_void_p)


class IoMethods(ctypes.Structure):
    """sqlite3_io_methods, version 2: with shared memory, without memory maps."""

    _fields_ = (
        ("iVersion", c_int),
        ("xClose", OnFile),
        ("xRead", Move),
        ("xWrite", Move),
        ("xTruncate", Truncate),
        ("xSync", OnFileInt),
        ("xFileSize", OnFilePointer),
        ("xLock", OnFileInt),
        ("xUnlock", OnFileInt),
        ("xCheckReservedLock", OnFilePointer),
        ("xFileControl", OnFileIntPointer),
        ("xSectorSize", OnFile),
        ("xDeviceCharacteristics", OnFile),
        ("xShmMap", ShmMap),
        ("xShmLock", ShmLock),
        ("xShmBarrier", Barrier),
        ("xShmUnmap", OnFileInt),
    )


class Vfs(ctypes.Structure):
    """sqlite3_vfs, version 2. What stays untyped is copied from the default one."""

    _fields_ = (
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        ("xOpen", Open),
        ("xDelete", OnPath),
        ("xAccess", Access),
        ("xFullPathname", FullPath),
        ("xDlOpen", c_void_p),
        ("xDlError", c_void_p),
        ("xDlSym", c_void_p),
        ("xDlClose", c_void_p),
        ("xRandomness", OnFileIntPointer),
        ("xSleep", OnFileInt),
        ("xCurrentTime", c_void_p),
        ("xGetLastError", OnFileIntPointer),
        ("xCurrentTimeInt64", OnFilePointer),
    )


class SimFile(ctypes.Structure):
    """What SQLite keeps of an open file: the rest is found by its address."""

    _fields_ = (("pMethods", c_void_p),)


class Library:
    """The functions of SQLite that register a VFS."""

    def __init__(self, symbols: ctypes.PyDLL) -> None:
        """Raise AttributeError if these are not all there."""
        self._register = symbols.sqlite3_vfs_register
        self._register.argtypes = (c_void_p, c_int)
        self._unregister = symbols.sqlite3_vfs_unregister
        self._unregister.argtypes = (c_void_p,)
        self._find = symbols.sqlite3_vfs_find
        self._find.argtypes, self._find.restype = (c_char_p,), c_void_p
        self._randomness = symbols.sqlite3_randomness
        self._randomness.argtypes, self._randomness.restype = (c_int, c_void_p), None
        self.default = int(self._find(None))
        """The address of the default VFS."""

    def copy_of_default(self) -> Vfs:
        """Return a VFS that does what the default one does."""
        found = Vfs()
        ctypes.memmove(ctypes.addressof(found), self.default, ctypes.sizeof(Vfs))
        found.iVersion, found.pNext = 2, None
        return found

    def register(self, vfs: Vfs) -> None:
        """Let a VFS be found by its name. It must stay in memory."""
        self._register(ctypes.addressof(vfs), 0)

    def unregister(self, vfs: Vfs) -> None:
        """Let a VFS not be found any more. Whoever uses it goes on to do so."""
        self._unregister(ctypes.addressof(vfs))

    def knows(self, name: bytes) -> bool:
        """Return whether there is a VFS of this name."""
        return self._find(name) is not None

    def seed_from(self, vfs: Vfs) -> None:
        """Let SQLite's generator start over with the randomness of a VFS, which is the default one meanwhile."""
        self._register(ctypes.addressof(vfs), 1)
        self._randomness(0, None)
        self._randomness(1, ctypes.create_string_buffer(1))
        self._register(self.default, 1)
        self._unregister(ctypes.addressof(vfs))

    def forget_seed(self) -> None:
        """Let SQLite's generator start over, with true randomness, when it is next asked."""
        self._randomness(0, None)


@cache
def library() -> Library:
    """Return the library that `sqlite3` uses. Raise Unsupported if it cannot be reached."""
    reason = "this Python's SQLite cannot be reached by ctypes; use :memory:, or apsw on a simulated disk"
    try:
        import _sqlite3

        # With its lock held: no other thread runs while a VFS is registered.
        found = Library(ctypes.PyDLL(_sqlite3.__file__))
    except (ImportError, AttributeError, OSError, TypeError) as error:
        raise Unsupported("sqlite3.connect", f"{reason} ({error})") from error
    return found

"""The SQLite library behind `sqlite3`, by ctypes."""

import ctypes
import sqlite3
import sys
import types

import pytest

from kelpie_sim.errors import Unsupported
from kelpie_sim.world.disk.sqlite_library import Library, SimFile, Vfs, library


def named(name):
    """Return a VFS that does what the default one does, under another name."""
    vfs = library().copy_of_default()
    vfs.zName = name
    return vfs


def connected(name):
    """Return what a database in memory says when it is opened by a VFS."""
    connection = sqlite3.connect(f"file::memory:?vfs={name}", uri=True)
    (found,) = connection.execute("SELECT 1").fetchone()
    connection.close()
    return found


def test_registered_vfs_is_the_interpreters():
    """What is registered is found by the very library that `sqlite3` uses, until it is taken back."""
    vfs = named(b"kelpie-test")
    library().register(vfs)
    assert (1, True) == (connected("kelpie-test"), library().knows(b"kelpie-test"))
    library().unregister(vfs)
    with pytest.raises(sqlite3.OperationalError, match="no such vfs"):
        connected("kelpie-test")


def test_copy_differs_in_its_place_only():
    """A copy of the default VFS is one of the second version, in nobody's list."""
    vfs, default = library().copy_of_default(), Vfs.from_address(library().default)
    assert (2, None) == (vfs.iVersion, vfs.pNext)
    assert (default.szOsFile, default.mxPathname) == (vfs.szOsFile, vfs.mxPathname)


def test_default_is_the_same_after_seeding():
    """Whose randomness SQLite takes is the default VFS for that moment only."""
    vfs = named(b"kelpie-test")
    library().seed_from(vfs)
    assert (library().default, False) == (Library(ctypes.PyDLL(_extension())).default, library().knows(b"kelpie-test"))
    library().forget_seed()


def _extension():
    return sys.modules["_sqlite3"].__file__


def test_open_file_is_one_pointer():
    """SQLite reserves no more for an open file than the address of its methods."""
    assert ctypes.sizeof(ctypes.c_void_p) == ctypes.sizeof(SimFile)


@pytest.mark.parametrize("file", [{}, {"__file__": None}, {"__file__": "/no/such.so"}, {"__file__": ctypes.__file__}])
def test_library_out_of_reach_is_refused_by_name(monkeypatch, file):
    """Where SQLite is part of the interpreter, or its symbols are hidden, the refusal says so."""
    module = types.ModuleType("_sqlite3")
    vars(module).update(file)
    monkeypatch.setitem(sys.modules, "_sqlite3", module)
    library.cache_clear()
    with pytest.raises(Unsupported, match=r"sqlite3\.connect .* cannot be reached by ctypes; use :memory:"):
        library()
    monkeypatch.undo()
    assert library().knows(b"unix")


def test_library_without_the_symbols_is_none():
    """A library that is not SQLite is found out before anything is called."""
    import _ctypes

    with pytest.raises(AttributeError, match="sqlite3_vfs_register"):
        Library(ctypes.PyDLL(_ctypes.__file__))

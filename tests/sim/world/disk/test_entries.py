"""What os.stat and os.scandir return for a simulated disk."""

import os
import stat
from typing import Any

from kelpie_sim.world.disk.entries import SimScan, stat_result
from tests.sim.world.disk.benches import Bench


def filled():
    """Return a disk with a directory that holds a file and a directory."""
    disk = (bench := Bench()).disk
    disk.make_directory("/a")
    bench.written("/a/x", b"abc")
    disk.make_directory("/a/y")
    return disk


def test_stat_tells_kind_size_and_time():
    """A file and a directory are told apart; sizes and times are whole."""
    disk = filled()
    file, folder = stat_result(disk.stat("/a/x")), stat_result(disk.stat("/a"))
    assert (True, True, 3, 1) == (
        stat.S_ISREG(file.st_mode),
        stat.S_ISDIR(folder.st_mode),
        file.st_size,
        file.st_blocks,
    )
    assert (5, 5e-9, 0) == (file.st_mtime_ns, file.st_mtime, file[stat.ST_MTIME])


def path_of(entry: Any) -> str:
    """Return what the system takes an entry for."""
    path: str = os.fspath(entry)
    return path


def test_entries_know_themselves():
    """An entry knows its path, kind, size and number; there are no links."""
    disk = filled()
    with SimScan("/a", disk, "/a") as entries:
        found = [
            (
                repr(e),
                path_of(e),
                e.is_file(),
                e.is_dir(),
                e.is_symlink(),
                e.is_junction(),
                e.stat().st_size,
            )
            for e in entries
        ]
    assert [
        ("<DirEntry 'x'>", "/a/x", True, False, False, False, 3),
        ("<DirEntry 'y'>", "/a/y", False, True, False, False, 0),
    ] == found
    assert disk.stat("/a/x").inode == next(SimScan("/a", disk, "/a")).inode()


def test_entries_are_named_as_the_folder_was():
    """A folder given as bytes yields bytes; one given as a descriptor yields bare names."""
    disk = filled()
    found = [next(SimScan(folder, disk, "/a")).path for folder in (b"/a", 7, "sub/..")]
    assert [b"/a/x", "x", "sub/../x"] == found


def test_closed_scan_is_empty():
    """A scan that is closed yields nothing more, and an entry that is gone is neither file nor directory."""
    disk = filled()
    scan = SimScan("/a", disk, "/a")
    entry = next(scan)
    scan.close()
    disk.unlink("/a/x")
    assert ([], False, False) == (list(scan), entry.is_file(), entry.is_dir())

"""File descriptors over simulated disks."""

import errno
import os

import pytest

from kelpie_sim.world.disk.descriptors import FIRST, Descriptors
from tests.sim.world.disk.benches import Bench

NEW_FILE = os.O_RDWR | os.O_CREAT


def number_of(act, *arguments):
    """Return the error number that a call raises."""
    with pytest.raises(OSError, match="Errno") as caught:
        act(*arguments)
    return caught.value.errno


def test_numbers_are_far_from_real_ones():
    """Numbers start far above the real ones, and none is used twice."""
    disk, table = Bench().disk, Descriptors()
    first = table.open(disk, "/a", NEW_FILE)
    table.close(first)
    assert (FIRST, FIRST + 1) == (first, table.open(disk, "/a", NEW_FILE))


def test_position_moves():
    """Reads and writes go on where the last one ended, and a seek goes anywhere but below the start."""
    disk, table = Bench().disk, Descriptors()
    number = table.open(disk, "/a", NEW_FILE)
    table.write(number, b"abc")
    table.write(number, b"def")
    places = [table.seek(number, 1, os.SEEK_SET), table.seek(number, 1, os.SEEK_CUR)]
    found = table.read(number, 2)
    places += [table.seek(number, -1, os.SEEK_END)]
    assert ([1, 2, 5], b"cd", b"f") == (places, found, table.read(number, 9))
    assert [errno.EINVAL] * 2 == [number_of(table.seek, number, -9, os.SEEK_CUR), number_of(table.seek, number, 0, 9)]


def test_appending_writes_at_the_end():
    """A file that is appended to grows at its end wherever the position is."""
    disk, table = Bench().disk, Descriptors()
    number = table.open(disk, "/a", NEW_FILE | os.O_APPEND)
    table.write(number, b"abc")
    table.seek(number, 0, os.SEEK_SET)
    table.write(number, b"d")
    assert b"abcd" == disk.open("/a").read_at(0, 9)


def test_access_is_kept_to():
    """A descriptor does what it was opened for; a directory is neither read nor written; closed is closed."""
    disk, table = Bench().disk, Descriptors()
    write_only = table.open(disk, "/a", os.O_WRONLY | os.O_CREAT)
    read_only = table.open(disk, "/a", os.O_RDONLY)
    directory = table.open(disk, "/", os.O_RDONLY | os.O_DIRECTORY)
    table.close(closed := table.open(disk, "/a", os.O_RDONLY))
    found = [
        number_of(table.read, write_only, 1),
        number_of(table.write, read_only, b"x"),
        number_of(table.truncate, read_only, 1),
        number_of(table.truncate, write_only, -1),
        number_of(table.read, directory, 1),
        number_of(table.write, directory, b"x"),
        number_of(table.read, closed, 1),
        number_of(table.close, closed),
        number_of(table.open, disk, "/a", os.O_RDONLY | os.O_DIRECTORY),
        number_of(table.open, disk, "/", os.O_RDWR),
    ]
    expected = ["EBADF", "EBADF", "EBADF", "EINVAL", "EISDIR", "EBADF", "EBADF", "EBADF", "ENOTDIR", "EISDIR"]
    assert expected == [errno.errorcode[number] for number in found]


def test_flags_of_opening():
    """A new file may be wanted new, and an old one empty."""
    disk, table = Bench().disk, Descriptors()
    table.write(table.open(disk, "/a", NEW_FILE | os.O_EXCL), b"abc")
    again = number_of(table.open, disk, "/a", NEW_FILE | os.O_EXCL)
    emptied = table.stat(table.open(disk, "/a", os.O_RDWR | os.O_TRUNC)).size
    assert (errno.EEXIST, 0) == (again, emptied)


def test_stat_of_what_has_lost_its_name():
    """An open file is known by its descriptor though its name is gone, and a directory by its path."""
    disk, table = Bench().disk, Descriptors()
    number = table.open(disk, "/a", NEW_FILE)
    table.write(number, b"abc")
    disk.unlink("/a")
    directory = table.open(disk, "/", os.O_RDONLY)
    assert (3, False, True) == (
        table.stat(number).size, table.stat(number).is_directory, table.stat(directory).is_directory,
    )  # fmt: skip


def test_sync_of_files_and_directories():
    """Both can be synced by number, and each makes safe what it should."""
    disk, table = (bench := Bench()).disk, Descriptors()
    table.sync(table.open(disk, "/a", NEW_FILE))
    table.sync(table.open(disk, "/", os.O_RDONLY))
    kinds = [entry.kind for entry in bench.trace.entries()]
    assert ["disk create", "disk sync", "disk sync_directory"] == kinds


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files without a name are Linux's")
def test_file_without_a_name():
    """A temporary file without a name is in no directory."""
    disk, table = Bench().disk, Descriptors()
    number = table.open(disk, "/tmp", os.O_RDWR | os.O_TMPFILE)
    table.write(number, b"abc")
    assert (3, ()) == (table.stat(number).size, disk.list("/tmp"))

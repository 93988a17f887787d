"""Names: what readers see, what is safe, and the journal between."""

import errno

import pytest

from kelpie_sim.world.disk.changes import DirectoryNode, FileNode
from kelpie_sim.world.disk.names import JOURNAL_MAX, Names, disk_error, normal


def named(*paths):
    """Return names with a directory or, where the path has a dot, a file for each path."""
    names = Names((1, 2), 0)
    for serial, path in enumerate(paths):
        names.change(serial, path, FileNode(serial, 512, 0) if "." in path else DirectoryNode(serial, 0))
    return names


def number_of(act, *arguments):
    """Return the error number that a call raises."""
    with pytest.raises(OSError, match="Errno") as caught:
        act(*arguments)
    return caught.value.errno


def test_normal_paths():
    """A path has one spelling, relative or not."""
    assert ["/", "/a/b", "/a", "/b", "/x"] == [normal(path) for path in ("", "a/./b", "//a/", "/a/../b", "///x")]


def test_error_has_the_class_that_python_gives_it():
    """An error number makes the class, and the path is told."""
    error = disk_error(errno.ENOENT, "/x")
    assert (FileNotFoundError, "/x") == (type(error), error.filename)


def test_entries_are_sorted_and_of_one_directory():
    """A directory lists its own entries, in order of their names."""
    names = named("/b", "/a", "/a/z.txt", "/a/b", "/a/b/c.txt")
    assert (("a", "b", "tmp"), ("b", "z.txt"), ()) == (names.entries("/"), names.entries("/a"), names.entries("/tmp"))


def test_missing_paths():
    """What is not there, or is below a file, raises the error of the real thing."""
    names = named("/f.txt", "/d")
    found = [
        number_of(names.get, "/x"),
        number_of(names.get, "/x/y"),
        number_of(names.get, "/f.txt/y"),
        number_of(names.file, "/d"),
        number_of(names.directory, "/f.txt"),
    ]
    assert [errno.ENOENT, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENOTDIR] == found


def test_moves_that_cannot_be():
    """A rename is refused as rename(2) refuses it."""
    names = named("/f.txt", "/d", "/d/g.txt", "/e")
    found = [
        number_of(names.check_move, "/x", "/y"),
        number_of(names.check_move, "/f.txt", "/x/y"),
        number_of(names.check_move, "/d", "/d/e"),
        number_of(names.check_move, "/d", "/f.txt"),
        number_of(names.check_move, "/e", "/d"),
        number_of(names.check_move, "/f.txt", "/d"),
    ]
    expected = [errno.ENOENT, errno.ENOENT, errno.EINVAL, errno.ENOTDIR, errno.ENOTEMPTY, errno.EISDIR]
    assert expected == found


def test_settle_drops_what_is_not_committed():
    """Committed names stay after a crash, the others are gone."""
    names = named("/a.txt")
    names.commit()
    names.change(9, "/b.txt", FileNode(9, 512, 0))
    names.change(10, "/a.txt", None)
    names.settle()
    assert ("a.txt", "tmp") == names.entries("/")


def test_commit_of_a_directory_takes_what_came_before():
    """Syncing a directory makes the journal durable up to its last change there, and no further."""
    names = named("/a", "/a/x.txt", "/b.txt", "/a/y.txt", "/c.txt")
    names.commit_directory("/a")
    names.settle()
    assert (("a", "b.txt", "tmp"), ("x.txt", "y.txt")) == (names.entries("/"), names.entries("/a"))


def test_long_journal_is_written_back():
    """A journal that grows long is committed by half, oldest first."""
    names = named(*(f"/{number}.txt" for number in range(JOURNAL_MAX + 1)))
    assert JOURNAL_MAX // 2 + 1 == len(names.journal)

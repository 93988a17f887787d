"""Changes that may still be lost."""

from typing import Any

from kelpie_sim.world.disk.changes import (
    DirectoryNode,
    FileNode,
    LostWrite,
    NameChange,
    Truncate,
    Write,
    below,
    parent_of,
)
from tests.sim.world.disk.benches import NEW, OLD


def node(content=b""):
    """Return a file with durable content."""
    found = FileNode(1, 512, 0)
    found.durable.write(0, content)
    found.live.write(0, content)
    return found


def test_parts_are_the_bytes_of_each_sector():
    """A write that starts and ends inside sectors has a part for each that it touches."""
    parts = list(Write(node(), 510, b"a" * 2 + b"b" * 512 + b"c").parts())
    assert [(510, b"aa"), (512, b"b" * 512), (1024, b"c")] == [(part.offset, part.data) for part in parts]


def test_changes_apply_to_what_is_durable():
    """A write, a truncate and a lost write change the durable image, and not the live one."""
    file = node(OLD)
    for change in (Write(file, 0, b"xyz"), Truncate(file, 512 * 2), LostWrite(file, 512, NEW)):
        change.apply()
    assert (b"xyz" + OLD[3:] + bytes(512), OLD) == (file.durable.read(0, 2000), file.live.read(0, 2000))


def test_misdirected_write_is_a_lost_one_with_a_place():
    """The bytes arrive at the wrong offset."""
    file = node(OLD * 2)
    LostWrite(file, 0, NEW, 512).apply()
    assert OLD + NEW == file.durable.read(0, 1024)


def test_write_back_takes_the_oldest():
    """So many changes become durable, oldest first, and are pending no more."""
    file = node(OLD)
    file.pending = [(1, Write(file, 0, b"a")), (2, Write(file, 0, b"b"))]
    file.write_back(1)
    assert (b"a", [2]) == (file.durable.read(0, 1), [serial for serial, _ in file.pending])


def test_settle_shows_what_is_durable():
    """After a crash readers see the durable image, and there are no locks."""
    file = node(OLD)
    file.live.write(0, NEW)
    file.pending = [(1, Write(file, 0, NEW))]
    file.locks, file.holed = object(), True
    file.settle()
    assert (OLD, [], None, False) == (file.live.read(0, 600), file.pending, file.locks, file.holed)


def test_name_changes():
    """A path gets a node, moves with all below it, and goes."""
    paths: dict[str, Any] = {}
    folder, file = DirectoryNode(1, 0), node()
    NameChange(paths, "/a", folder).apply()
    NameChange(paths, "/a/b", file).apply()
    NameChange(paths, "/ab", file).apply()
    NameChange(paths, "/a", None, "/c").apply()
    NameChange(paths, "/ab", None).apply()
    assert {"/c": folder, "/c/b": file} == paths


def test_name_change_touches_both_directories():
    """A move changes the entries of where it comes from and where it goes to, and of no other."""
    move = NameChange({}, "/a/x", None, "/b/y")
    gone = NameChange({}, "/x", None)
    found = [move.touches(path) for path in ("/a", "/b", "/")] + [gone.touches(path) for path in ("/", "/x")]
    assert [True, True, False, True, False] == found


def test_parents():
    """The parent of what is in the root is the root; paths inside of it start with one slash."""
    assert ("/", "/a", "/", "/a/") == (parent_of("/a"), parent_of("/a/b"), below("/"), below("/a"))

"""What has been done to a disk and may still be undone by a crash: changes of content and of names.

Each change can be applied to the durable side of what it is about, whole or, if it is a write, sector by sector.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from kelpie_sim.world.disk.image import Image

ROOT = "/"


class FileNode:
    """A file whatever its names: what readers see, what is safe, and the changes between the two, oldest first."""

    __slots__ = ("changed_ns", "durable", "holed", "inode", "live", "locks", "pending")

    def __init__(self, inode: int, sector_bytes: int, changed_ns: int) -> None:
        self.inode = inode
        self.live = Image(sector_bytes)
        self.durable = Image(sector_bytes)
        self.pending: list[Numbered] = []
        self.changed_ns = changed_ns
        self.holed = False
        """Whether a failed sync made changes count as clean that are not durable."""
        self.locks: object = None
        """Of whoever locks files here; a crash takes them."""

    def write_back(self, count: int) -> None:
        """Make the oldest changes durable."""
        for _, change in self.pending[:count]:
            change.apply()
        del self.pending[:count]

    def settle(self) -> None:
        """Show what is durable, and nothing else, after a crash."""
        self.pending.clear()
        self.holed = False
        self.live = self.durable.copy()
        self.locks = None


class DirectoryNode:
    """A directory; what is in it is told by the paths."""

    __slots__ = ("changed_ns", "inode")

    def __init__(self, inode: int, changed_ns: int) -> None:
        self.inode = inode
        self.changed_ns = changed_ns


Node: TypeAlias = FileNode | DirectoryNode
Paths: TypeAlias = dict[str, Node]


class Write(NamedTuple):
    """Bytes at an offset."""

    node: FileNode
    offset: int
    data: bytes

    def apply(self) -> None:
        """Write the durable image."""
        self.node.durable.write(self.offset, self.data)

    def parts(self) -> Iterator[Write]:
        """Yield what a crash can keep or lose by itself: the bytes of each sector."""
        size = self.node.durable.sector_bytes
        start, end = self.offset, self.offset + len(self.data)
        while start < end:
            stop = min(end, (start // size + 1) * size)
            yield Write(self.node, start, self.data[start - self.offset : stop - self.offset])
            start = stop


class LostWrite(NamedTuple):
    """Bytes that the medium never gets, or gets in the wrong place if there is one."""

    node: FileNode
    offset: int
    data: bytes
    wrong_offset: int = -1

    def apply(self) -> None:
        """Write the durable image's pristine bytes, and hurt its medium."""
        self.act_on(self.node.durable)

    def act_on(self, image: Image) -> None:
        """Do it to an image."""
        if self.wrong_offset < 0:
            image.write_lost(self.offset, self.data)
        else:
            image.write_misdirected(self.offset, self.data, self.wrong_offset)


class Truncate(NamedTuple):
    """A new size."""

    node: FileNode
    size: int

    def apply(self) -> None:
        """Cut or lengthen the durable image."""
        self.node.durable.truncate(self.size)


class NameChange(NamedTuple):
    """A path that gets a node, loses it (no node), or moves with all below it to another path (`target`)."""

    paths: Paths
    path: str
    node: Node | None
    target: str = ""

    def apply(self) -> None:
        """Change the durable names."""
        self.act_on(self.paths)

    def act_on(self, paths: Paths) -> None:
        """Change these names."""
        if self.target:
            _move(paths, self.path, self.target)
        elif self.node is None:
            paths.pop(self.path, None)
        else:
            paths[self.path] = self.node

    def touches(self, directory: str) -> bool:
        """Return whether an entry of a directory is changed."""
        return directory in (parent_of(self.path), parent_of(self.target) if self.target else directory + ROOT)


Change: TypeAlias = Write | LostWrite | Truncate | NameChange
Numbered: TypeAlias = tuple[int, Change]


def parent_of(path: str) -> str:
    """Return the directory that holds a path."""
    return path.rpartition("/")[0] or ROOT


def below(path: str) -> str:
    """Return how paths inside of a directory start."""
    return path if path == ROOT else path + "/"


def _move(paths: Paths, path: str, target: str) -> None:
    paths.pop(target, None)
    start = below(path)
    moved = [name for name in paths if name == path or name.startswith(start)]
    for name in moved:
        paths[target + name[len(path) :]] = paths.pop(name)

"""The names on a disk: those that readers see, those that are safe, and the journal of changes between the two.

The journal is kept in order: what is durable is always the outcome of the oldest changes, never of a later one alone.
"""

from __future__ import annotations

import errno
import os
import posixpath

from kelpie_sim.world.disk.changes import (
    ROOT,
    DirectoryNode,
    FileNode,
    NameChange,
    Node,
    Numbered,
    Paths,
    below,
    parent_of,
)

TEMPORARY = "/tmp"
JOURNAL_MAX = 10_000


def disk_error(number: int, path: str) -> OSError:
    """Return the OSError for an error number, of the class that Python gives it."""
    return OSError(number, os.strerror(number), path)


def normal(path: str) -> str:
    """Return the one spelling of a path; relative ones start at the root."""
    found = posixpath.normpath(posixpath.join(ROOT, path))
    return found[1:] if found.startswith("//") else found


class Names:
    """All names of a disk, by path."""

    __slots__ = ("_durable", "_live", "journal")

    def __init__(self, inodes: tuple[int, int], changed_ns: int) -> None:
        """Hold the root and a directory for temporary files, both safe."""
        self._live: Paths = {
            ROOT: DirectoryNode(inodes[0], changed_ns),
            TEMPORARY: DirectoryNode(inodes[1], changed_ns),
        }
        self._durable = dict(self._live)
        self.journal: list[Numbered] = []

    def find(self, path: str) -> Node | None:
        """Return what has this path, if anything."""
        return self._live.get(path)

    def get(self, path: str) -> Node:
        """Return what has this path; raise FileNotFoundError or NotADirectoryError."""
        node = self._live.get(path)
        if node is None:
            self.parent(path)
            raise disk_error(errno.ENOENT, path)
        return node

    def file(self, path: str) -> FileNode:
        """Return the file with this path; raise as `get`, or IsADirectoryError."""
        node = self.get(path)
        if isinstance(node, DirectoryNode):
            raise disk_error(errno.EISDIR, path)
        return node

    def directory(self, path: str) -> DirectoryNode:
        """Return the directory with this path; raise as `get`, or NotADirectoryError."""
        node = self.get(path)
        if isinstance(node, FileNode):
            raise disk_error(errno.ENOTDIR, path)
        return node

    def parent(self, path: str) -> None:
        """Raise FileNotFoundError or NotADirectoryError unless the directory of a path is there."""
        if path == ROOT:
            return
        above = self._live.get(parent_of(path))
        if above is None:
            self.parent(parent_of(path))
            raise disk_error(errno.ENOENT, path)
        if isinstance(above, FileNode):
            raise disk_error(errno.ENOTDIR, path)

    def entries(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, sorted; raise as `directory`."""
        self.directory(path)
        start = below(path)
        return tuple(sorted(name[len(start) :] for name in self._live if self._is_in(name, start)))

    @staticmethod
    def _is_in(name: str, start: str) -> bool:
        return len(name) > len(start) and name.startswith(start) and "/" not in name[len(start) :]

    def files(self) -> list[tuple[str, FileNode]]:
        """Return the files with their paths."""
        return [(path, node) for path, node in self._live.items() if isinstance(node, FileNode)]

    def change(self, serial: int, path: str, node: Node | None, target: str = "") -> None:
        """Give a path to a node, take it away (no node), or move it to `target`."""
        change = NameChange(self._durable, path, node, target)
        change.act_on(self._live)
        self.journal.append((serial, change))
        if len(self.journal) > JOURNAL_MAX:
            self.commit(JOURNAL_MAX // 2)

    def check_move(self, path: str, target: str) -> None:
        """Raise the OSError that a rename deserves, if any."""
        node = self.get(path)
        self.parent(target)
        there = self._live.get(target)
        if isinstance(node, DirectoryNode):
            if target.startswith(below(path)) or path == ROOT:
                raise disk_error(errno.EINVAL, path)
            if isinstance(there, FileNode):
                raise disk_error(errno.ENOTDIR, target)
            if there is not None and self.entries(target):
                raise disk_error(errno.ENOTEMPTY, target)
        elif isinstance(there, DirectoryNode):
            raise disk_error(errno.EISDIR, target)

    def commit(self, count: int | None = None) -> None:
        """Make the oldest changes durable, or all."""
        for _, change in self.journal[:count]:
            change.apply()
        del self.journal[:count]

    def commit_directory(self, path: str) -> None:
        """Make durable what was changed in a directory, and what came before it."""
        touched = [
            at for at, (_, change) in enumerate(self.journal) if isinstance(change, NameChange) and change.touches(path)
        ]
        if touched:
            self.commit(touched[-1] + 1)

    def settle(self) -> None:
        """Show what is durable, and nothing else, after a crash."""
        self.journal.clear()
        self._live.clear()
        self._live.update(self._durable)

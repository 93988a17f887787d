"""What os.stat and os.scandir return for a simulated disk."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator
from typing import cast

from kelpie_sim.world.disk.disk import Disk, DiskStat
from kelpie_sim.world.disk.names import normal

SECOND_NS = 1_000_000_000


def stat_result(found: DiskStat) -> os.stat_result:
    """Return what is known of a path as os.stat returns it: owned by root, changed, read and made at one time."""
    mode = stat.S_IFDIR | 0o755 if found.is_directory else stat.S_IFREG | 0o644
    seconds = found.changed_ns // SECOND_NS
    # Number of the device: any, but the same for all. Owner: root.
    fields = (mode, found.inode, 1, 1, 0, 0, found.size, seconds, seconds, seconds)
    exact = {f"st_{kind}time": found.changed_ns / SECOND_NS for kind in "amc"}
    exact_ns = {f"st_{kind}time_ns": found.changed_ns for kind in "amc"}
    return os.stat_result(fields, {**exact, **exact_ns, "st_blksize": 4096, "st_blocks": -(-found.size // 512)})


class SimEntry:
    """What os.scandir yields of a simulated disk."""

    def __init__(self, folder: object, name: str, disk: Disk, place: str) -> None:
        as_bytes = isinstance(folder, bytes)
        self.name: str | bytes = os.fsencode(name) if as_bytes else name
        self.path: str | bytes = self.name if isinstance(folder, int) else _joined(folder, self.name)
        self._disk = disk
        self._place = posixpath.join(place, name)

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def __fspath__(self) -> str | bytes:
        return self.path

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Return whether it is a directory."""
        return self._disk.exists(self._place) and self._disk.stat(self._place).is_directory

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Return whether it is a file."""
        return self._disk.exists(self._place) and not self._disk.stat(self._place).is_directory

    def is_symlink(self) -> bool:
        """Return False: there are none."""
        return False

    def is_junction(self) -> bool:
        """Return False: there are none."""
        return False

    def inode(self) -> int:
        """Return the number of the file."""
        return self._disk.stat(self._place).inode

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return what os.stat returns for it."""
        return stat_result(self._disk.stat(self._place))


class SimScan:
    """What os.scandir returns: an iterator that can be closed."""

    def __init__(self, folder: object, disk: Disk, place: str) -> None:
        self._entries = iter([SimEntry(folder, name, disk, normal(place)) for name in disk.list(place)])

    def __iter__(self) -> Iterator[SimEntry]:
        return self

    def __next__(self) -> SimEntry:
        return next(self._entries)

    def __enter__(self) -> SimScan:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Yield nothing more."""
        self._entries = iter(())


def _joined(folder: object, name: str | bytes) -> str | bytes:
    """Return the path of an entry, as text or bytes as the folder was given."""
    path: str | bytes = os.path.join(cast(str, folder), cast(str, name))
    return path

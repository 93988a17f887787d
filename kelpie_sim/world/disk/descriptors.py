"""File descriptors over simulated disks: what the functions of `os` do with numbers.

The numbers are far above those of the real system, so one can tell whose a number is; a crash leaves its host's
descriptors dead, and the next life of the host gets new ones.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from kelpie_sim.world.disk.disk import Disk, DiskStat
from kelpie_sim.world.disk.names import disk_error, normal
from kelpie_sim.world.disk.open_file import OpenFile

FIRST: Final = 1 << 20
_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
# Neither the bit for directories, which is in it, nor zero where a system has no such files.
_NAMELESS = getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY


class Descriptor:
    """An open file with a position, or an open directory (`file` is None)."""

    __slots__ = ("appends", "disk", "file", "path", "position", "reads", "writes")

    def __init__(self, disk: Disk, path: str, file: OpenFile | None, flags: int) -> None:
        self.disk = disk
        self.path = path
        self.file = file
        self.position = 0
        self.reads = flags & _ACCESS != os.O_WRONLY
        self.writes = flags & _ACCESS != os.O_RDONLY
        self.appends = bool(flags & os.O_APPEND)

    def readable_file(self) -> OpenFile:
        """Return the file to read; raise OSError (EISDIR, EBADF)."""
        if self.file is None:
            raise disk_error(errno.EISDIR, self.path)
        if not self.reads:
            raise disk_error(errno.EBADF, self.path)
        return self.file

    def writable_file(self) -> OpenFile:
        """Return the file to write; raise OSError (EBADF)."""
        if self.file is None or not self.writes:
            raise disk_error(errno.EBADF, self.path)
        return self.file


class Descriptors:
    """All descriptors of a run."""

    def __init__(self) -> None:
        self._open: dict[int, Descriptor] = {}
        self._next = FIRST

    def get(self, number: int) -> Descriptor:
        """Return a descriptor; raise OSError (EBADF) if it is closed."""
        found = self._open.get(number)
        if found is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return found

    def open(self, disk: Disk, path: str, flags: int) -> int:
        """Open a path as os.open does; raise OSError."""
        path = normal(path)
        self._open[self._next] = Descriptor(disk, path, self._file(disk, path, flags), flags)
        self._next += 1
        return self._next - 1

    @staticmethod
    def _file(disk: Disk, path: str, flags: int) -> OpenFile | None:
        directory = disk.exists(path) and disk.stat(path).is_directory
        if _NAMELESS and flags & _NAMELESS:
            disk.names.directory(path)
            return disk.open_nameless()
        if directory and flags & _ACCESS == os.O_RDONLY and not flags & os.O_CREAT:
            return None
        if flags & os.O_DIRECTORY:
            disk.names.directory(path)
        create, exclusive = bool(flags & os.O_CREAT), bool(flags & os.O_EXCL)
        return disk.open(path, create=create, exclusive=create and exclusive, truncate=bool(flags & os.O_TRUNC))

    def close(self, number: int) -> None:
        """Close a descriptor; raise OSError (EBADF) if it is closed."""
        self.get(number)
        del self._open[number]

    def read(self, number: int, size: int) -> bytes:
        """Read from the position on."""
        descriptor = self.get(number)
        found = descriptor.readable_file().read_at(descriptor.position, size)
        descriptor.position += len(found)
        return found

    def write(self, number: int, data: bytes) -> int:
        """Write at the position, or at the end of a file that is appended to; return how much was taken."""
        descriptor = self.get(number)
        file = descriptor.writable_file()
        if descriptor.appends:
            descriptor.position = file.size
        taken = file.write_at(descriptor.position, data)
        descriptor.position += taken
        return taken

    def seek(self, number: int, offset: int, whence: int) -> int:
        """Move the position; raise OSError (EINVAL) if it would be before the start."""
        descriptor = self.get(number)
        size = 0 if descriptor.file is None else descriptor.file.size
        start = {os.SEEK_SET: 0, os.SEEK_CUR: descriptor.position, os.SEEK_END: size}.get(whence)
        if start is None or start + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        descriptor.position = start + offset
        return descriptor.position

    def truncate(self, number: int, size: int) -> None:
        """Set the size of the file."""
        if size < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self.get(number).writable_file().truncate(size)

    def sync(self, number: int) -> None:
        """Make the file, or the names in the directory, durable."""
        descriptor = self.get(number)
        if descriptor.file is None:
            descriptor.disk.sync_directory(descriptor.path)
        else:
            descriptor.file.sync()

    def stat(self, number: int) -> DiskStat:
        """Return what is known of the open file, which may have lost its name."""
        descriptor = self.get(number)
        if descriptor.file is None:
            return descriptor.disk.stat(descriptor.path)
        node, size = descriptor.file.node, descriptor.file.size
        return DiskStat(is_directory=False, size=size, inode=node.inode, changed_ns=node.changed_ns)

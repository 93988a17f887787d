"""An open file: reads and writes at offsets. It is dead when its host loses power or its process ends."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from kelpie_sim.world.disk import faults as f
from kelpie_sim.world.disk import harm
from kelpie_sim.world.disk.changes import Change, FileNode, Truncate, Write

if TYPE_CHECKING:
    from kelpie_sim.faults import Fault, Verdict
    from kelpie_sim.world.disk.disk import Disk

READING: tuple[type[Fault], ...] = (f.DiskReadFail, f.DiskShortRead, f.DiskMisdirectedRead, f.DiskCorruption)
WRITING: tuple[type[Fault], ...] = (
    f.DiskWriteFail, f.DiskSpaceFull, f.DiskShortWrite, f.DiskLostWrite, f.DiskMisdirectedWrite,
)  # fmt: skip
RESIZING: tuple[type[Fault], ...] = (f.DiskWriteFail, f.DiskSpaceFull)
SYNCING: tuple[type[Fault], ...] = (f.DiskSyncFail, f.DiskLostSync)


class OpenFile:
    """A file that somebody has open. It has no position and no buffer: those are the caller's."""

    __slots__ = ("_generation", "disk", "node", "path")

    def __init__(self, disk: Disk, node: FileNode, path: str) -> None:
        self.disk = disk
        self.node = node
        self.path = path
        self._generation = disk.generation

    @property
    def dead(self) -> bool:
        """Whether it was opened before the last power loss."""
        return self._generation != self.disk.generation

    @property
    def size(self) -> int:
        """How long the file is."""
        self.disk.fence(self._generation)
        return len(self.node.live)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes, none at the end of the file. Raise OSError (EIO)."""
        verdict = self._begin(f.READ, READING, offset, size)
        live = self.node.live
        if not live.readable(offset, size):
            harm.unreadable(verdict, self.path)
        return live.read(offset, size) if verdict is None else harm.read(self, verdict, offset, size)

    def write_at(self, offset: int, data: bytes) -> int:
        """Write, and return how many bytes were taken. Raise OSError (EIO, ENOSPC)."""
        verdict = self._begin(f.WRITE, WRITING, offset, len(data))
        end = offset + len(data)
        if verdict is not None:
            return harm.write(self, verdict, offset, data)
        self.disk.check_room(self.node, end, self.path)
        self.put(offset, data)
        return len(data)

    def truncate(self, size: int) -> None:
        """Cut the file, or make it longer with zeros. Raise OSError (EIO, ENOSPC)."""
        verdict = self._begin(f.TRUNCATE, RESIZING, 0, 0)
        self.disk.check_room(self.node, size, self.path)
        if verdict is None:
            self.cut(size)
        else:
            harm.whole(self.disk, verdict, self.path, lambda: self.cut(size))

    def sync(self) -> None:
        """Make the whole content durable. Raise OSError (EIO)."""
        self.disk.fence(self._generation)
        verdict = self.disk.begin(f.SYNC, self.path, SYNCING, sync=True)
        if verdict is None:
            self.sync_now()
        else:
            harm.sync(self, verdict)

    def _begin(self, operation: str, kinds: tuple[type[Fault], ...], offset: int, size: int) -> Verdict | None:
        disk = self.disk
        disk.fence(self._generation)
        return disk.begin(operation, self.path, kinds, size=size, sectors=self.node.live.sectors(offset, size))

    # --- without faults

    def put(self, offset: int, data: bytes) -> None:
        """Write, whatever the faults."""
        if data:
            self.node.live.write(offset, data)
            self.note("write", Write(self.node, offset, data), offset, len(data), crc32(data))
            self._mended(offset, len(data))

    def cut(self, size: int) -> None:
        """Change the size, whatever the faults."""
        self.node.live.truncate(size)
        self.note("truncate", Truncate(self.node, size), size)

    def sync_now(self) -> None:
        """Sync, whatever the faults."""
        self.disk.sync_node(self.node)
        self.disk.record("disk sync", self.disk.name, self.path)

    def note(self, what: str, change: Change, *fields: int) -> None:
        """Keep a change that has been made to the live image as pending, and put it on the trace."""
        self.disk.change(self.node, change)
        self.disk.record(f"disk {what}", self.disk.name, self.path, *fields)

    def _mended(self, offset: int, size: int) -> None:
        """Tell the atlas which sectors are well again."""
        hurt = self.disk.around.hurt_sectors
        if hurt is not None:
            live = self.node.live
            well = (number for number in live.sectors(offset, size) if number not in live.damage)
            hurt.mended(self.disk.name, self.path, well)

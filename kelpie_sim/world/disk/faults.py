"""What can go wrong with a disk, and the operations at which it can.

Subject of every operation is the path. Harm that lasts (lost and misdirected writes, rot on the medium, sectors that
stay unreadable) is bounded by the atlas, if the disks have one.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs

from kelpie_sim.faults import Fault

PORT = "disk"
OPEN, READ, WRITE, TRUNCATE, SYNC = "disk_open", "disk_read", "disk_write", "disk_truncate", "disk_sync"
RENAME, UNLINK, MAKE_DIRECTORY = "disk_rename", "disk_unlink", "disk_make_directory"
SYNC_DIRECTORY, LIST, STAT, CRASH = "disk_sync_directory", "disk_list", "disk_stat", "disk_crash"
OPERATIONS = frozenset({
    OPEN, READ, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, MAKE_DIRECTORY, SYNC_DIRECTORY, LIST, STAT, CRASH,
})  # fmt: skip


@attrs.frozen(kw_only=True)
class DiskFault(Fault):
    """The base of the disk's faults."""

    port: ClassVar[str] = PORT

    @property
    def hurts(self) -> bool:
        """Whether the harm outlives the operation."""
        return False


@attrs.frozen(kw_only=True)
class DiskReadFail(DiskFault):
    """Reading fails (EIO). `lasting`: these sectors cannot be read until they are written again. Acts on `disk_read`,
    `disk_open`, `disk_list` and `disk_stat`."""

    lasting: bool = False

    @property
    def hurts(self) -> bool:
        """Whether the sectors stay unreadable."""
        return self.lasting


@attrs.frozen(kw_only=True)
class DiskWriteFail(DiskFault):
    """Writing fails (EIO): nothing is written, or a part. Acts on `disk_write`, `disk_truncate`, `disk_rename`,
    `disk_unlink`, `disk_make_directory`, and on `disk_open` when it makes a file."""


@attrs.frozen(kw_only=True)
class DiskSpaceFull(DiskFault):
    """There is no room (ENOSPC). Acts on `disk_write`, `disk_truncate`, `disk_make_directory`, and on `disk_open` when
    it makes a file."""


@attrs.frozen(kw_only=True)
class DiskSyncFail(DiskFault):
    """A sync fails (EIO). What it should have written stays pending, or counts as clean from then on though none or
    only some of it is on the medium: the next sync succeeds, and a crash shows the hole. Acts on `disk_sync` and
    `disk_sync_directory`."""


@attrs.frozen(kw_only=True)
class DiskLostSync(DiskFault):
    """A sync succeeds and does nothing: what was pending still is. Acts on `disk_sync` and `disk_sync_directory`."""


@attrs.frozen(kw_only=True)
class DiskTornWrite(DiskFault):
    """A crash leaves the last write that reached the medium half done. Acts on `disk_crash` when such a write pends."""


@attrs.frozen(kw_only=True)
class DiskLostWrite(DiskFault):
    """A write is acknowledged and never reaches the medium; sync does not help. Acts on `disk_write`."""

    @property
    def hurts(self) -> bool:
        """The sectors stay old."""
        return True


@attrs.frozen(kw_only=True)
class DiskMisdirectedWrite(DiskFault):
    """A write lands elsewhere in the file, and its own place stays old. Acts on `disk_write`."""

    @property
    def hurts(self) -> bool:
        """Both places are wrong until they are written again."""
        return True


@attrs.frozen(kw_only=True)
class DiskMisdirectedRead(DiskFault):
    """A read gives what is elsewhere in the file. Acts on `disk_read`."""


@attrs.frozen(kw_only=True)
class DiskCorruption(DiskFault):
    """One bit is wrong: in what a read gives, or on the medium until the sector is written again. Acts on
    `disk_read`."""

    place: Literal["read", "medium"] = "read"

    @property
    def hurts(self) -> bool:
        """Whether the bit is wrong on the medium."""
        return self.place == "medium"


@attrs.frozen(kw_only=True)
class DiskShortRead(DiskFault):
    """A read gives less than there is, but something. Acts on `disk_read`."""


@attrs.frozen(kw_only=True)
class DiskShortWrite(DiskFault):
    """A write takes less than it was given, but something, and says so. Acts on `disk_write`."""


@attrs.frozen(kw_only=True)
class DiskLatency(DiskFault):
    """An operation takes `latency_ms` longer; others overtake it. Acts on all but `disk_crash`."""

    latency_ms: int = 20


@attrs.frozen(kw_only=True)
class DiskStuck(DiskFault):
    """The disk does nothing for `stuck_ms`: this operation and all that follow wait. Acts on all but `disk_crash`."""

    stuck_ms: int = 30_000


@attrs.frozen(kw_only=True)
class DiskCrash(DiskFault):
    """The host loses power at an operation: before it, with part of it done, or when nobody has heard of its end. Acts
    on all but `disk_crash`."""

    when: Literal["before", "during", "after"] = "before"

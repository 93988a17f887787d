"""What each fault does to an operation. A verdict is fired exactly when something came out otherwise than it should.

Harm on the medium is done to both images of a file, the one that readers see and the durable one; what a pending write
did wrong reaches the durable one with that write.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar
from zlib import crc32

from kelpie_sim.world.disk import faults as f
from kelpie_sim.world.disk.changes import LostWrite, Write
from kelpie_sim.world.disk.image import UNREADABLE
from kelpie_sim.world.disk.names import disk_error

if TYPE_CHECKING:
    from kelpie_sim.faults import Verdict
    from kelpie_sim.world.disk.disk import Disk
    from kelpie_sim.world.disk.open_file import OpenFile

T = TypeVar("T")


def whole(disk: Disk, verdict: Verdict, path: str, act: Callable[[], T]) -> T:
    """Act out a fault that spares nothing of an operation: it fails, or the host loses power around it."""
    fault = verdict.fault
    if isinstance(fault, f.DiskCrash):
        if fault.when == "after":
            act()
        verdict.fire()
        disk.lose_power()
    verdict.fire()
    raise disk_error(errno.ENOSPC if isinstance(fault, f.DiskSpaceFull) else errno.EIO, path)


def unreadable(verdict: Verdict | None, path: str) -> NoReturn:
    """Fail at a sector that was hurt before, whatever strikes now."""
    if verdict is not None:
        verdict.waive()
    raise disk_error(errno.EIO, path)


# --- reads


def read(file: OpenFile, verdict: Verdict, offset: int, size: int) -> bytes:
    """Read with a fault."""
    found = file.node.live.read(offset, size)
    match verdict.fault:
        case f.DiskReadFail(lasting=lasting):
            if lasting:
                _hurt_all(file, offset, size)
            verdict.fire()
            raise disk_error(errno.EIO, file.path)
        case f.DiskShortRead():
            return _short(file, verdict, found)
        case f.DiskMisdirectedRead():
            return _seen(verdict, found, _elsewhere(file, offset, len(found)))
        case f.DiskCorruption(place=place):
            return _corrupted(file, verdict, offset, found, on_medium=place == "medium")
        case _:
            verdict.fire()
            file.disk.lose_power()


def _seen(verdict: Verdict, expected: bytes, found: bytes) -> bytes:
    """Return what was found; the fault has struck if that is not what was expected."""
    if expected == found:
        verdict.waive()
    else:
        verdict.fire()
    return found


def _short(file: OpenFile, verdict: Verdict, found: bytes) -> bytes:
    if len(found) < 2:
        return _seen(verdict, found, found)
    return _seen(verdict, found, found[: len(found) - 1 - file.disk.stream("harm").below(len(found) - 1)])


def _wrong_offset(file: OpenFile, offset: int) -> int:
    """Return another place for the same operation: a number of sectors further or nearer, inside the file."""
    sector_bytes = file.node.live.sector_bytes
    own, count = offset // sector_bytes, -(-len(file.node.live) // sector_bytes)
    others = [number for number in range(count) if number != own]
    if not others:
        return offset
    return offset + (file.disk.stream("harm").pick(others) - own) * sector_bytes


def _elsewhere(file: OpenFile, offset: int, size: int) -> bytes:
    found = file.node.live.read(_wrong_offset(file, offset), size)
    return found.ljust(size, b"\0")


def _corrupted(file: OpenFile, verdict: Verdict, offset: int, found: bytes, *, on_medium: bool) -> bytes:
    if not found:
        return _seen(verdict, found, found)
    bit = file.disk.stream("harm").below(8 * len(found))
    if on_medium:
        for image in (file.node.live, file.node.durable):
            if offset * 8 + bit < 8 * len(image) and image.readable(offset + bit // 8, 1):
                image.flip(offset * 8 + bit)
        _told(file, offset + bit // 8, 1)
        return _seen(verdict, found, file.node.live.read(offset, len(found)))
    wrong = bytearray(found)
    wrong[bit // 8] ^= 1 << bit % 8
    return _seen(verdict, found, bytes(wrong))


def _hurt_all(file: OpenFile, offset: int, size: int) -> None:
    for image in (file.node.live, file.node.durable):
        for number in image.sectors(offset, size):
            image.hurt(number, UNREADABLE)
    _told(file, offset, size)


def _told(file: OpenFile, offset: int, size: int) -> None:
    """Tell the atlas of harm that lasts."""
    hurt = file.disk.around.hurt_sectors
    if hurt is not None:
        hurt.hurt(file.disk.name, file.path, file.node.live.sectors(offset, size))


# --- writes


def write(file: OpenFile, verdict: Verdict, offset: int, data: bytes) -> int:
    """Write with a fault."""
    fault = verdict.fault
    if not data:
        verdict.waive()
        return 0
    match fault:
        case f.DiskLostWrite() | f.DiskMisdirectedWrite():
            return _lose(file, verdict, offset, data)
        case f.DiskShortWrite():
            return _take_part(file, verdict, offset, data)
        case f.DiskCrash(when="after"):
            file.put(offset, data)
        case f.DiskCrash() | f.DiskWriteFail():
            _write_part(file, offset, data)
    verdict.fire()
    if isinstance(fault, f.DiskCrash):
        file.disk.lose_power()
    raise disk_error(errno.ENOSPC if isinstance(fault, f.DiskSpaceFull) else errno.EIO, file.path)


def _lose(file: OpenFile, verdict: Verdict, offset: int, data: bytes) -> int:
    before = file.node.live.copy()
    misdirected = isinstance(verdict.fault, f.DiskMisdirectedWrite)
    wrong_offset = _wrong_offset(file, offset) if misdirected else -1
    if misdirected and not file.disk.may_hurt(file.path, before.sectors(wrong_offset, len(data))):
        verdict.waive()
        file.put(offset, data)
        return len(data)
    change = LostWrite(file.node, offset, data, wrong_offset)
    change.act_on(file.node.live)
    damage = file.node.live.damage
    file.note("write", change, offset, len(data), crc32(data))
    if damage == before.damage:
        verdict.waive()
        return len(data)
    verdict.fire()
    _told(file, offset, len(data))
    if misdirected:
        _told(file, wrong_offset, len(data))
    return len(data)


def _take_part(file: OpenFile, verdict: Verdict, offset: int, data: bytes) -> int:
    if len(data) < 2:
        verdict.waive()
        file.put(offset, data)
        return len(data)
    taken = len(data) - 1 - file.disk.stream("harm").below(len(data) - 1)
    verdict.fire()
    file.put(offset, data[:taken])
    return taken


def _write_part(file: OpenFile, offset: int, data: bytes) -> None:
    """Write some of the first sectors, or none."""
    parts = list(Write(file.node, offset, data).parts())
    for part in parts[: file.disk.stream("harm").below(len(parts))]:
        file.put(part.offset, part.data)


# --- syncs


def sync(file: OpenFile, verdict: Verdict) -> None:
    """Sync with a fault."""
    match verdict.fault:
        case f.DiskLostSync():
            lose_sync(verdict, bool(file.node.pending))
        case f.DiskSyncFail():
            _fail_sync(file, verdict)
        case f.DiskCrash(when="after"):
            file.sync_now()
            verdict.fire()
            file.disk.lose_power()
        case _:
            file.node.write_back(file.disk.stream("harm").below(len(file.node.pending) + 1))
            verdict.fire()
            file.disk.lose_power()


def lose_sync(verdict: Verdict, pending: bool) -> None:
    """Do nothing; that is a fault if there was something to do."""
    if pending:
        verdict.fire()
    else:
        verdict.waive()


def _fail_sync(file: OpenFile, verdict: Verdict) -> None:
    """Fail; by the seed the changes stay pending, or count as clean with none or some of them on the medium."""
    stream, node = file.disk.stream("harm"), file.node
    verdict.fire()
    if node.pending and stream.chance(0.5):
        node.write_back(stream.below(len(node.pending)))
        node.pending.clear()
        node.holed = True
    raise disk_error(errno.EIO, file.path)

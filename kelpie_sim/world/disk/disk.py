"""A host's disk: files, directories, what is safe and what a crash may take, with faults at every operation.

Each operation happens at one instant, whole, and is seen by all at once. What it changed is *pending* until it is
synced; a crash keeps of it what the seed says (crash.py). Errors are the OSErrors of the real thing.

Laws: an open file belongs to one life of its host, and so does code: both are refused by HostDead once that is over.
Every change is on the trace with a checksum of its bytes; reads are not, they follow from the rest.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

import attrs

from kelpie_sim.errors import HostDead
from kelpie_sim.faults import Fault, FaultBoard, Verdict
from kelpie_sim.incarnation import INCARNATION
from kelpie_sim.seed import Stream, Streams
from kelpie_sim.trace import Trace
from kelpie_sim.world import machine
from kelpie_sim.world.disk import faults as f
from kelpie_sim.world.disk import harm
from kelpie_sim.world.disk.atlas import HurtSectors
from kelpie_sim.world.disk.changes import ROOT, Change, DirectoryNode, FileNode, Node, Numbered
from kelpie_sim.world.disk.crash import survive, tear, tearable
from kelpie_sim.world.disk.names import Names, disk_error, normal
from kelpie_sim.world.disk.open_file import OpenFile
from kelpie_sim.world.disk.setup import DiskSetup
from kelpie_sim.world.disk.times import SECOND_NS, DiskTimes
from kelpie_sim.world.host import Host

T = TypeVar("T")
Kinds = tuple[type[Fault], ...]
ALWAYS: Kinds = (f.DiskLatency, f.DiskStuck)
LOOKING: Kinds = (f.DiskReadFail,)
CHANGING: Kinds = (f.DiskWriteFail,)
MAKING: Kinds = (f.DiskWriteFail, f.DiskSpaceFull)
SYNCING: Kinds = (f.DiskSyncFail, f.DiskLostSync)
WRITE_BACK_CHANGES = 10_000


def _zero() -> int:
    return 0


def _tell_nobody(kind: str, *fields: object) -> None:
    pass


@attrs.frozen(kw_only=True)
class Surroundings:
    """What a disk needs of the world. Without a host, and with a clock that stands still, it works alone."""

    streams: Streams
    board: FaultBoard | None = None
    trace: Trace | None = None
    host: Host | None = None
    now_ns: Callable[[], int] = _zero
    """The true virtual time, for latency."""
    wall_ns: Callable[[], int] = _zero
    """The host's clock, for what files are dated with."""
    hurt_sectors: HurtSectors | None = None


@attrs.frozen(kw_only=True)
class DiskStat:
    """What is known of a path."""

    is_directory: bool
    size: int
    inode: int
    changed_ns: int


class Disk:
    """A disk. `generation` counts its power losses: what was opened before the last one is dead."""

    def __init__(self, name: str, surroundings: Surroundings, setup: DiskSetup | None = None) -> None:
        self.name = name
        self.setup = setup or DiskSetup()
        self.around = surroundings
        self.times = DiskTimes(self.setup, surroundings.now_ns)
        self.generation = 0
        self.operations = 0
        """How many were asked for so far."""
        self.attachments: list[object] = []
        """What lives as long as what is open."""
        self._serial = 0
        self._inodes = 0
        self._dirty: dict[int, FileNode] = {}
        self.names = self._fresh_names()
        self._board = surroundings.board
        # Which operations could go wrong at all: the others cost one look.
        self._risky = frozenset[str]() if self._board is None else self._board.risky(f.PORT)
        self._descriptors_fail = machine.descriptors_fail(self._board)
        self.record: Callable[..., None] = _tell_nobody if surroundings.trace is None else surroundings.trace.record

    def _fresh_names(self) -> Names:
        return Names((self._new_inode(), self._new_inode()), self.around.wall_ns())

    def _new_inode(self) -> int:
        self._inodes += 1
        return self._inodes

    # --- operations

    def open(self, path: str, *, create: bool = False, exclusive: bool = False, truncate: bool = False) -> OpenFile:
        """Open a file, made first if `create`. Raise an OSError: no such file, exists (`exclusive`), a directory."""
        path = normal(path)
        if self._descriptors_fail and self._board is not None:
            machine.open_descriptor(self._board, self.around.host, path)
        node = self.names.find(path)
        verdict = self.begin(f.OPEN, path, MAKING if create and node is None else LOOKING)
        if create and node is None:
            node = self._whole(verdict, path, lambda: self._create(path))
        elif exclusive:
            raise disk_error(errno.EEXIST, path)
        else:
            node = self._whole(verdict, path, lambda: self.names.file(path))
        found = OpenFile(self, node, path)
        if truncate and len(node.live):
            found.truncate(0)
        return found

    def open_nameless(self, path: str = "(nameless)") -> OpenFile:
        """Open a new file without a name, which goes when nobody has it open; a crash leaves nothing of it."""
        return OpenFile(self, self._new_file(), path)

    def _new_file(self) -> FileNode:
        return FileNode(self._new_inode(), self.setup.sector_bytes, self.around.wall_ns())

    def _create(self, path: str) -> FileNode:
        if path == ROOT:
            raise disk_error(errno.EISDIR, path)
        self.names.parent(path)
        node = self._new_file()
        self._rename("create", path, node)
        return node

    def make_directory(self, path: str) -> None:
        """Make a directory. Raise an OSError: exists, no such parent."""
        path = normal(path)
        self._whole(self.begin(f.MAKE_DIRECTORY, path, MAKING), path, lambda: self._make_directory(path))

    def _make_directory(self, path: str) -> None:
        if self.names.find(path) is not None:
            raise disk_error(errno.EEXIST, path)
        self.names.parent(path)
        self._rename("make_directory", path, DirectoryNode(self._new_inode(), self.around.wall_ns()))

    def unlink(self, path: str) -> None:
        """Take a file's name away; who has it open keeps it. Raise an OSError: no such file, a directory."""
        path = normal(path)
        self._whole(self.begin(f.UNLINK, path, CHANGING), path, lambda: self._unlink(path))

    def _unlink(self, path: str) -> None:
        self.names.file(path)
        self._rename("unlink", path, None)

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory. Raise an OSError: no such directory, not empty, a file."""
        path = normal(path)
        self._whole(self.begin(f.UNLINK, path, CHANGING), path, lambda: self._remove_directory(path))

    def _remove_directory(self, path: str) -> None:
        if self.names.entries(path):
            raise disk_error(errno.ENOTEMPTY, path)
        if path == ROOT:
            raise disk_error(errno.EBUSY, path)
        self._rename("unlink", path, None)

    def rename(self, path: str, target: str) -> None:
        """Move a file or a directory, in place of whatever has the target's name. Raise the OSErrors of rename(2)."""
        path, target = normal(path), normal(target)
        self._whole(self.begin(f.RENAME, path, CHANGING), path, lambda: self._move(path, target))

    def _move(self, path: str, target: str) -> None:
        self.names.check_move(path, target)
        if path != target and self.names.get(path) is not self.names.find(target):
            self._rename("rename", path, None, target)

    def _rename(self, what: str, path: str, node: Node | None, target: str = "") -> None:
        self.names.change(self._next(), path, node, target)
        self.record(f"disk {what}", self.name, path, *((target,) if target else ()))

    def list(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, sorted. Raise an OSError: no such directory, a file."""
        path = normal(path)
        return self._whole(self.begin(f.LIST, path, LOOKING), path, lambda: self.names.entries(path))

    def stat(self, path: str) -> DiskStat:
        """Return what is known of a path. Raise FileNotFoundError."""
        path = normal(path)
        return self._whole(self.begin(f.STAT, path, LOOKING), path, lambda: _stat_of(self.names.get(path)))

    def exists(self, path: str) -> bool:
        """Return whether a path is there: a look from outside, at which nothing can go wrong."""
        return self.names.find(normal(path)) is not None

    def sync_directory(self, path: str) -> None:
        """Make the names in a directory durable. Raise an OSError: no such directory, the sync failed."""
        path = normal(path)
        verdict = self.begin(f.SYNC_DIRECTORY, path, SYNCING, sync=True)
        if verdict is not None and isinstance(verdict.fault, f.DiskLostSync):
            harm.lose_sync(verdict, bool(self.names.journal))
        else:
            self._whole(verdict, path, lambda: self._sync_directory(path))

    def _sync_directory(self, path: str) -> None:
        self.names.directory(path)
        self.record("disk sync_directory", self.name, path)
        if self.setup.names == "journaled":
            self.names.commit()
        else:
            self.names.commit_directory(path)

    # --- life

    def crash(self) -> None:
        """Lose power: of what is pending the seed keeps something, and all that is open is dead."""
        pending = sorted(
            [*self.names.journal, *(change for node in self._dirty.values() for change in node.pending)],
            key=lambda numbered: numbered[0],
        )
        keeps = self._survive(pending) if pending else "all"
        self.record("disk crash", self.name, keeps, len(pending))
        for node in self._dirty.values():
            node.settle()
        self._dirty.clear()
        self.names.settle()
        self.times.reset()
        self._recount()
        self.close_all()

    def _survive(self, pending: Sequence[Numbered]) -> str:
        stream = self.stream("crash")
        torn = self._verdict(f.CRASH, ROOT, (f.DiskTornWrite,)) if tearable(pending) else None
        if torn is not None:
            torn.fire()
            tear(pending, stream)
            return "torn"
        keeps = stream.pick(self.setup.crash_keeps)
        survive(pending, keeps, stream)
        return keeps.value

    def close_all(self) -> None:
        """End the process: what it had open is dead, what it wrote stays as it is."""
        self.generation += 1
        self.attachments.clear()
        for _, node in self.names.files():
            node.locks = None

    def reformat(self) -> None:
        """Lose everything: an empty disk."""
        self.record("disk reformat", self.name)
        self._dirty.clear()
        self.names = self._fresh_names()
        self.times.reset()
        self._recount()
        self.close_all()

    def _recount(self) -> None:
        """Tell the atlas what is hurt: a crash undoes harm too."""
        hurt = self.around.hurt_sectors
        if hurt is not None:
            hurt.forget(self.name)
            for path, node in self.names.files():
                hurt.hurt(self.name, path, node.live.damage)

    async def idle(self) -> None:
        """Wait until the disk has done all that it was asked for by now. Raise HostDead if it loses power meanwhile."""
        generation = self.generation
        left_ns = self.times.left_ns
        if left_ns:
            await asyncio.sleep(left_ns / SECOND_NS)
        self.fence(generation)

    def pristine(self, path: str) -> bytes:
        """Return what was written to a file and should be there. Raise FileNotFoundError."""
        return bytes(self.names.file(normal(path)).live.pristine)

    # --- for open files and faults

    def begin(
        self, operation: str, path: str, kinds: Kinds, *, size: int = 0, sync: bool = False, sectors: range = range(0)
    ) -> Verdict | None:
        """Start an operation: refuse the dead, count, spend time, and return the fault that is left to act out."""
        life = INCARNATION.get()
        if life is not None and not life.alive:
            raise HostDead(f"host {life.host.name!r} is dead, and asks for its disk")
        self.operations += 1
        self.times.spend(size, sync=sync)
        verdict = self._verdict(operation, path, kinds, sectors)
        return None if verdict is None else self._start(verdict)

    def _verdict(self, operation: str, path: str, kinds: Kinds, sectors: range = range(0)) -> Verdict | None:
        if self._board is None or operation not in self._risky:
            return None

        def applies(fault: Fault) -> bool:
            if isinstance(fault, f.DiskCrash):
                return operation != f.CRASH and self._may_crash()
            if not isinstance(fault, kinds if operation == f.CRASH else kinds + ALWAYS):
                return False
            return not (isinstance(fault, f.DiskFault) and fault.hurts) or self.may_hurt(path, sectors)

        return self._board.verdict(f.PORT, operation, host=self.name, subject=path, applies=applies)

    def _may_crash(self) -> bool:
        """Only what the host does itself can be cut short by its crash."""
        life = INCARNATION.get()
        return self.around.host is None or (life is not None and life.host is self.around.host)

    def may_hurt(self, path: str, sectors: range) -> bool:
        """Return whether the atlas, if there is one, lets harm last in these sectors."""
        hurt = self.around.hurt_sectors
        return hurt is None or hurt.allows(self.name, path, sectors)

    def _start(self, verdict: Verdict) -> Verdict | None:
        """Act out what does not depend on the operation."""
        match verdict.fault:
            case f.DiskLatency(latency_ms=latency_ms):
                self.times.delay_ms(latency_ms)
            case f.DiskStuck(stuck_ms=stuck_ms):
                self.times.stick_ms(stuck_ms)
            case f.DiskCrash(when="before"):
                verdict.fire()
                self.lose_power()
            case _:
                return verdict
        verdict.fire()
        return None

    def _whole(self, verdict: Verdict | None, path: str, act: Callable[[], T]) -> T:
        """Act, or act out a fault that spares nothing of the operation."""
        return act() if verdict is None else harm.whole(self, verdict, path, act)

    def lose_power(self) -> NoReturn:
        """Take the host down in the middle of what it does; always raises HostDead."""
        if self.around.host is None:
            self.crash()
        else:
            self.around.host.crash()
        raise HostDead(f"disk {self.name!r} lost power")

    def fence(self, generation: int) -> None:
        """Raise HostDead for what was opened before the last power loss."""
        if generation != self.generation:
            raise HostDead(f"disk {self.name!r} lost power: what was open is gone")

    def change(self, node: FileNode, change: Change) -> None:
        """Take note of a change of content that may still be lost."""
        node.pending.append((self._next(), change))
        node.changed_ns = self.around.wall_ns()
        self._dirty[node.inode] = node
        if len(node.pending) > WRITE_BACK_CHANGES:
            # As kernels do: what has waited longest goes to the medium by itself.
            node.write_back(WRITE_BACK_CHANGES // 2)

    def sync_node(self, node: FileNode) -> None:
        """Make all of a file durable, and on a file system with a journal all names too."""
        node.write_back(len(node.pending))
        if not node.holed:
            self._dirty.pop(node.inode, None)
        if self.setup.names == "journaled":
            self.names.commit()

    def check_room(self, node: FileNode, size: int, path: str) -> None:
        """Raise OSError (ENOSPC) if the disk is too small for this file to become so long."""
        room = self.setup.capacity_bytes
        if room is not None and size > len(node.live):
            used = sum(len(other.live) for _, other in self.names.files() if other is not node)
            if used + size > room:
                raise disk_error(errno.ENOSPC, path)

    def stream(self, purpose: str) -> Stream:
        """Return this disk's choices for a purpose."""
        return self.around.streams.stream(f"disk/{self.name}/{purpose}")

    def _next(self) -> int:
        self._serial += 1
        return self._serial


def _stat_of(node: Node) -> DiskStat:
    size = len(node.live) if isinstance(node, FileNode) else 0
    return DiskStat(
        is_directory=isinstance(node, DirectoryNode), size=size, inode=node.inode, changed_ns=node.changed_ns
    )

"""The disks of a world: one per host, made when it is first asked for, and struck by what strikes the host."""

from __future__ import annotations

from collections.abc import Callable

from kelpie_sim.faults import FaultBoard
from kelpie_sim.loop import SimLoop
from kelpie_sim.seed import Streams
from kelpie_sim.trace import Trace
from kelpie_sim.world.disk.atlas import Atlas, HurtSectors
from kelpie_sim.world.disk.disk import Disk, Surroundings
from kelpie_sim.world.disk.setup import DiskSetup
from kelpie_sim.world.host import Host


class Disks:
    """All disks of a run."""

    def __init__(
        self, loop: SimLoop, streams: Streams, board: FaultBoard | None, trace: Trace, atlas: Atlas | None = None
    ) -> None:
        """With an atlas, harm that lasts is bounded over the copies that hosts of a group hold."""
        self._loop = loop
        self._streams = streams
        self._board = board
        self._trace = trace
        self._disks: dict[str, Disk] = {}
        self.hurt_sectors = None if atlas is None else HurtSectors(atlas)

    def bound(self, atlas: Atlas) -> None:
        """Bound harm by an atlas from now on; for disks that are asked for later."""
        self.hurt_sectors = HurtSectors(atlas)

    def disk(self, host: Host, setup: DiskSetup | None = None) -> Disk:
        """Return the disk of a host; the setup counts when it is first asked for."""
        found = self._disks.get(host.name)
        if found is None:
            found = self._disks[host.name] = self._new(host, setup)
        return found

    def find(self, host: Host) -> Disk | None:
        """Return the disk of a host if it was ever asked for."""
        return self._disks.get(host.name)

    def _new(self, host: Host, setup: DiskSetup | None) -> Disk:
        around = Surroundings(
            streams=self._streams,
            board=self._board,
            trace=self._trace,
            host=host,
            now_ns=lambda: self._loop.time_ns,
            wall_ns=lambda: host.clock.wall_ns(self._loop.wall_ns()),
            hurt_sectors=self.hurt_sectors,
        )
        disk = Disk(host.name, around, setup)
        host.on_crash.append(_end_of_life(disk))
        host.on_reformat.append(lambda _: disk.reformat())
        return disk


def _end_of_life(disk: Disk) -> Callable[[Host], None]:
    def end(host: Host) -> None:
        # A process that ends by itself leaves what it wrote to the system, which goes on.
        if host.exit_code is None:
            disk.crash()
        else:
            disk.close_all()

    return end

"""A disk that stands alone, with the faults that a test gives it."""

from kelpie_sim.faults import Fault, FaultBoard, FaultReport
from kelpie_sim.seed import Streams
from kelpie_sim.trace import Trace
from kelpie_sim.world.disk import OPERATIONS, PORT, CrashKeeps, Disk, DiskSetup, Surroundings
from kelpie_sim.world.disk.atlas import HurtSectors

SECTOR = bytes(range(256)) * 2
OLD, NEW = b"o" * 512, b"n" * 512


class Bench:
    """A disk named "d" without a host, its board and its trace."""

    def __init__(
        self,
        *faults: Fault,
        seed: int = 1,
        setup: DiskSetup | None = None,
        hurt_sectors: HurtSectors | None = None,
        name: str = "d",
    ) -> None:
        self.streams = Streams(seed)
        self.trace = Trace(keep=True)
        self.now_ns = 0
        self.board = FaultBoard(faults, {PORT: OPERATIONS}, self.streams, lambda: self.now_ns, self.trace)
        around = Surroundings(
            streams=self.streams,
            board=self.board,
            trace=self.trace,
            now_ns=lambda: self.now_ns,
            wall_ns=lambda: 5,
            hurt_sectors=hurt_sectors,
        )
        self.disk = Disk(name, around, setup)

    @property
    def report(self) -> FaultReport:
        """What became of the one kind of fault."""
        (report,) = self.board.report()
        return report

    @property
    def fired(self) -> int:
        """How often it struck."""
        return self.report.fired

    def written(self, path: str, data: bytes) -> bytes:
        """Write a file whole and return what is read."""
        self.disk.open(path, create=True).write_at(0, data)
        return self.content(path)

    def content(self, path: str) -> bytes:
        """Return what is read of a file."""
        file = self.disk.open(path)
        return file.read_at(0, file.size)

    def synced(self, path: str, data: bytes) -> None:
        """Write a file whole, and make it and its name safe."""
        file = self.disk.open(path, create=True)
        file.write_at(0, data)
        file.sync()
        self.disk.sync_directory("/")


def keeping(keeps: CrashKeeps, **options: object) -> DiskSetup:
    """Return a disk whose crashes keep just that."""
    return DiskSetup(crash_keeps=(keeps,), **options)  # type: ignore[arg-type]

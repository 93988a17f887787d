"""The production SQLite store inside the world.

`open_sqlite` is the store as it runs in production: a file on the host's disk, write-ahead log, full sync, on a disk
that tears, fails and loses power. After a crash of its host it is opened again. `open_in_memory` is the same SQL
without a disk, for a database that plays the durable world and outlives the hosts.
"""

from collections.abc import Callable
from typing import TypeVar

from kelpie_server.world.sqlite_runner import InlineRunner
from kelpie_server.world.store_sqlite import SqliteStore
from kelpie_sim.simulation import World
from kelpie_sim.world.disk import Disk
from kelpie_sim.world.disk.sqlite_vfs import VFS_NAME, sqlite_path
from kelpie_sim.world.host import Host

T = TypeVar("T")
PATH = "/kelpie.db"


class DiskRunner(InlineRunner):
    """Runs each job at once, and gives its answer when the disk is through with what the job asked of it."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self._disk = disk

    async def call(self, job: Callable[[], T]) -> T:
        """Run a job at once and wait for the disk. Raise HostDead if power was lost, whatever SQLite made of that."""
        generation = self._disk.generation
        try:
            return await super().call(job)
        finally:
            self._disk.fence(generation)
            await self._disk.idle()

    async def stop(self, last: Callable[[], None]) -> None:
        """Run `last` at once, then nothing more, and wait for the disk."""
        await super().stop(last)
        await self._disk.idle()


async def open_sqlite(world: World, host: Host, path: str = PATH) -> SqliteStore:
    """Open or create the store on the disk of a host, for the present life of the host. Raise as SqliteStore.open."""
    disk = world.disk(host)
    return await SqliteStore.open(sqlite_path(disk, path), runner=DiskRunner(disk), vfs=VFS_NAME)


async def open_in_memory() -> SqliteStore:
    """Return an empty database that is on no disk."""
    return await SqliteStore.open(":memory:", runner=InlineRunner())

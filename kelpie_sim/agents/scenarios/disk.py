"""The production store on a disk that fails and loses power: every acknowledged commit is there, and errors are told.

disk-crash     power is lost at any I/O, also while the database is opened again; what was not synced is torn and lost
disk-faults    the same, with reads, writes and syncs that fail, a disk that fills up, hangs and does things by halves
disk-restart   syncs fail, the process gives up and is started again on what the system still shows, then power is lost

A disk that lies (lost writes, syncs that do nothing, rot) is not among them: no single copy survives it. That it is
found out is tested where the store is opened on such a disk.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

import apsw
import attrs

from kelpie_core.errors import StoreError
from kelpie_core.model.block import Block
from kelpie_core.ports import Transaction
from kelpie_core.records import BLOCKS
from kelpie_server.world.store_sqlite import SqliteStore
from kelpie_sim.agents.clock import SimClock
from kelpie_sim.agents.sqlite import PATH, open_sqlite
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World
from kelpie_sim.world.disk import DiskSetup
from kelpie_sim.world.disk import faults as f
from kelpie_sim.world.disk.sqlite_vfs import VFS_NAME, sqlite_path
from kelpie_sim.world.host import Host

T = TypeVar("T")
COPIES = 3
"""How many records each transaction writes: all of them or none."""
RESTART_MS_MAX = 3_000
RETRY_SECONDS = 0.5
DONE_WITHIN_SECONDS = 24 * 3600.0
CHECKED_WITHIN_SECONDS = 60.0
CRASH_RATES = (0.0, 0.002, 0.01, 0.05)
FAULT_RATES = (0.0, 0.0, 0.002, 0.01, 0.03)
SYNC_RATES = (0.05, 0.1, 0.2)
FAILURES_MAX = 20
"""Of each kind: a database that fails at every other I/O is opened for ever, and tells nothing new."""
RECOVERED, UNCERTAIN, FAILED = "recovered after a crash", "a commit was uncertain", "a commit failed"
STARTED_AGAIN = "started again after an uncertain commit"
GIVE_UP_CHANCE = 0.7


@attrs.define(eq=False)
class Register:
    """One client's records: the one value that all of them hold, or the values that they may hold."""

    client: int
    allowed: set[str] = attrs.field(factory=lambda: {""})
    begun: int = 0

    @property
    def ids(self) -> list[str]:
        """The ids of the records."""
        return [f"block-{self.client}-{copy}" for copy in range(COPIES)]


class Campaign:
    """A host with a store, clients in it that write, and the account of what was acknowledged, which no crash hurts.

    `gives_up` says whether the process may end when a commit is uncertain, to be started again.
    """

    def __init__(self, world: World, *, gives_up: bool = False) -> None:
        swarm = world.swarm
        self.world = world
        self.host = world.host("database")
        self.disk = world.disks.disk(self.host, _setup(swarm))
        self.clock = SimClock(world, self.host)
        self.sizes = world.streams.stream("workload")
        self.registers = [Register(client=client) for client in range(swarm.size("clients", 1, 3))]
        self.writes_each = swarm.size("writes", 1, 12)
        self.size_max = swarm.pick("size_max", (10, 3_000, 40_000))
        self.gives_up = gives_up
        self.keeps_cache = False
        """Whether the process began where one before it ended by itself: on what the system holds, synced or not."""
        self.checked_life = 0
        """The last life of the host in which all was found as it should be, after the last write."""
        self.host.on_crash.append(self._crashed)

    @property
    def written(self) -> bool:
        """Whether every client has tried all its writes."""
        return all(register.begun == self.writes_each for register in self.registers)

    async def main(self) -> None:
        """Look at what a crash has left, open the store, and let the clients go on: the program on the host."""
        # Not after a mere restart: whoever opens and closes the database brings the log into the file.
        if not self.keeps_cache:
            await self._persist(self._check_integrity)
        store = await self._persist(partial(open_sqlite, self.world, self.host))
        await self._persist(partial(self._check_content, store, settled=True))
        if self.host.incarnation > 1:
            self.world.sometimes.hit(STARTED_AGAIN if self.keeps_cache else RECOVERED)
        await asyncio.gather(*(self._write_all(store, register) for register in self.registers))
        await self._persist(partial(self._check_content, store, settled=False))
        self.checked_life = self.host.incarnation
        # A failing disk closes it too, and leaves the log for the next life.
        with contextlib.suppress(StoreError):
            await store.aclose()

    async def _persist(self, work: Callable[[], Awaitable[T]]) -> T:
        """Try again for as long as the disk fails."""
        while True:
            try:
                return await work()
            except (StoreError, apsw.IOError, apsw.CantOpenError, apsw.FullError) as error:
                self.world.story(f"the disk fails: {error}")
                await asyncio.sleep(RETRY_SECONDS)

    async def _check_integrity(self) -> None:
        connection = apsw.Connection(sqlite_path(self.disk, PATH), vfs=VFS_NAME)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check").fetchall()]
        finally:
            connection.close()
        if any("error code" in line for line in found):
            raise StoreError("a page could not be read")
        self.world.check(found == ["ok"], f"a crash leaves the database whole: {found}")

    async def _check_content(self, store: SqliteStore, *, settled: bool) -> None:
        """Compare with what was acknowledged. A commit that failed with an uncertain end may come to light in a crash,
        though it is not to be seen now; after one, what is there is settled."""
        for register in self.registers:
            async with store.transaction() as tx:
                values = {await _value(tx, block_id) for block_id in register.ids}
            self.world.check(len(values) == 1, f"a transaction is written whole or not at all: {_shown(values)}")
            self.world.check(
                values <= register.allowed,
                f"what was acknowledged is there: found {_shown(values)}, not one of {_shown(register.allowed)}",
            )
            if settled:
                register.allowed = values

    async def _write_all(self, store: SqliteStore, register: Register) -> None:
        while register.begun < self.writes_each:
            register.begun += 1
            text = f"{register.client}/{register.begun}/".ljust(self.sizes.between(10, self.size_max), "x")
            before = register.allowed
            # Until the answer is there, both are possible; should power be lost, no line below is reached.
            register.allowed = before | {text}
            try:
                await self._write(store, register, text)
            except StoreError as error:
                self.world.story(f"write {_shown([text])}: {error}")
                self.world.sometimes.hit(UNCERTAIN if error.uncertain else FAILED)
                if not error.uncertain:
                    register.allowed = before
                elif self.gives_up and self.sizes.chance(GIVE_UP_CHANCE):
                    raise SystemExit(1) from error
            else:
                register.allowed = {text}

    async def _write(self, store: SqliteStore, register: Register, text: str) -> None:
        async with store.transaction() as tx:
            for block_id in register.ids:
                await _value(tx, block_id)
                await tx.put(BLOCKS, self._block(block_id, text))

    def _block(self, block_id: str, text: str) -> Block:
        now = self.clock.now()
        return Block(
            id=block_id,
            organization_id="org",
            created_by_id="user",
            label="note",
            value=text,
            limit=self.size_max,
            created_at=now,
            updated_at=now,
        )

    def _crashed(self, host: Host) -> None:
        self.keeps_cache = host.exit_code is not None
        self.world.story(f"the database's {'process gives up' if self.keeps_cache else 'host loses power'}")
        restart_ms = self.world.streams.stream("restart").between(1, RESTART_MS_MAX)
        self.world.loop.call_later(restart_ms / 1_000, self._restart)

    def _restart(self) -> None:
        if not self.host.alive:
            self.host.restart()


async def _value(tx: Transaction, block_id: str) -> str:
    block = await tx.get(BLOCKS, (block_id,))
    return "" if block is None else block.value


def _setup(swarm: Swarm) -> DiskSetup:
    return DiskSetup(
        sector_bytes=512 if swarm.flag("small_sectors") else 4096,
        latency_us=swarm.pick("latency_us", (0, 100)),
        sync_latency_us=swarm.pick("sync_latency_us", (0, 5_000)),
        names="strict" if swarm.flag("strict_names") else "journaled",
    )


def _shown(values: Iterable[str]) -> str:
    return ", ".join(sorted(value.rstrip("x") or "nothing" for value in values))


async def _run(world: World, *, gives_up: bool = False) -> None:
    campaign = Campaign(world, gives_up=gives_up)
    campaign.host.start(campaign.main)
    await world.settle(lambda: campaign.written, within_seconds=DONE_WITHIN_SECONDS, what="all clients write")
    campaign.host.crash()
    world.heal()
    await world.settle(
        lambda: campaign.checked_life == campaign.host.incarnation,
        within_seconds=CHECKED_WITHIN_SECONDS,
        what="the database opens, and holds what it should",
    )


def _crashes(swarm: Swarm) -> tuple[Fault, ...]:
    """Return crashes around I/O, few enough to get somewhere in spite of them."""
    rate, count = swarm.rate("crash", CRASH_RATES), swarm.size("crashes", 1, 6)
    return (
        f.DiskTornWrite(probability=swarm.rate("torn", (0.0, 0.5))),
        f.DiskCrash(probability=rate, max_triggers=count, when="before"),
        f.DiskCrash(probability=rate, max_triggers=count, when="during"),
        f.DiskCrash(probability=rate, max_triggers=count, when="after"),
    )


def _failures(swarm: Swarm) -> tuple[Fault, ...]:
    """Return everything that goes wrong with a disk that does not lie."""
    return (
        *_crashes(swarm),
        f.DiskReadFail(probability=swarm.rate("read_fail", FAULT_RATES), max_triggers=FAILURES_MAX),
        f.DiskWriteFail(probability=swarm.rate("write_fail", FAULT_RATES), max_triggers=FAILURES_MAX),
        f.DiskSpaceFull(probability=swarm.rate("space_full", FAULT_RATES), max_triggers=FAILURES_MAX),
        # Of files only: SQLite does not hear of a directory whose sync fails, and loses commits where names need it.
        f.DiskSyncFail(on=f.SYNC, probability=swarm.rate("sync_fail", FAULT_RATES), max_triggers=FAILURES_MAX),
        f.DiskShortRead(probability=swarm.rate("short_read", FAULT_RATES)),
        f.DiskShortWrite(probability=swarm.rate("short_write", FAULT_RATES)),
        f.DiskLatency(probability=swarm.rate("latency", FAULT_RATES), latency_ms=swarm.pick("latency_ms", (20, 2_000))),
        f.DiskStuck(probability=swarm.rate("stuck", (0.0, 0.0, 0.002))),
    )


def _failing_syncs(swarm: Swarm) -> tuple[Fault, ...]:
    """Return syncs that fail often, and few crashes, so that much happens between a lost page and the loss of power."""
    return (
        f.DiskSyncFail(on=f.SYNC, probability=swarm.rate("sync_fail", SYNC_RATES), max_triggers=FAILURES_MAX),
        f.DiskCrash(probability=swarm.rate("crash", (0.0, 0.002)), max_triggers=2, when="after"),
    )


SCENARIOS = (
    Scenario(
        name="disk-crash",
        run=_run,
        faults=_crashes,
        sometimes=(RECOVERED,),
        doc="The store loses power at any I/O and keeps what it acknowledged.",
    ),
    Scenario(
        name="disk-faults",
        run=_run,
        faults=_failures,
        sometimes=(RECOVERED, UNCERTAIN, FAILED),
        doc="The store loses power on a disk that fails, and keeps what it acknowledged.",
    ),
    Scenario(
        name="disk-restart",
        run=partial(_run, gives_up=True),
        faults=_failing_syncs,
        sometimes=(RECOVERED, UNCERTAIN, STARTED_AGAIN),
        doc="The store is started again after syncs that failed, then loses power, and keeps what it acknowledged.",
    ),
)

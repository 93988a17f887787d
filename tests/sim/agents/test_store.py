"""The way to the durable store: production transactions over it, one life of one host, latency that time shows."""

import pytest

from kelpie_core.errors import Conflict
from kelpie_core.memory_store import MemoryStore
from kelpie_core.optimistic import Commit, OptimisticTransaction
from kelpie_core.records import BLOCKS
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.store import SimStore
from kelpie_sim.errors import HostDead
from tests.sim.agents.worlds import block, outcome_of, result_of


class Stage:
    """A host with a store, and what the store told of its commits."""

    def __init__(self, world, *, latency_ms_max=0):
        self.world = world
        self.durable = MemoryStore()
        self.commits: list[Commit] = []
        self.host = world.host("server-1")
        self.host.start(self._main)
        self.store = SimStore(world, self.host, self.durable, self.commits.append, latency_ms_max)

    async def _main(self):
        """Run nothing."""

    async def write(self, value):
        """Store a block of this value."""
        async with self.store.transaction() as tx:
            await tx.get(BLOCKS, ("block-1",))
            await tx.put(BLOCKS, block(value))

    async def read(self, store=None):
        """Return the block's value, through the store or another one."""
        async with (store or self.store).transaction() as tx:
            found = await tx.get(BLOCKS, ("block-1",))
        return found and found.value


def test_what_is_written_is_durable():
    """A commit lands on the durable store, is told once, and is read back through the store."""

    async def program(world):
        stage = Stage(world)
        await stage.write("a")
        return await stage.read(), await stage.read(stage.durable), len(stage.commits)

    assert ("a", "a", 1) == result_of(program)


def test_conflict_of_the_backend_is_a_conflict():
    """When another writes meanwhile the commit is refused, and nothing of it is told or there."""

    async def program(world):
        stage = Stage(world)
        tx = OptimisticTransaction(stage.store)
        await tx.get(BLOCKS, ("block-1",))
        await tx.put(BLOCKS, block("mine"))
        async with stage.durable.transaction() as other:
            await other.put(BLOCKS, block("other"))
        with pytest.raises(Conflict):
            await tx.__aexit__(None, None, None)
        return await stage.read(), len(stage.commits)

    assert ("other", 0) == result_of(program)


def test_calls_take_time():
    """Each call takes up to the given time, as the seed draws it; none without."""

    async def program(world):
        slow, quick = Stage(world, latency_ms_max=50), Stage.__new__(Stage)
        before_ns = world.now_ns
        await slow.write("a")
        slow_ns = world.now_ns - before_ns
        quick.store = SimStore(world, slow.host, slow.durable, slow.commits.append)
        before_ns = world.now_ns
        await quick.read()
        return 0 < slow_ns <= 100_000_000, world.now_ns - before_ns

    assert (True, 0) == result_of(program)


@pytest.mark.parametrize("deed", ["read", "write"])
def test_dead_life_touches_nothing(deed):
    """The store of a life that has ended raises HostDead at each call, even when the host is up again."""

    async def program(world):
        stage = Stage(world)
        stage.host.restart()
        with pytest.raises(HostDead):
            await (stage.read() if deed == "read" else stage.write("late"))
        return await stage.read(stage.durable)

    assert result_of(program) is None


def test_crash_during_a_commits_wait_loses_it():
    """Power that is lost while a commit is on its way takes the commit with it."""

    async def program(world):
        stage = Stage(world, latency_ms_max=0)
        task = stage.host.spawn(stage.write("a"))
        await world.sleep(1)
        stage.host.crash()
        await world.sleep(10)
        return task.done(), await stage.read(stage.durable)

    fault = f.StorageLatency(on="commit", latency_ms=2_000)
    assert (False, None) == result_of(program, fault)


def test_first_fault_of_a_place_decides():
    """Of two faults at one write the first decides, and only that one counts as fired."""
    faults = (f.DiskFull(on="block_write"), f.StorageWriteFail(on="block_write", probability=0.999_999))

    async def program(world):
        with pytest.raises(Exception, match="no room"):
            await Stage(world).write("a")

    assert [1, 0] == [report.fired for report in outcome_of(program, *faults).faults]

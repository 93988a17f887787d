"""The production SQLite store inside the world."""

import asyncio
from typing import Any

import pytest

from kelpie_core.errors import StoreError
from kelpie_core.records import BLOCKS
from kelpie_sim.agents.sqlite import PATH, open_in_memory, open_sqlite
from kelpie_sim.world.disk import CrashKeeps, DiskSetup
from kelpie_sim.world.disk import faults as f
from tests.sim.agents.worlds import block, result_of

NOTHING = (CrashKeeps.NONE,)


async def put(store, value):
    """Write a block."""
    async with store.transaction() as tx:
        await tx.get(BLOCKS, ("block-1",))
        await tx.put(BLOCKS, block(value))


async def values(store):
    """Return the blocks' values."""
    async with store.transaction() as tx:
        return [found.value for found in await tx.scan(BLOCKS, limit=10)]


def test_database_in_memory_is_empty_and_works():
    """A fresh database holds nothing; what is written is read back, without a thread or a moment of time."""

    async def program(world):
        store = await open_in_memory()
        before = await values(store)
        await put(store, "a")
        return before, await values(store), world.now_ns

    assert ([], ["a"], 0) == result_of(program)


def test_store_is_opened_again_after_a_crash():
    """What was acknowledged is in the file after the worst of crashes, write-ahead log and all."""
    told: list[Any] = []

    async def program(world):
        host = world.host("server")
        disk = world.disks.disk(host, DiskSetup(crash_keeps=NOTHING))

        async def main():
            store = await open_sqlite(world, host)
            told.append((await values(store), disk.exists(PATH + "-wal")))
            await put(store, f"life {host.incarnation}")
            host.crash()

        host.start(main)
        await asyncio.sleep(1)
        for _ in range(2):
            host.restart()
            await asyncio.sleep(1)

    result_of(program)
    assert [([], True), (["life 1"], True), (["life 2"], True)] == told


def test_answers_wait_for_the_disk():
    """A commit takes as long as the disk takes to sync it."""

    async def program(world):
        host = world.host("server")
        world.disks.disk(host, DiskSetup(sync_latency_us=1_000))

        async def main():
            store = await open_sqlite(world, host)
            start = world.now_ns
            await put(store, "a")
            return (world.now_ns - start) // 1_000

        return await host.start(main)

    assert 1_000 == result_of(program)


def test_failing_disk_is_a_store_error():
    """A sync that fails is told as a StoreError with an uncertain end, and the store goes on after that."""

    async def program(world):
        host = world.host("server")

        async def main():
            store = await open_sqlite(world, host)
            await asyncio.sleep(10)
            with pytest.raises(StoreError) as caught:
                await put(store, "a")
            await put(store, "b")
            return caught.value.uncertain, await values(store)

        return await host.start(main)

    assert (True, ["b"]) == result_of(program, f.DiskSyncFail(on=f.SYNC, between=(5, 100), max_triggers=1))


def test_power_loss_inside_a_job_ends_the_host():
    """A crash that SQLite makes an ordinary failure of is still a crash: nothing of the host hears of a failure."""
    told: list[Any] = []

    async def program(world):
        host = world.host("server")

        async def main():
            try:
                await open_sqlite(world, host)
            except Exception as error:
                told.append(repr(error))

        host.start(main)
        await asyncio.sleep(1)
        told.append(host.alive)

    for after in range(60):
        result_of(program, f.DiskCrash(after=after, max_triggers=1))
    assert [False] * 60 == told


def test_closed_store_is_one_file():
    """A store that is closed leaves one file, and answers no more."""

    async def program(world):
        host = world.host("server")

        async def main():
            store = await open_sqlite(world, host)
            await store.aclose()
            with pytest.raises(StoreError, match="closed"):
                await values(store)
            return world.disk(host).list("/")

        return await host.start(main)

    assert ("kelpie.db", "tmp") == result_of(program)

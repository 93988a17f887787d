"""The production SQLite store inside the world."""

from kelpie_core.records import BLOCKS
from kelpie_sim.agents.sqlite import open_sqlite
from tests.sim.agents.worlds import block, result_of


def test_database_is_empty_and_works():
    """A fresh database holds nothing; what is written is read back, without a thread or a moment of time."""

    async def program(world):
        store = await open_sqlite()
        async with store.transaction() as tx:
            before = list(await tx.scan(BLOCKS, limit=10))
            await tx.put(BLOCKS, block("a"))
        async with store.transaction() as tx:
            return before, list(await tx.scan(BLOCKS, limit=10)), world.now_ns

    assert ([], [block("a")], 0) == result_of(program)

"""The production SQLite store inside the world: the same SQL, in memory, each job run at once as part of its step.

The connection plays the disk: it outlives the hosts. What a torn or lying disk does to SQLite is not simulated here.
"""

from kelpie_server.world.sqlite_runner import InlineRunner
from kelpie_server.world.store_sqlite import SqliteStore


async def open_sqlite() -> SqliteStore:
    """Return an empty database."""
    return await SqliteStore.open(":memory:", runner=InlineRunner())

"""What third-party libraries need to run in the world: the only place that knows their insides. In reading order:

adapter.py     a library, the versions that are known to fit, and how it is adapted when it is imported
local.py       values per life of a host, and hashes by number
threads.py     blocking jobs as steps of the loop, also such that call back into it
async_io.py    anyio: worker threads, cancel scopes, run variables
servers.py     uvicorn and sse_starlette: no signals, connections and streams in order, nothing shared between hosts
clients.py     httpx, httpx2 and the SDKs on them: no real certificates, proxies, platform
databases.py   aiosqlite: connections without threads
known.py       all of them

The adapters stay in place once they are there. Outside of a guarded run each does what the original does.
"""

from kelpie_sim.libraries.known import ADAPTERS, apply

__all__ = ["ADAPTERS", "apply"]

"""Whether the server lives, and whether it can serve. Neither needs a token."""

from starlette.requests import Request
from starlette.responses import Response

from kelpie_core.records import AGENTS
from kelpie_server.config import VERSION
from kelpie_server.request import answer, kelpie_of


async def health(request: Request) -> Response:
    """Answer that the process lives."""
    return answer({"version": VERSION, "status": "ok"})


async def ready(request: Request) -> Response:
    """Answer that the store can be read; raise StoreError."""
    async with kelpie_of(request).ports.store.transaction() as tx:
        await tx.get(AGENTS, ("",))
    return answer({"version": VERSION, "status": "ready"})

"""Whether the server lives, whether it can serve, what it tells of itself."""

from starlette.requests import Request
from starlette.responses import Response

from kelpie_core.records import AGENTS
from kelpie_server.config import VERSION
from kelpie_server.errors import RETRY_AFTER_SECONDS
from kelpie_server.metrics import CONTENT_TYPE
from kelpie_server.observed import SelfChecking, Telemetry
from kelpie_server.request import answer, kelpie_of


async def health(request: Request) -> Response:
    """Answer that the process lives."""
    return answer({"version": VERSION, "status": "ok"})


async def ready(request: Request) -> Response:
    """Answer that the store can be read and written, or 503 while the server stops; raise StoreError."""
    if request.app.state.draining:
        return answer({"version": VERSION, "status": "stopping"}, 503, {"retry-after": str(RETRY_AFTER_SECONDS)})
    store = kelpie_of(request).ports.store
    async with store.transaction() as tx:
        await tx.get(AGENTS, ("",))
    if isinstance(store, SelfChecking):
        await store.check()
    return answer({"version": VERSION, "status": "ready"})


async def metrics(request: Request) -> Response:
    """Answer what Prometheus asks for."""
    telemetry: Telemetry = request.app.state.telemetry
    page = telemetry.metrics.page(kelpie_of(request).live_turns)
    return Response(page, headers={"content-type": CONTENT_TYPE})

"""Whether the server lives, and whether it can serve."""

import attrs
import httpx
from letta_client.types import HealthResponse

from kelpie_core.errors import StoreError
from kelpie_core.kelpie import Kelpie
from kelpie_core.memory_store import MemoryStore
from kelpie_server.app import create_app
from kelpie_server.config import VERSION, Config
from tests.core.wire.letta_samples import read_by_sdk
from tests.server.far_sides import World, in_world


def test_health():
    """A server that lives says so, with its version, whatever its store does."""

    async def test(world: World) -> object:
        world.store.broken = StoreError("disk")
        return (await world.http.get("/v1/health/")).json()

    assert HealthResponse(version=VERSION, status="ok") == read_by_sdk(HealthResponse, in_world(test))


def test_ready():
    """A server is ready while its store can be read."""

    async def test(world: World) -> list[int]:
        before = (await world.http.get("/v1/ready")).status_code
        world.store.broken = StoreError("disk")
        return [before, (await world.http.get("/v1/ready/")).status_code]

    assert [200, 503] == in_world(test)


def test_ready_means_that_something_can_be_written():
    """A store that can check itself is asked, and one that cannot write is not ready."""

    class Checking(MemoryStore):
        async def check(self) -> None:
            raise StoreError("the disk is full")

    async def test(world: World) -> int:
        ports = attrs.evolve(world.kelpie.ports, store=Checking())
        app = create_app(Kelpie(ports), Config())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://kelpie") as http:
            return (await http.get("/v1/ready")).status_code

    assert 503 == in_world(test)


def test_a_server_that_stops_is_not_ready():
    """Readiness says when to come again; the server lives and serves all the same."""

    async def test(world: World) -> tuple[object, ...]:
        world.app.state.draining = True
        ready = await world.http.get("/v1/ready")
        others = [(await world.http.get(path)).status_code for path in ("/v1/health", "/v1/agents")]
        return ready.status_code, ready.headers["retry-after"], *others

    assert (503, "1", 200, 200) == in_world(test)


def test_metrics():
    """What Prometheus reads is in its own form, and counts what was asked."""

    async def test(world: World) -> tuple[bool, bool]:
        await world.http.get("/v1/agents")
        answer = await world.http.get("/metrics")
        counted = 'kelpie_requests_total{method="GET",route="/v1/agents",status="200"} 1.0' in answer.text
        return answer.headers["content-type"].startswith("text/plain"), counted

    assert (True, True) == in_world(test)

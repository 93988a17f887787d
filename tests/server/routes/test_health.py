"""Whether the server lives, and whether it can serve."""

from letta_client.types import HealthResponse

from kelpie_core.errors import StoreError
from kelpie_server.config import VERSION
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

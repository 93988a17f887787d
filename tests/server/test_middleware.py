"""What happens to every request."""

import structlog

from tests.server.far_sides import World, in_world


def test_a_trailing_slash_makes_no_difference():
    """A path answers with and without a slash at its end, with no redirect."""

    async def test(world: World) -> list[int]:
        return [(await world.http.get(path)).status_code for path in ("/v1/agents", "/v1/agents/", "/v1/agents//")]

    assert [200, 200, 200] == in_world(test)


def test_a_request_keeps_its_id():
    """The client's own id comes back, and stands in the log with how the request went."""

    async def test(world: World) -> str:
        with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as logs:
            answer = await world.http.get("/v1/health/", headers={"x-request-id": "mine-1"})
        assert [("request", "GET", "/v1/health/", 200, "mine-1")] == [
            (log["event"], log["method"], log["path"], log["status"], log["request_id"]) for log in logs
        ]
        return answer.headers["x-request-id"]

    assert "mine-1" == in_world(test)


def test_a_request_without_a_decent_id_gets_one():
    """An id that could forge lines of the log is replaced."""

    async def test(world: World) -> list[str]:
        bare = await world.http.get("/v1/health")
        forged = await world.http.get("/v1/health", headers={"x-request-id": "a b\tc"})
        return [one.headers["x-request-id"] for one in (bare, forged)]

    first, second = in_world(test)
    assert (36, 36) == (len(first), len(second))
    assert first != second

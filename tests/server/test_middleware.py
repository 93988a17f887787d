"""What happens to every request."""

import asyncio
import contextvars

import httpx
import structlog

from kelpie_core.ids import ORGANIZATION_DEFAULT
from kelpie_core.kelpie import Kelpie
from kelpie_server.app import create_app
from kelpie_server.config import Config
from kelpie_server.observed import Telemetry
from tests.server.asgi_client import post
from tests.server.far_sides import ScriptedModel, World, in_world, says, unknown
from tests.server.test_metrics import values
from tests.server.test_observed import ports_of
from tests.server.test_spans_otel import collected


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


def test_requests_are_counted_by_their_route():
    """A request is counted under its path's template, whatever ids are in it; one that fits no path has no route."""

    async def test(world: World) -> list[float]:
        for path in (f"/v1/agents/{unknown('agent')}", f"/v1/agents/{unknown('agent')}/", "/v1/nothing/a"):
            await world.http.get(path)
        found = values(world.app.state.telemetry.metrics)
        return [found["kelpie_requests_total", f"GET,{route},404"] for route in ("/v1/agents/{agent_id}", "unmatched")]

    assert [2, 1] == in_world(test)


def test_the_operation_stands_in_the_log():
    """The line of a request names the operation and in whose organization it was asked for."""

    async def test(world: World) -> tuple[str, str]:
        with structlog.testing.capture_logs() as logs:
            await world.http.get("/v1/agents")
        (line,) = logs
        return line["operation"], line["organization_id"]

    assert ("agents.list", ORGANIZATION_DEFAULT) == in_world(test)


def test_live_streams_are_counted():
    """A stream is counted for as long as it is open, and a plain answer is not."""
    go = asyncio.Event()

    async def test(world: World) -> list[float]:
        agent_id = await world.make_agent()
        exchange = post(world.app, f"/v1/agents/{agent_id}/messages/stream", {"input": "hi"})
        await exchange.start()
        during = values(world.app.state.telemetry.metrics)["kelpie_live_streams", ""]
        go.set()
        await exchange.task
        return [during, values(world.app.state.telemetry.metrics)["kelpie_live_streams", ""]]

    assert [1, 0] == in_world(test, model=ScriptedModel(says("hi"), go=go))


def test_a_request_has_a_span():
    """A request's span says what was asked for and what came of it, and a status of 5xx is an error."""
    spans, exporter = collected()

    async def test() -> None:
        app = create_app(Kelpie(ports_of(ScriptedModel())), Config(), Telemetry(spans=spans))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://kelpie") as http:
            await http.get("/v1/health", headers={"x-request-id": "mine"})
            await http.get("/v1/folders")

    contextvars.copy_context().run(asyncio.run, test())
    first, second = (dict(span.attributes or {}) for span in exporter.get_finished_spans())
    assert ("mine", "/v1/health", 200) == tuple(
        first[name] for name in ("request.id", "http.route", "http.response.status_code")
    )
    assert ("/v1/folders", 501) == (second["http.route"], second["http.response.status_code"])
    assert [None, "501"] == [span.status.description for span in exporter.get_finished_spans()]

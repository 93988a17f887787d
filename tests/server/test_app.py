"""The app: its routes, its errors, its life."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog
from starlette.requests import Request
from starlette.responses import Response

from kelpie_core.errors import InvariantBroken, StoreError
from kelpie_core.kelpie import Kelpie
from kelpie_core.model.run import RunStatus
from kelpie_core.ports import ModelChunk, ModelFinished, ModelRequest, TextDelta
from kelpie_server.app import HANDLERS, Methods, create_app, routes
from kelpie_server.config import Config
from kelpie_server.operations import OPERATIONS, Operation
from tests.server.asgi_client import Exchange, post
from tests.server.far_sides import ScriptedModel, World, in_world, says
from tests.server.manual_clock import settle

IDS = "11111111-1111-4111-8111-111111111111"
LATER = [one for one in OPERATIONS if one.name not in HANDLERS]


def path_of(operation: Operation) -> str:
    """Return the path of an operation with something for each parameter."""
    return "/".join(part if not part.startswith("{") else f"agent-{IDS}" for part in operation.path.split("/"))


def test_handlers_are_of_operations():
    """Whatever is implemented is an operation of the SDK."""
    assert set() == set(HANDLERS) - {one.name for one in OPERATIONS}


def test_what_comes_later_names_itself():
    """Each operation that is not implemented answers 501 with its name, and is not to be sent again."""

    async def test(world: World) -> None:
        for one in LATER:
            answer = await world.http.request(one.method, path_of(one))
            assert (501, f"{one.name} is not implemented") == (answer.status_code, answer.json()["detail"])
            assert "false" == answer.headers["x-should-retry"]

    in_world(test)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("GET", "/", 404), ("PUT", "/v1/agents", 405), ("GET", "/v1/agents/import", 405)],
)
def test_what_does_not_exist(method, path, status):
    """An unknown path is not found, a known one with another method is not allowed; both say so in JSON."""

    async def test(world: World) -> tuple[int, list[str]]:
        answer = await world.http.request(method, path)
        return answer.status_code, list(answer.json())

    assert (status, ["detail"]) == in_world(test)


def test_what_is_allowed_is_told():
    """A method that is not allowed is answered with those that are."""

    async def test(world: World) -> str:
        return (await world.http.put("/v1/agents")).headers["allow"]

    assert {"HEAD", "GET", "POST"} == set(in_world(test).split(", "))


def test_head_is_get():
    """What can be got can be asked for without its body."""

    async def test(world: World) -> int:
        return (await world.http.head("/v1/health")).status_code

    assert 200 == in_world(test)


def test_every_path_is_routed_once():
    """No path has two routes."""
    paths = [route.path for route in routes()]
    assert len(set(paths)) == len(paths)


def test_our_own_mistake_is_an_answer():
    """A handler that breaks gives a 500, not a cut line."""

    async def broken(request: Request) -> Response:
        raise KeyError("x")

    async def test() -> int:
        with structlog.testing.capture_logs():
            return int((await Exchange(Methods({"POST": broken}), "POST", "/").start())["status"])

    assert 500 == asyncio.run(test())


def test_a_turn_cancelled_under_a_request_is_an_answer():
    """When the turn is given up, not the request, the request is told so."""

    async def stopping(request: Request) -> Response:
        raise asyncio.CancelledError

    async def test() -> int:
        exchange = Exchange(Methods({"POST": stopping}), "POST", "/")
        await exchange.task
        return int((await exchange.start())["status"])

    assert 503 == asyncio.run(test())


def test_a_cancelled_request_is_cancelled():
    """When a server that stops gives up on a request, it says so before it lets go."""

    async def slow(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def test() -> tuple[bool, int]:
        exchange = Exchange(Methods({"POST": slow}), "POST", "/")
        await settle()
        exchange.task.cancel()
        await asyncio.wait((exchange.task,))
        return exchange.task.cancelled(), (await exchange.start())["status"]

    assert (True, 503) == asyncio.run(test())


def test_unfinished_runs_are_taken_up_at_the_start():
    """What a dead process left at work is gone on with as soon as the app lives."""
    go = asyncio.Event()

    async def test(world: World) -> list[str]:
        run_id = await left_at_work(world)
        statuses = [(await world.kelpie.runs.get(run_id)).status.value]
        go.set()
        async with world.app.router.lifespan_context(world.app):
            await settle()
        return [*statuses, (await world.kelpie.runs.get(run_id)).status.value]

    statuses = in_world(test, model=ScriptedModel(says("never"), says("hello"), go=go))
    assert [RunStatus.RUNNING.value, RunStatus.COMPLETED.value] == statuses


@pytest.mark.parametrize(
    ("failure", "told"),
    [(StoreError("disk", retriable=False), "recovery_failed"), (InvariantBroken("ours"), "recovery_broke")],
)
def test_unfinished_runs_are_taken_up_later(failure, told):
    """The app looks again and again for runs that nobody drives; what fails meanwhile is heard of and ends nothing."""
    go = asyncio.Event()

    async def test(world: World) -> list[str]:
        with structlog.testing.capture_logs() as logs:
            async with world.app.router.lifespan_context(world.app):
                run_id = await left_at_work(world)
                world.store.broken = failure
                await world.clock.advance(30)
                world.store.broken = None
                go.set()
                await world.clock.advance(30)
        assert RunStatus.COMPLETED is (await world.kelpie.runs.get(run_id)).status
        return [log["event"] for log in logs if log["event"] != "request"]

    assert [told, "runs_taken_up"] == in_world(test, model=ScriptedModel(says("never"), says("hello"), go=go))


def test_a_dead_process_s_lease_is_taken_over():
    """At its start an app that has the store for itself does not wait for the lease of a run to run out."""

    async def test(world: World) -> RunStatus:
        agent_id = await world.make_agent()
        exchange = post(world.app, f"/v1/agents/{agent_id}/messages", {"input": "hi"})
        await settle()
        (run,) = await world.kelpie.runs.list()
        assert RunStatus.RUNNING is run.status
        next_process = create_app(Kelpie(world.kelpie.ports, grace_seconds=0.01), Config())
        async with next_process.router.lifespan_context(next_process):
            await settle()
        exchange.task.cancel()
        return (await world.kelpie.runs.get(run.id)).status

    assert RunStatus.COMPLETED is in_world(test, model=HangsOnce())


class HangsOnce:
    """A model that never answers the first time, and at once after that."""

    def __init__(self) -> None:
        self._hung = False

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        """Yield a reply."""
        if not self._hung:
            self._hung = True
            await asyncio.Event().wait()
        yield TextDelta(text="hello")
        yield ModelFinished()


async def left_at_work(world: World) -> str:
    """Return the run of a turn whose process died in mid-turn."""
    agent_id = await world.make_agent()
    dying = Kelpie(world.kelpie.ports, grace_seconds=0.01)
    exchange = post(create_app(dying, Config()), f"/v1/agents/{agent_id}/messages", {"input": "hi"})
    await settle()
    await dying.aclose()
    assert 503 == (await exchange.start())["status"]
    (run,) = await world.kelpie.runs.list()
    return run.id

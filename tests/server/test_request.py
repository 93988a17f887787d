"""What handlers take from a request."""

import pytest

from kelpie_server.request import UNMATCHED, notes_of
from tests.server.asgi_client import Exchange
from tests.server.far_sides import World, in_world

USER = "user-11111111-1111-4111-8111-111111111111"


def test_the_user_is_the_header_s():
    """What is made in a user's name says so."""

    async def test(world: World) -> str:
        answer = await world.http.post("/v1/blocks", json={"label": "a", "value": "b"}, headers={"user_id": USER})
        return str(answer.json()["created_by_id"])

    assert USER == in_world(test)


def test_a_malformed_user_is_refused():
    """A user that is no id is a bad request."""

    async def test(world: World) -> int:
        return (await world.http.get("/v1/agents", headers={"user_id": "nope"})).status_code

    assert 400 == in_world(test)


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_too_big_is_refused(announced):
    """A body over the limit is refused, announced or not, and the line is cut."""

    async def chunks():
        yield b"x" * 20

    async def test(world: World) -> tuple[int, str | None]:
        body = b"x" * 20 if announced else chunks()
        answer = await world.http.post("/v1/agents", content=body)
        return answer.status_code, answer.headers.get("connection")

    assert (413, "close") == in_world(test, body_bytes_max=10)


def test_a_body_announced_too_big_is_not_read():
    """A body that is announced to be too big is refused before any of it came."""

    async def test(world: World) -> int:
        exchange = Exchange(world.app, "POST", "/v1/agents", headers={"content-length": "11"})
        exchange._received.get_nowait()
        return int((await exchange.start())["status"])

    assert 413 == in_world(test, body_bytes_max=10)


def test_a_body_that_breaks_off_is_refused():
    """A client that goes away in the middle of its body has asked for nothing."""

    async def test(world: World) -> int:
        exchange = Exchange(world.app, "POST", "/v1/agents", b"{")
        exchange._received.get_nowait()
        exchange.gone()
        return int((await exchange.start())["status"])

    assert 400 == in_world(test)


def test_notes_are_of_one_request():
    """What is found out about a request is kept with it from the first time on, and with no other."""
    scope, other = {"type": "http"}, {"type": "http"}
    notes_of(scope).operation = "agents.list"
    assert ("agents.list", None, UNMATCHED) == (
        notes_of(scope).operation,
        notes_of(other).operation,
        notes_of(other).route,
    )

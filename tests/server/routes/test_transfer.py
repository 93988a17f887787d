"""Import and export over HTTP."""

import json

import httpx
import pytest

from kelpie_core.errors import StoreError
from kelpie_core.limits import IMPORT_CHUNK_MESSAGES
from kelpie_server.routes.transfer import FORM_BYTES_MAX
from tests.server.asgi_client import Exchange
from tests.server.far_sides import World, in_world, unknown


async def exported(world: World, agent_id: str) -> dict[str, object]:
    """Return an agent's file."""
    answer = await world.http.get(f"/v1/agents/{agent_id}/export")
    assert (200, "application/json") == (answer.status_code, answer.headers["content-type"])
    return dict(json.loads(answer.text))


async def imported(world: World, file: object, **options: str) -> httpx.Response:
    """Return the answer to an import."""
    data = file if isinstance(file, bytes) else json.dumps(file).encode()
    return await world.http.post("/v1/agents/import", files={"file": ("a.af", data)}, data=options)


def test_there_and_back():
    """An agent that was exported and imported has what the first one has, under a new id and name."""

    async def test(world: World) -> None:
        first = await world.make_agent(name="Ada", memory_blocks=[{"label": "human", "value": "Bo"}])
        await world.http.post(f"/v1/agents/{first}/messages", json={"input": "hi"})
        answer = await imported(world, await exported(world, first))
        (second,) = answer.json()["agent_ids"]
        assert first != second
        shown = (await world.http.get(f"/v1/agents/{second}")).json()
        assert ("Ada_copy", ["Bo"]) == (shown["name"], [one["value"] for one in shown["blocks"]])
        histories = [(await world.http.get(f"/v1/agents/{one}/messages")).json() for one in (first, second)]
        assert [one["content"] for one in histories[0]] == [one["content"] for one in histories[1]]

    in_world(test)


def test_options_of_an_import():
    """Name, model and the wish for no history are heeded, in the form or in the query."""

    async def test(world: World) -> None:
        file = await exported(world, await world.make_agent(name="Ada"))
        answer = await imported(world, file, name="Cy", model="a/b", strip_messages="true")
        shown = (await world.http.get(f"/v1/agents/{answer.json()['agent_ids'][0]}")).json()
        assert ("Cy", "a/b", []) == (shown["name"], shown["model"], shown["message_ids"])
        data = json.dumps(file).encode()
        answer = await world.http.post("/v1/agents/import?append_copy_suffix=false", files={"file": data})
        assert "Ada" == (await world.http.get(f"/v1/agents/{answer.json()['agent_ids'][0]}")).json()["name"]

    in_world(test)


@pytest.mark.parametrize("file", [b"", b"{", b"5", b"null", b"[]", b"{}", b'{"agents": 5}', b"\x00\xff"])
def test_a_bad_file_leaves_nothing(file):
    """A file that is none is the caller's error, and no agent comes of it."""

    async def test(world: World) -> tuple[int, object]:
        return (await imported(world, file)).status_code, (await world.http.get("/v1/agents")).json()

    assert (422, []) == in_world(test)


def test_a_form_without_a_file():
    """The file is what an import cannot do without."""

    async def test(world: World) -> tuple[int, str]:
        answer = await world.http.post("/v1/agents/import", files={"other": b"x"})
        return answer.status_code, answer.json()["detail"]

    assert (422, "$.file: is required") == in_world(test)


def test_a_file_too_big():
    """A file over the limit is refused before it is read, a form far over it before that."""

    async def test(world: World) -> None:
        file = await exported(world, await world.make_agent())
        over, far_over = await imported(world, file), await imported(world, b" " * (100 + FORM_BYTES_MAX))
        assert (422, 413) == (over.status_code, far_over.status_code)
        assert "100" in over.json()["detail"]

    in_world(test, import_bytes_max=100)


@pytest.mark.parametrize("query", ["scrub_messages=true", "use_legacy_format=true"])
def test_exports_that_do_not_exist(query):
    """A way of exporting that does not exist is said, not ignored."""

    async def test(world: World) -> int:
        return (await world.http.get(f"/v1/agents/{await world.make_agent()}/export?{query}")).status_code

    assert 501 == in_world(test)


def test_an_export_that_cannot_begin():
    """A store that fails before the first piece is a status; an unknown agent is not found."""

    async def test(world: World) -> list[int]:
        agent_id = await world.make_agent()
        statuses = [(await world.http.get(f"/v1/agents/{unknown('agent')}/export")).status_code]
        world.store.broken = StoreError("disk", retriable=False)
        return [*statuses, (await world.http.get(f"/v1/agents/{agent_id}/export")).status_code]

    assert [404, 503] == in_world(test)


def test_an_export_that_breaks_is_cut():
    """A store that fails later cuts the answer: the client never gets a shorter file that looks whole."""

    async def test(world: World) -> bytes:
        file = await exported(world, await world.make_agent())
        (agent,) = file["agents"]  # type: ignore[misc]
        (message,) = agent["messages"]  # type: ignore[has-type]
        count = 2 * IMPORT_CHUNK_MESSAGES
        agent["messages"] = [{**message, "id": f"message-{i}"} for i in range(count)]  # type: ignore[has-type]
        agent_id = (await imported(world, file)).json()["agent_ids"][0]
        exchange = Exchange(_broken_after_the_first(world), "GET", f"/v1/agents/{agent_id}/export")
        assert 200 == (await exchange.start())["status"]
        found: list[bytes] = []
        with pytest.raises(StoreError):
            await _read(exchange, found)
        return b"".join(found)

    with pytest.raises(json.JSONDecodeError):
        json.loads(in_world(test))


async def _read(exchange: Exchange, found: list[bytes]) -> None:
    async for piece in exchange.body():
        found.append(piece)


def _broken_after_the_first(world: World):
    async def app(scope, receive, send):
        async def send_and_break(message):
            if message["type"] == "http.response.body":
                world.store.broken = StoreError("disk", retriable=False)
            await send(message)

        await world.app(scope, receive, send_and_break)

    return app

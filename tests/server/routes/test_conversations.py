"""Conversations over HTTP."""

import asyncio
from typing import Any

import pytest
from letta_client.types import Conversation
from letta_client.types.agents import LettaResponse

from tests.core.wire.letta_samples import read_by_sdk
from tests.server.asgi_client import events_of, post
from tests.server.far_sides import ScriptedModel, World, in_world, says, unknown
from tests.server.manual_clock import settle


async def made(world: World, **body: object) -> tuple[str, str]:
    """Return an agent and a new conversation of it."""
    agent_id = await world.make_agent()
    answer = await world.http.post(f"/v1/conversations/?agent_id={agent_id}", json=body)
    assert 200 == answer.status_code, answer.text
    return agent_id, read_by_sdk(Conversation, answer.json()).id


def test_create_read_update_delete():
    """A conversation is made, read, changed and deleted, each answer read by the SDK."""

    async def test(world: World) -> None:
        agent_id, key = await made(world, summary="s")
        path = f"/v1/conversations/{key}"
        read = (await world.http.get(path)).json()
        assert (agent_id, "s", 1) == (read["agent_id"], read["summary"], len(read["in_context_message_ids"]))
        changed = await world.http.patch(path, json={"archived": True, "summary": None})
        assert (True, None) == (changed.json()["archived"], read_by_sdk(Conversation, changed.json()).summary)
        assert {"message": f"conversation {key} was deleted"} == (await world.http.delete(path)).json()
        assert [404, 404] == [(await world.http.request(m, path)).status_code for m in ("GET", "DELETE")]

    in_world(test)


def test_lists():
    """Lists hold what is asked for; their windows are not read."""

    async def test(world: World) -> None:
        agent_id, first = await made(world, summary="one")
        _, other = await made(world)
        second = (await world.http.post(f"/v1/conversations?agent_id={agent_id}", json={"summary": "two"})).json()["id"]
        for query, expected in (
            ("", [second, other, first]),
            (f"agent_id={agent_id}", [second, first]),
            (f"agent_id={agent_id}&order=asc&limit=1", [first]),
            (f"agent_id={agent_id}&after={second}", [first]),
            ("summary_search=ONE", [first]),
            ("archive_status=archived", []),
        ):
            shown = (await world.http.get(f"/v1/conversations/?{query}")).json()
            assert sorted(expected) == sorted(one["id"] for one in shown)
        whole = (await world.http.get("/v1/conversations")).json()
        assert {None} == {one["in_context_message_ids"] for one in whole}

    in_world(test)


def test_a_turn_is_a_stream_by_default():
    """A message to a conversation is answered with a stream, plainly only if asked."""

    async def test(world: World) -> None:
        agent_id, key = await made(world)
        exchange = post(world.app, f"/v1/conversations/{key}/messages", {"input": "hi", "include_pings": False})
        assert 200 == (await exchange.start())["status"]
        *events, last = events_of(b"".join([piece async for piece in exchange.body()]))
        assert (None, "[DONE]") == last
        kinds = [data["message_type"] for _, data in events]  # type: ignore[index]
        assert ["assistant_message", "stop_reason", "usage_statistics"] == kinds
        body = {"input": "again", "streaming": False}
        plain = (await world.http.post(f"/v1/conversations/{key}/messages", json=body)).json()
        shown: Any = read_by_sdk(LettaResponse, plain)
        assert ["echo: again"] == [one.content for one in shown.messages]
        default = await world.http.post("/v1/conversations/default/messages", json={**body, "agent_id": agent_id})
        assert 200 == default.status_code
        assert 3 == len((await world.http.get(f"/v1/agents/{agent_id}/messages")).json())

    in_world(test)


def test_a_fork():
    """A fork answers the new conversation; a message that is not in the window is not found."""

    async def test(world: World) -> None:
        agent_id, key = await made(world)
        await world.http.post(f"/v1/agents/{agent_id}/messages", json={"input": "hi"})
        forked = (await world.http.post(f"/v1/conversations/{agent_id}/fork?hidden=true")).json()
        assert 3 == len(read_by_sdk(Conversation, forked).in_context_message_ids or ())
        assert [key] == [one["id"] for one in (await world.http.get("/v1/conversations")).json()]
        missing = f"/v1/conversations/default/fork?agent_id={agent_id}&message_id={unknown('message')}"
        assert 404 == (await world.http.post(missing)).status_code

    in_world(test)


def test_the_prompt():
    """The compiled prompt is a text, the same for the agent and its conversations."""

    async def test(world: World) -> None:
        agent_id, key = await made(world)
        await world.http.patch(f"/v1/agents/{agent_id}", json={"system": "Be brief."})
        asked = (
            f"/v1/agents/{agent_id}/recompile?dry_run=true",
            f"/v1/conversations/{key}/recompile",
            f"/v1/conversations/{agent_id}/recompile?dry_run=false",
        )
        assert ["Be brief."] * 3 == [(await world.http.post(path)).json() for path in asked]

    in_world(test)


def test_a_turn_at_work_is_cancelled_and_told_again():
    """The run at work in a conversation is found, cancelled and told to its end; without one there is nothing."""
    go = asyncio.Event()

    async def test(world: World) -> None:
        _, key = await made(world)
        path = f"/v1/conversations/{key}"
        assert {} == (await world.http.post(f"{path}/cancel")).json()
        first = asyncio.ensure_future(world.http.post(f"{path}/messages", json={"input": "x", "streaming": False}))
        await settle()
        follower = post(world.app, f"{path}/stream", {"include_pings": False})
        await settle()
        (run,) = (await world.http.get("/v1/runs")).json()
        assert {run["id"]: "cancelled"} == (await world.http.post(f"{path}/cancel")).json()
        assert "cancelled" == (await first).json()["stop_reason"]["stop_reason"]
        assert 200 == (await follower.start())["status"]
        events = events_of(b"".join([piece async for piece in follower.body()]))
        assert ["stop_reason", "usage_statistics"] == [data["message_type"] for _, data in events[:-1]]  # type: ignore[index]
        assert 404 == (await world.http.post(f"{path}/stream")).status_code

    in_world(test, model=ScriptedModel(says("never"), go=go))


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/conversations", None, 422),
        ("POST", "/v1/conversations?agent_id=x", None, 422),
        ("POST", f"/v1/conversations?agent_id={unknown('agent')}", None, 404),
        ("GET", "/v1/conversations/x", None, 422),
        ("GET", "/v1/conversations/default", None, 422),
        ("GET", f"/v1/conversations/{unknown('conv')}", None, 404),
        ("GET", "/v1/conversations/default/messages", None, 422),
        ("GET", f"/v1/conversations/{unknown('conv')}/messages", None, 404),
        ("POST", f"/v1/conversations/{unknown('conv')}/messages", {"input": "x"}, 404),
        ("POST", f"/v1/conversations/{unknown('agent')}/cancel", None, 404),
        ("POST", f"/v1/conversations/{unknown('agent')}/fork?message_id=x", None, 422),
        ("POST", f"/v1/conversations/{unknown('conv')}/compact", None, 501),
        ("POST", f"/v1/conversations/{unknown('agent')}/recompile", {"compaction_settings": {}}, 501),
        ("POST", f"/v1/conversations/{unknown('agent')}/recompile?dry_run=perhaps", None, 422),
        ("POST", f"/v1/agents/{unknown('agent')}/recompile?update_timestamp=true", None, 501),
        ("POST", f"/v1/conversations/{unknown('agent')}/stream", {"starting_after": 3}, 404),
        ("POST", f"/v1/conversations/{unknown('agent')}/stream", {"run_id": "x"}, 422),
        ("POST", f"/v1/conversations/{unknown('agent')}/stream", {"run_id": unknown("run")}, 404),
    ],
)
def test_what_is_refused(method, path, body, status):
    """Malformed names are refused, unknown ones are not found, what does not exist is said."""

    async def test(world: World) -> int:
        return (await world.http.request(method, path, json=body)).status_code

    assert status == in_world(test)

"""Agents over HTTP, and what is attached to them."""

import asyncio

import pytest
from letta_client.types import AgentState
from letta_client.types.agent_state import Memory

from kelpie_core.errors import StoreError
from kelpie_server.config import Config
from kelpie_server.routes.agents import states_json
from kelpie_server.world.language_model.models import Models
from tests.core.wire.letta_samples import read_by_sdk
from tests.server.far_sides import World, in_world, unknown
from tests.server.routes.test_blocks import make_block
from tests.server.routes.test_tools import body as tool_body

BLOCKS = [{"label": "human", "value": "Bo"}, {"label": "persona", "value": "terse"}]


async def make_tool(world: World, name: str = "add") -> str:
    """Return the id of a new tool."""
    return str((await world.http.post("/v1/tools", json=tool_body(name))).json()["id"])


def test_create_and_read_back():
    """An agent is read back as it was made, with its blocks, its tools and its first message."""

    async def test(world: World) -> None:
        made = await world.http.post("/v1/agents", json={"name": "Ada", "model": "a/b", "memory_blocks": BLOCKS})
        read = await world.http.get(f"/v1/agents/{made.json()['id']}")
        assert made.json() == read.json()
        shown = read_by_sdk(AgentState, read.json())
        assert ("Ada", "a/b") == (shown.name, shown.model)
        assert ["Bo", "terse"] == [one.value for one in shown.blocks]
        assert ["conversation_search", "memory_insert", "memory_replace"] == [one.name for one in shown.tools]
        assert 1 == len(shown.message_ids or [])

    in_world(test)


def test_an_agent_needs_nothing():
    """An agent without a name and a model gets both."""

    async def test(world: World) -> None:
        first, second = [(await world.http.post("/v1/agents", json={})).json() for _ in range(2)]
        assert ("kelpie/echo", "kelpie-") == (first["model"], first["name"][:7])
        assert first["name"] != second["name"]

    in_world(test)


def test_no_default_model():
    """Without a default an agent must name its model."""

    async def test(world: World) -> int:
        return (await world.http.post("/v1/agents", json={})).status_code

    assert 400 == in_world(test, model_default=None)


def test_update():
    """A change is stored and answered with the whole agent."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent(name="Ada", description="d", tags=["t"])
        changed = await world.http.patch(f"/v1/agents/{agent_id}", json={"name": "Bo", "description": None})
        assert changed.json() == (await world.http.get(f"/v1/agents/{agent_id}")).json()
        shown = read_by_sdk(AgentState, changed.json())
        assert ("Bo", None, ["t"]) == (shown.name, shown.description, shown.tags)

    in_world(test)


def test_list():
    """Agents are listed page by page in either order, by name or tag; each item is readable by the SDK."""

    async def test(world: World) -> None:
        ids = [await world.make_agent(name=name, tags=[name]) for name in "abc"]

        async def listed(**query: object) -> list[str]:
            answer = (await world.http.get("/v1/agents", params=query)).json()  # type: ignore[arg-type]
            return [read_by_sdk(AgentState, one).id for one in answer]

        assert ids[::-1] == await listed()
        assert (ids[:2], ids[2:]) == (await listed(order="asc", limit=2), await listed(order="asc", after=ids[1]))
        assert [ids[0]] == await listed(before=ids[1], order="asc", limit=1)
        assert ([ids[1]], [ids[2]]) == (await listed(name="b"), await listed(tags="c"))

    in_world(test)


def test_a_list_shows_what_is_attached_if_asked():
    """A list has no blocks or tools unless it is asked to include something."""

    async def test(world: World) -> tuple[list[int], list[int]]:
        await world.make_agent(memory_blocks=BLOCKS)
        plain = (await world.http.get("/v1/agents")).json()
        whole = (await world.http.get("/v1/agents", params={"include": "agent.blocks"})).json()
        return [len(one["blocks"]) for one in plain], [len(one["blocks"]) for one in whole]

    assert ([0], [2]) == in_world(test)


def test_an_agent_deleted_while_it_is_listed():
    """An agent that goes while a list is put together is shown as it was when the page was read."""

    async def test(world: World) -> list[str]:
        agent_id = await world.make_agent(name="Ada")
        agent = await world.kelpie.agents.get(agent_id)
        await world.kelpie.agents.delete(agent_id)
        return [one["name"] for one in await states_json(world.kelpie, [agent])]

    assert ["Ada"] == in_world(test)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 422),
        ("limit=-1", 422),
        ("limit=100000", 422),
        ("after=x", 422),
        ("order=up", 422),
        (f"after={unknown('agent')}", 422),
        ("order_by=name", 422),
        ("include=agent.wings", 422),
        ("last_stop_reason=tired", 422),
    ],
)
def test_lists_that_are_refused(query, status):
    """A page that makes no sense is the caller's error; a filter that does not exist is said, not ignored."""

    async def test(world: World) -> int:
        return (await world.http.get(f"/v1/agents?{query}")).status_code

    assert status == in_world(test)


def test_delete():
    """A deleted agent is gone; deleting it again tells nothing about it."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent(name="s3cret")
        path = f"/v1/agents/{agent_id}"
        answers = [await world.http.request(method, path) for method in ("DELETE", "DELETE", "GET")]
        assert [200, 404, 404] == [one.status_code for one in answers]
        assert "s3cret" not in answers[1].text
        assert [] == (await world.http.get("/v1/agents")).json()

    in_world(test)


def test_blocks_of_an_agent():
    """An agent's blocks are read and changed by label, and listed in their order."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent(memory_blocks=[{"label": "a/b", "value": "1"}, {"label": "c", "value": "2"}])
        path = f"/v1/agents/{agent_id}/core-memory/blocks"
        changed = await world.http.patch(f"{path}/a%2Fb", json={"value": "3"})
        assert ("3", changed.json()) == (changed.json()["value"], (await world.http.get(f"{path}/a%2Fb")).json())
        assert ["3", "2"] == [one["value"] for one in (await world.http.get(path)).json()]
        assert 404 == (await world.http.get(f"{path}/nothing")).status_code

    in_world(test)


def test_attach_and_detach_a_block():
    """A block given to an agent is shown with it, and gone from it when taken; a label it has is refused."""

    async def test(world: World) -> None:
        agent_id, block_id, other = await world.make_agent(), await make_block(world), await make_block(world)
        path = f"/v1/agents/{agent_id}/core-memory/blocks"
        attached = (await world.http.patch(f"{path}/attach/{block_id}")).json()
        assert [block_id] == [one["id"] for one in attached["blocks"]]
        assert 200 == (await world.http.patch(f"{path}/attach/{block_id}")).status_code
        assert 409 == (await world.http.patch(f"{path}/attach/{other}")).status_code
        assert [] == (await world.http.patch(f"{path}/detach/{block_id}")).json()["blocks"]

    in_world(test)


def test_attach_and_detach_a_tool():
    """A tool given to an agent is shown with it, and gone from it when taken."""

    async def test(world: World) -> None:
        agent_id, tool_id = await world.make_agent(include_base_tools=False), await make_tool(world)
        path = f"/v1/agents/{agent_id}/tools"
        attached = (await world.http.patch(f"{path}/attach/{tool_id}")).json()
        assert (
            [tool_id]
            == [one["id"] for one in attached["tools"]]
            == [one["id"] for one in (await world.http.get(path)).json()]
        )
        assert [] == (await world.http.patch(f"{path}/detach/{tool_id}")).json()["tools"]

    in_world(test)


def test_what_is_attached_is_paged():
    """A short list is cut into pages as a long one is: forwards, backwards, in either order."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent(memory_blocks=[{"label": one, "value": one} for one in "abc"])

        async def listed(**query: object) -> str:
            path = f"/v1/agents/{agent_id}/core-memory/blocks"
            return "".join(one["label"] for one in (await world.http.get(path, params=query)).json())  # type: ignore[arg-type]

        (a, _, c) = [one["id"] for one in (await world.http.get(f"/v1/agents/{agent_id}")).json()["blocks"]]
        assert ("ab", "cb") == (await listed(limit=2), await listed(limit=2, order="desc"))
        assert ("bc", "b", "") == (await listed(after=a), await listed(after=a, limit=1), await listed(after=c))
        assert ("b", "ab") == (await listed(before=c, limit=1), await listed(before=c))
        assert ("", "") == (await listed(after=unknown("block")), await listed(before=unknown("block")))

    in_world(test)


@pytest.mark.parametrize(("agent_id", "status"), [("x", 422), (unknown("agent"), 404)])
@pytest.mark.parametrize("path", ["", "/core-memory/blocks", "/tools", "/messages", "/export"])
def test_ids(agent_id, status, path):
    """A malformed agent id is refused, an unknown one is not found, wherever it is asked for."""

    async def test(world: World) -> int:
        return (await world.http.get(f"/v1/agents/{agent_id}{path}")).status_code

    assert status == in_world(test)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/agents"),
        ("PATCH", "/v1/agents/{agent}"),
        ("PATCH", "/v1/agents/{agent}/core-memory/blocks/attach/{block}"),
        ("PATCH", "/v1/agents/{agent}/core-memory/blocks/detach/{block}"),
        ("PATCH", "/v1/agents/{agent}/tools/attach/{tool}"),
        ("PATCH", "/v1/agents/{agent}/tools/detach/{tool}"),
    ],
)
def test_what_is_stored_is_not_to_be_sent_again(method, path):
    """If a write went through and only the read for its answer fails, a client is not told to write once more."""

    async def test(world: World) -> None:
        named = {"agent": await world.make_agent(), "block": await make_block(world), "tool": await make_tool(world)}
        world.store.fail_after(1, StoreError("the disk failed", retriable=True))
        asked = asyncio.ensure_future(world.http.request(method, path.format(**named), json={"name": "Ada"}))
        while not asked.done():
            await world.clock.advance(10)
        told = await asked
        assert (503, "false") == (told.status_code, told.headers["x-should-retry"])
        world.store.broken = None
        if path == "/v1/agents":
            assert 1 == len((await world.http.get(path, params={"name": "Ada"})).json())

    in_world(test)


def test_what_is_not_stored_may_be_sent_again():
    """If the write itself failed for certain, or nothing was written at all, a client may ask once more."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent()
        for method, path in (("POST", "/v1/agents"), ("GET", f"/v1/agents/{agent_id}")):
            world.store.fail_after(0, StoreError("the disk failed", retriable=True))
            asked = asyncio.ensure_future(world.http.request(method, path, json={"name": "Ada"}))
            while not asked.done():
                await world.clock.advance(10)
            assert (503, "true") == ((await asked).status_code, (await asked).headers["x-should-retry"])

    in_world(test)


def test_count_and_memory():
    """Agents are counted by the filters of their list; an agent's memory is shown as older clients ask for it."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent(name="Ada", memory_blocks=BLOCKS)
        await world.make_agent(name="Bo")

        async def told(path: str, **query: str) -> object:
            return (await world.http.get(f"/v1/agents/{path}", params=query)).json()

        assert (2, 1) == (await told("count"), await told("count", name="Ada"))
        assert 0 == await told("count", identifier_keys="x")
        memory = read_by_sdk(Memory, await told(f"{agent_id}/core-memory"))
        assert ["Bo", "terse"] == [one.value for one in memory.blocks]
        assert 404 == (await world.http.get(f"/v1/agents/{unknown('agent')}/core-memory")).status_code
        assert 501 == (await world.http.get(f"/v1/agents/{agent_id}/context")).status_code

    in_world(test)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "kelpie/echo"}, 200),
        ({"model": "letta/auto"}, 200),
        ({"model": "openai/gpt-4o"}, 404),
        (
            {"model": "openai/m", "llm_config": {"model": "m", "model_endpoint_type": "openai", "context_window": 9}},
            200,
        ),
        ({"model": 5}, 422),
    ],
)
def test_models_that_nobody_has(body, status):
    """An agent is neither made with a model that nobody has nor changed to it, unless a config says where it is."""

    async def test(world: World) -> list[int]:
        agent_id = await world.make_agent()
        answers = [await world.http.post("/v1/agents", json=body)]
        answers.append(await world.http.patch(f"/v1/agents/{agent_id}", json=body))
        return [one.status_code for one in answers]

    assert [status, status] == in_world(test, Models(Config()))

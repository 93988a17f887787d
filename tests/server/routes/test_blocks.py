"""Memory blocks over HTTP."""

import pytest
from letta_client.types import BlockResponse

from tests.core.wire.letta_samples import read_by_sdk
from tests.server.far_sides import World, in_world, unknown


async def make_block(world: World, label: str = "human", value: str = "Bo") -> str:
    """Return the id of a new block."""
    answer = await world.http.post("/v1/blocks", json={"label": label, "value": value})
    return read_by_sdk(BlockResponse, answer.json()).id


def test_create_and_read_back():
    """A block is read back as it was made."""

    async def test(world: World) -> None:
        made = await world.http.post("/v1/blocks", json={"label": "human", "value": "Bo", "limit": 5, "tags": ["t"]})
        read = await world.http.get(f"/v1/blocks/{made.json()['id']}")
        assert made.json() == read.json()
        shown = read_by_sdk(BlockResponse, read.json())
        assert ("human", "Bo", 5, ["t"]) == (shown.label, shown.value, shown.limit, shown.tags)

    in_world(test)


def test_update():
    """A change is stored, and what was not changed stays."""

    async def test(world: World) -> tuple[str, str]:
        block_id = await make_block(world)
        changed = await world.http.patch(f"/v1/blocks/{block_id}", json={"value": "Cy"})
        read = await world.http.get(f"/v1/blocks/{block_id}")
        assert changed.json() == read.json()
        return read.json()["label"], read.json()["value"]

    assert ("human", "Cy") == in_world(test)


def test_list():
    """Blocks are listed page by page, in the order they were made, or by label."""

    async def test(world: World) -> None:
        ids = [await make_block(world, label) for label in "abc"]
        first = (await world.http.get("/v1/blocks", params={"limit": 2})).json()
        rest = (await world.http.get("/v1/blocks", params={"limit": 2, "after": first[-1]["id"]})).json()
        last = (await world.http.get("/v1/blocks", params={"limit": 2, "after": rest[-1]["id"]})).json()
        assert (ids[:2], ids[2:], []) == tuple([one["id"] for one in page] for page in (first, rest, last))
        assert [ids[1]] == [one["id"] for one in (await world.http.get("/v1/blocks", params={"label": "b"})).json()]
        assert [] == (await world.http.get("/v1/blocks", params={"identifier_keys": "x"})).json()
        assert 501 == (await world.http.get("/v1/blocks", params={"order_by": "label"})).status_code

    in_world(test)


def test_delete():
    """A deleted block is gone, and deleting it again says so."""

    async def test(world: World) -> list[int]:
        block_id = await make_block(world)
        answers = [await world.http.delete(f"/v1/blocks/{block_id}") for _ in range(2)]
        answers.append(await world.http.get(f"/v1/blocks/{block_id}"))
        return [one.status_code for one in answers]

    assert [200, 404, 404] == in_world(test)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"label": "x", "value": "y" * 20, "limit": 10}, "$.value"),
        ({"label": "x", "value": 5}, "$.value"),
        ({"value": "x"}, "$.label"),
    ],
)
def test_bad_blocks(body, path):
    """A block over its limit, of a wrong type or without a label is refused by its path, and nothing is stored."""

    async def test(world: World) -> str:
        answer = await world.http.post("/v1/blocks", json=body)
        assert (422, []) == (answer.status_code, (await world.http.get("/v1/blocks")).json())
        return str(answer.json()["detail"])

    assert in_world(test).startswith(f"{path}: ")


def test_ids():
    """A malformed id is refused, an unknown one is not found."""

    async def test(world: World) -> list[int]:
        return [(await world.http.get(f"/v1/blocks/{one}")).status_code for one in ("x", unknown("block"))]

    assert [422, 404] == in_world(test)


def test_count_and_agents():
    """Blocks are counted by the filters of their list; the agents that have one are listed."""

    async def test(world: World) -> None:
        block_id = await make_block(world)
        await make_block(world, "other")
        agent_id = await world.make_agent(block_ids=[block_id])

        async def told(path: str, **query: str) -> object:
            return (await world.http.get(f"/v1/blocks/{path}", params=query)).json()

        assert (2, 1) == (await told("count"), await told("count", label="human"))
        assert 0 == await told("count", identifier_keys="x")
        assert [agent_id] == [one["id"] for one in await told(f"{block_id}/agents")]  # type: ignore[attr-defined]

    in_world(test)

"""Tools over HTTP."""

from letta_client.types import Tool

from tests.core.wire.letta_samples import read_by_sdk
from tests.server.far_sides import World, in_world


def body(name: str = "add", source: str = "def add(): ...") -> dict[str, object]:
    """Return what makes a tool."""
    return {"source_code": source, "json_schema": {"name": name, "description": "d", "parameters": {"type": "object"}}}


def test_create_read_update_delete():
    """A tool is read back as it was made and changed, until it is deleted."""

    async def test(world: World) -> list[int]:
        made = await world.http.post("/v1/tools", json=body())
        path = f"/v1/tools/{made.json()['id']}"
        assert made.json() == (await world.http.get(path)).json()
        assert ("add", "custom") == (lambda tool: (tool.name, tool.tool_type))(read_by_sdk(Tool, made.json()))
        changed = await world.http.patch(path, json={"source_code": "y"})
        assert ("y", changed.json()) == (changed.json()["source_code"], (await world.http.get(path)).json())
        return [(await world.http.request(m, path)).status_code for m in ("DELETE", "DELETE", "GET")]

    assert [200, 404, 404] == in_world(test)


def test_a_name_is_taken_once():
    """A second tool of a name is refused; an upsert replaces the first and keeps its id."""

    async def test(world: World) -> None:
        first = await world.http.post("/v1/tools", json=body())
        assert 409 == (await world.http.post("/v1/tools", json=body())).status_code
        second = await world.http.put("/v1/tools", json=body(source="z"))
        assert (first.json()["id"], "z") == (second.json()["id"], second.json()["source_code"])

    in_world(test)


def test_list():
    """Tools are listed page by page, newest first, or by name."""

    async def test(world: World) -> None:
        for name in "abc":
            await world.http.post("/v1/tools", json=body(name))
        first = (await world.http.get("/v1/tools", params={"limit": 2})).json()
        rest = (await world.http.get("/v1/tools", params={"limit": 2, "after": first[-1]["id"]})).json()
        assert (["c", "b"], ["a"]) == ([one["name"] for one in first], [one["name"] for one in rest])
        assert ["b"] == [one["name"] for one in (await world.http.get("/v1/tools", params={"name": "b"})).json()]
        assert 501 == (await world.http.get("/v1/tools", params={"search": "b"})).status_code

    in_world(test)

"""Tools over HTTP."""

from letta_client.types import Tool, ToolReturnMessage, ToolSearchResult
from letta_client.types.agents import ToolExecutionResult

from tests.core.wire.letta_samples import read_by_sdk
from tests.server.far_sides import World, in_world

NEW = 'def less(a: int):\n    """Less."""'
FILTERS: tuple[tuple[str, list[str]], ...] = (
    ("search=B", ["b"]),
    ("names=a,c", ["c", "a"]),
    ("name=a", ["a"]),
    ("name=a&search=b", []),
    ("tool_types=custom&order=asc", ["a", "b", "c"]),
    ("exclude_tool_types=custom", []),
    ("return_only_letta_tools=true", []),
)


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
        changed = await world.http.patch(path, json={"source_code": NEW})
        assert (NEW, changed.json()) == (changed.json()["source_code"], (await world.http.get(path)).json())
        assert ("less", "Less.") == (changed.json()["name"], changed.json()["json_schema"]["description"])
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
        for query, found in FILTERS:
            listed = (await world.http.get(f"/v1/tools?{query}")).json()
            counted = (await world.http.get(f"/v1/tools/count?{query}")).json()
            assert (found, len(found)) == ([one["name"] for one in listed], counted), query
        assert [200, 501] == [
            (await world.http.get("/v1/tools", params={"order_by": word})).status_code
            for word in ("created_at", "name")
        ]

    in_world(test)


def test_tool_from_source():
    """A tool without a schema gets the one that its source says; bad source is refused with its line."""

    async def test(world: World) -> None:
        made = await world.http.post("/v1/tools", json={"source_code": NEW})
        tool = read_by_sdk(Tool, made.json())
        assert ("less", "Less.", "python") == (tool.name, tool.description, tool.source_type)
        assert {"a": {"type": "integer"}} == made.json()["json_schema"]["parameters"]["properties"]
        for source, words in (("def (", "invalid syntax (line 1)"), ("def x(): ...", "Function x missing docstring")):
            refused = await world.http.put("/v1/tools", json={"source_code": source})
            assert (400, True) == (refused.status_code, words in refused.json()["detail"])

    in_world(test)


def test_builtin_tools():
    """The builtin tools are made on demand, once, and stay."""

    async def test(world: World) -> None:
        first, second = [await world.http.post("/v1/tools/add-base-tools") for _ in range(2)]
        assert (200, first.json()) == (first.status_code, second.json())
        only = (await world.http.get("/v1/tools", params={"return_only_letta_tools": True, "limit": 100})).json()
        assert {one["id"] for one in only} == {read_by_sdk(Tool, one).id for one in first.json()}
        path = f"/v1/tools/{only[0]['id']}"
        changed = await world.http.patch(path, json={"description": "x"})
        assert [409, 409] == [changed.status_code, (await world.http.delete(path)).status_code]
        taken = {**body("send_message"), "description": "x"}
        assert [409, 409] == [
            (await world.http.request(m, "/v1/tools", json=taken)).status_code for m in ("POST", "PUT")
        ]

    in_world(test)


def test_search():
    """Tools are found by words, best first, in the SDK's shape."""

    async def test(world: World) -> None:
        for name in ("send_mail", "read_mail", "roll"):
            await world.http.post("/v1/tools", json=body(name))
        found = (await world.http.post("/v1/tools/search", json={"query": "read mail"})).json()
        assert ["read_mail", "send_mail"] == [read_by_sdk(ToolSearchResult, one).tool.name for one in found]
        assert 501 == (await world.http.post("/v1/tools/search", json={"search_mode": "vector"})).status_code

    in_world(test)


def test_run():
    """An agent's tool runs, and so does source; where nothing can run, that is what they answer."""

    async def test(world: World) -> None:
        tool = (await world.http.post("/v1/tools", json={"source_code": NEW})).json()
        agent_id = await world.make_agent(tool_ids=[tool["id"]])
        path = f"/v1/agents/{agent_id}/tools"
        ran = read_by_sdk(ToolExecutionResult, (await world.http.post(f"{path}/less/run", json={"args": {}})).json())
        words = "the tool could not be run: less: this server has no sandbox to run a tool's source in"
        assert ("error", words) == (ran.status, ran.func_return)
        arguments = {"label": "human", "new_string": "tea"}
        edited = (await world.http.post(f"{path}/memory_insert/run", json={"args": arguments})).json()
        assert "there is no memory block 'human'" in edited["func_return"]
        assert 404 == (await world.http.post(f"{path}/nobody/run", json={})).status_code
        once = (await world.http.post("/v1/tools/run", json={"source_code": "def f(): pass", "args": {}})).json()
        assert "error" == read_by_sdk(ToolReturnMessage, once).status

    in_world(test)


def test_approval():
    """Whether calls of an agent's tool wait for approval is told with the agent."""

    async def test(world: World) -> None:
        tool = (await world.http.post("/v1/tools", json={"source_code": NEW})).json()
        agent_id = await world.make_agent(tool_ids=[tool["id"]])
        path = f"/v1/agents/{agent_id}/tools/approval/less"
        rule = {"type": "requires_approval", "tool_name": "less"}
        for required, expected in ((True, [rule]), (False, [])):
            answer = await world.http.patch(path, json={"requires_approval": required})
            found = [{name: one[name] for name in rule} for one in answer.json()["tool_rules"]]
            assert (200, expected) == (answer.status_code, found)
        assert 422 == (await world.http.patch(path, json={})).status_code

    in_world(test)

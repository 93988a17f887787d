"""Tenants cannot see each other: every operation that is implemented, asked with another tenant's ids."""

import re

import attrs
import httpx
import pytest

from kelpie_core.ids import uuid4_of
from kelpie_server.app import HANDLERS, OWN_ROUTES
from kelpie_server.operations import OPERATIONS, Operation
from tests.server.far_sides import World, in_world

OWNER, STRANGER = (f"org-{uuid4_of(number)}" for number in (1, 2))
TOKENS = (f"token-of-owner={OWNER}", f"token-of-stranger={STRANGER}")
IMPLEMENTED = [one for one in OPERATIONS if one.name in HANDLERS]
SCHEMA = {"name": "mine", "parameters": {"type": "object", "properties": {}}}
SOURCE = {"source_code": "def mine():\n    '''Do it.'''\n", "json_schema": SCHEMA}
# What each operation must be sent to be answered for its ids, and not for its body.
BODIES: dict[str, object] = {
    "agents.messages.create": {"input": "hi"},
    "agents.messages.stream": {"input": "hi"},
    "agents.messages.create_async": {"input": "hi"},
    "conversations.messages.create": {"input": "hi"},
    "agents.blocks.update": {"value": "v"},
    "agents.tools.update_approval": {"requires_approval": True},
    "agents.tools.run": {"args": {}},
    "steps.feedback.create": {"feedback": "positive"},
}
# Operations without an id in their path, and what a stranger gets who names the owner's things in the query or body.
LISTS = {
    "agents.list", "blocks.list", "tools.list", "runs.list", "steps.list", "tags.list", "conversations.list",
    "messages.list", "messages.search", "tools.search", "passages.search",
}  # fmt: skip
# The answers are the same for every tenant.
SHARED = {"health", "models.list", "models.embeddings.list"}
# They make things of the stranger's own; what they may name of others is in REFERENCES.
MAKERS = {
    "agents.create", "agents.import_file", "blocks.create", "tools.create", "tools.upsert", "conversations.create",
    "archives.create", "folders.create", "mcp_servers.create",
}  # fmt: skip


@attrs.frozen(kw_only=True)
class Owned:
    """The ids of the owner's things, by the name of the parameter."""

    ids: dict[str, str]

    def path_of(self, operation: Operation) -> str:
        """Return the path of an operation on the owner's things."""
        return re.sub(r"{(\w+)}", lambda found: self.ids[found[1]], operation.path)


def headers_of(who: str) -> dict[str, str]:
    """Return the headers of a tenant's request."""
    return {"authorization": f"Bearer token-of-{who}"}


async def made(world: World) -> Owned:
    """Let the owner have one of everything."""
    http, headers = world.http, headers_of("owner")
    body = {
        "name": "Ada",
        "tags": ["mine"],
        "memory_blocks": [{"label": "human", "value": "Bo"}],
        "secrets": {"a": "b"},
    }
    agent = (await http.post("/v1/agents", json=body, headers=headers)).json()
    tool = (await http.post("/v1/tools", json=SOURCE, headers=headers)).json()
    await http.patch(f"/v1/agents/{agent['id']}/tools/attach/{tool['id']}", headers=headers)
    turn = (await http.post(f"/v1/agents/{agent['id']}/messages", json={"input": "hello"}, headers=headers)).json()
    (run_id,) = turn["usage"]["run_ids"]
    ids = {
        "agent_id": agent["id"],
        "block_id": agent["blocks"][0]["id"],
        "block_label": "human",
        "tool_id": tool["id"],
        "tool_name": "mine",
        "run_id": run_id,
        "step_id": turn["messages"][0]["step_id"],
        "message_id": turn["messages"][0]["id"],
    }
    if "conversations.create" in HANDLERS:
        asked = await http.post(f"/v1/conversations?agent_id={agent['id']}", json={}, headers=headers)
        ids["conversation_id"] = asked.json()["id"]
    return Owned(ids=ids)


async def all_of(world: World) -> dict[str, object]:
    """Return all that the owner can see."""
    seen: dict[str, object] = {}
    for path in ("agents", "blocks", "tools", "runs"):
        seen[path] = (await world.http.get(f"/v1/{path}?include=all", headers=headers_of("owner"))).json()
    return seen


async def ask(world: World, operation: Operation, path: str) -> httpx.Response:
    """Let the stranger ask."""
    body = BODIES.get(operation.name, {})
    json = None if operation.method in ("GET", "DELETE") else body
    return await world.http.request(operation.method, path, json=json, headers=headers_of("stranger"))


def in_two_tenants(test):
    """Run a test in a world of two tenants, with the owner's ids; the owner's things stay as they were."""

    async def run(world: World):
        owned = await made(world)
        before = await all_of(world)
        result = await test(world, owned)
        assert before == await all_of(world)
        return result

    return in_world(run, tokens=TOKENS)


@pytest.mark.parametrize("operation", [one for one in IMPLEMENTED if "{" in one.path], ids=lambda one: one.name)
def test_things_of_others_do_not_exist(operation):
    """Whatever a stranger asks of another's thing, it is not found, and stays as it was."""

    async def test(world: World, owned: Owned) -> int:
        return (await ask(world, operation, owned.path_of(operation))).status_code

    assert 404 == in_two_tenants(test)


@pytest.mark.parametrize("operation", [one for one in IMPLEMENTED if "{" not in one.path], ids=lambda one: one.name)
def test_lists_hold_nothing_of_others(operation):
    """An operation that names no thing lists nothing of others', is the same for all, or makes the stranger's own."""
    assert 1 == sum(operation.name in group for group in (LISTS, SHARED, MAKERS)), "say which of them it is"

    async def test(world: World, owned: Owned) -> tuple[int, object]:
        answer = await ask(world, operation, operation.path)
        return answer.status_code, answer.json()

    if operation.name in LISTS:
        assert (200, []) == in_two_tenants(test)


# Paths that no operation of the SDK has, and what a stranger reads there: nothing of others, or None for what is the
# same for all. What is posted there is about nobody's things.
OWN: dict[str, object] = {
    "/v1/ready": None,
    "/metrics": None,
    "/openapi.json": None,
    "/v1/openapi.json": None,
    "/docs": None,
    "/v1/agents/count": 0,
    "/v1/agents/{agent_id}/context": None,
    "/v1/agents/{agent_id}/core-memory": None,
    "/v1/blocks/count": 0,
    "/v1/tools/add-base-tools": None,
    "/v1/tools/count": 0,
    "/v1/tools/run": None,
}


def test_paths_of_our_own_tell_nothing_of_others():
    """What is beside the SDK's operations counts and lists nothing of others; a new path must say what it tells."""
    assert set(OWN_ROUTES) == set(OWN)

    async def test(world: World, owned: Owned) -> dict[str, object]:
        headers = headers_of("stranger")
        paths = [path for path, told in OWN.items() if told is not None]
        return {path: (await world.http.get(path, headers=headers)).json() for path in paths}

    assert {path: told for path, told in OWN.items() if told is not None} == in_two_tenants(test)


def references(owned: Owned) -> list[tuple[str, str, dict[str, object]]]:
    """Return requests for the stranger's own that name the owner's things: method, path and body."""
    block, tool, agent = (owned.ids[name] for name in ("block_id", "tool_id", "agent_id"))
    return [
        ("POST", "/v1/agents", {"block_ids": [block]}),
        ("POST", "/v1/agents", {"tool_ids": [tool]}),
        ("PATCH", "/v1/agents/OWN", {"block_ids": [block]}),
        ("PATCH", "/v1/agents/OWN", {"tool_ids": [tool]}),
        ("PATCH", f"/v1/agents/OWN/core-memory/blocks/attach/{block}", {}),
        ("PATCH", f"/v1/agents/OWN/tools/attach/{tool}", {}),
        ("GET", f"/v1/runs?agent_id={agent}", {}),
        *([("POST", f"/v1/conversations?agent_id={agent}", {})] if "conversations.create" in HANDLERS else []),
    ]


def test_things_of_others_cannot_be_named():
    """What a stranger makes or changes of their own cannot hold another's things."""

    async def test(world: World, owned: Owned) -> list[int]:
        headers = headers_of("stranger")
        own = (await world.http.post("/v1/agents", json={}, headers=headers)).json()["id"]
        answers = [
            await world.http.request(method, path.replace("OWN", own), json=body, headers=headers)
            for method, path, body in references(owned)
        ]
        return [answer.status_code for answer in answers]

    statuses = in_two_tenants(test)
    assert [404] * len(statuses) == statuses


def test_cursors_of_others_lead_nowhere():
    """A page that begins at another's thing is refused, as if there were no such thing."""

    async def test(world: World, owned: Owned) -> list[int]:
        cursors = {"agents": "agent_id", "blocks": "block_id", "tools": "tool_id", "runs": "run_id"}
        paths = [f"/v1/{path}?after={owned.ids[name]}" for path, name in cursors.items()]
        return [(await world.http.get(path, headers=headers_of("stranger"))).status_code for path in paths]

    assert [422] * 4 == in_two_tenants(test)


def test_names_are_free_in_each_tenant():
    """A tool's name that another tenant has is free, and upserting under it leaves the other's tool alone."""

    async def test(world: World, owned: Owned) -> tuple[int, bool]:
        answer = await world.http.put("/v1/tools", json=SOURCE, headers=headers_of("stranger"))
        return answer.status_code, answer.json()["id"] == owned.ids["tool_id"]

    assert (200, False) == in_two_tenants(test)

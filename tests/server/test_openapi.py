"""The OpenAPI document: sound in itself, complete, and true of what is answered."""

import json
import re
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator.schemas import schema_v31

from kelpie_core.json_types import JsonObject
from kelpie_server.app import HANDLERS
from kelpie_server.idempotency import IDEMPOTENT
from kelpie_server.openapi import document
from kelpie_server.openapi_operations import JSON
from kelpie_server.operations import OPERATIONS
from tests.server.far_sides import World, in_world, unknown

DOCUMENT = document(HANDLERS)


def operations() -> dict[str, tuple[str, str, JsonObject]]:
    """Return every operation of the document by its name, with its path and method."""
    return {
        said["operationId"]: (path, method, said)
        for path, methods in DOCUMENT["paths"].items()
        for method, said in methods.items()
    }


def test_the_document_is_openapi():
    """The document is valid against the meta-schema of OpenAPI 3.1, and every reference leads somewhere."""
    meta = jsonschema.Draft202012Validator(dict(schema_v31))
    assert [] == [f"{error.json_path} {error.message}" for error in meta.iter_errors(DOCUMENT)]
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(DOCUMENT)))
    assert set() == names - set(DOCUMENT["components"]["schemas"])


def test_every_schema_is_one():
    """Each shape is a JSON schema."""
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_operation_is_there():
    """The document has the operations of the table, at their places, and no others."""
    assert {one.name: (one.path, one.method.lower()) for one in OPERATIONS} == {
        name: (path, method) for name, (path, method, _) in operations().items()
    }


def test_what_comes_later_says_so():
    """An operation that is not implemented promises nothing but 501."""
    promised = {name: set(said["responses"]) for name, (_, _, said) in operations().items()}
    assert {name for name in promised if "200" not in promised[name]} == set(promised) - set(HANDLERS)
    assert [] == [name for name in promised if "501" not in promised[name]]


def test_every_parameter_of_a_path_is_described():
    """A path's parameters are those of its template."""
    for path, _, said in operations().values():
        described = {one["name"] for one in said["parameters"] if one["in"] == "path"}
        assert set(re.findall(r"{(\w+)}", path)) == described


def test_keys_are_offered_where_they_work():
    """Idempotency-Key is a parameter of the operations that take it."""
    offered = {
        name
        for name, (_, _, said) in operations().items()
        if any(one["name"] == "Idempotency-Key" for one in said["parameters"])
    }
    assert IDEMPOTENT & set(HANDLERS) == offered


def validator(schema: JsonObject) -> jsonschema.Draft202012Validator:
    """Return what holds an answer to a schema of the document."""
    whole = {**schema, "components": DOCUMENT["components"]}
    return jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())


def problems(name: str, status: int, body: object) -> list[str]:
    """Return where an answer of an operation differs from what the document promises."""
    content = operations()[name][2]["responses"][str(status)]["content"]
    return [
        f"{name}: {error.json_path} {error.message}" for error in validator(content[JSON]["schema"]).iter_errors(body)
    ]


async def ask(world: World, name: str, ids: dict[str, str], body: object = None, query: str = "") -> Any:
    """Ask for an operation, hold its answer to the document, and return it."""
    path, method, _ = operations()[name]
    path = re.sub(r"{(\w+)}", lambda found: ids[found[1]], path)
    answer = await world.http.request(method.upper(), path + query, json=body)
    assert (200, []) == (answer.status_code, problems(name, answer.status_code, answer.json())), name
    return answer.json()


SOURCE = 'def dice():\n    """Roll.\n\n    Returns:\n        int: What came up.\n    """\n'
TOOL = {"source_code": SOURCE, "json_schema": {"name": "dice", "parameters": {"type": "object", "properties": {}}}}


def test_answers_are_as_promised():
    """The answers of a whole life of an agent have the shapes that the document gives them."""

    async def test(world: World) -> None:
        body = {
            "name": "Ada",
            "memory_blocks": [{"label": "human", "value": "Bo"}],
            "tags": ["t"],
            "secrets": {"a": "b"},
        }
        agent = await ask(world, "agents.create", {}, body)
        block = await ask(world, "blocks.create", {}, {"label": "notes", "value": "n"})
        tool = await ask(world, "tools.create", {}, TOOL)
        ids = {"agent_id": agent["id"], "block_id": block["id"], "tool_id": tool["id"], "block_label": "human"}
        turn = await ask(world, "agents.messages.create", ids, {"input": "hi"})
        ids |= {"run_id": turn["usage"]["run_ids"][0], "step_id": turn["messages"][0]["step_id"]}
        ids |= {"message_id": turn["messages"][0]["id"], "tool_name": "dice"}
        await everything(world, ids)

    in_world(test)


async def everything(world: World, ids: dict[str, str]) -> None:
    """Ask for whatever is implemented and reads, attaches, changes or takes away one thing."""
    if "conversations.create" in HANDLERS:
        made = await ask(world, "conversations.create", ids, {}, f"?agent_id={ids['agent_id']}")
        ids["conversation_id"] = made["id"]
    reads = [one.name for one in OPERATIONS if one.method == "GET" and one.name in HANDLERS]
    for name in (*reads, "agents.blocks.attach", "agents.tools.attach", *reads, "agents.tools.detach"):
        await ask(world, name, ids)
    await ask(world, "agents.update", ids, {"description": "d"})
    await ask(world, "agents.blocks.update", ids, {"value": "w"})
    await ask(world, "blocks.update", ids, {"value": "w"})
    await ask(world, "tools.update", ids, {"tags": ["x"]})
    await ask(world, "tools.upsert", ids, TOOL)
    await ask(world, "agents.messages.cancel", ids, {})
    for name in ("agents.blocks.detach", "blocks.delete", "tools.delete", "agents.delete"):
        await ask(world, name, ids)


@pytest.mark.parametrize(
    ("method", "path", "name", "status"),
    [
        ("GET", f"/v1/agents/{unknown('agent')}", "agents.retrieve", 404),
        ("GET", "/v1/agents/x", "agents.retrieve", 422),
        ("POST", "/v1/blocks", "blocks.create", 422),
        ("GET", "/v1/folders", "folders.list", 501),
    ],
)
def test_problems_are_as_promised(method, path, name, status):
    """An error has the shape that the document gives it."""

    async def test(world: World) -> tuple[int, list[str]]:
        answer = await world.http.request(method, path)
        return answer.status_code, problems(name, answer.status_code, answer.json())

    assert (status, []) == in_world(test)

"""The API as an OpenAPI 3.1 document, made from the table of operations; and a page that shows it.

An operation that is not implemented is in it as well, and says that it answers 501.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping

import msgspec

from kelpie_core.json_types import JsonObject
from kelpie_core.wire.letta_bodies import AgentFields, BlockFields, ToolFields, TurnFields
from kelpie_core.wire.letta_search import SearchFields
from kelpie_server.config import VERSION
from kelpie_server.idempotency import IDEMPOTENT, KEY_CHARS_MAX
from kelpie_server.openapi_operations import (
    DESCRIBED,
    EVENTS,
    EVENTS_SCHEMA,
    FORM,
    JSON,
    TEXT,
    Described,
    id_pattern,
    ref,
)
from kelpie_server.openapi_shapes import SHAPES, message_schemas
from kelpie_server.operations import OPERATIONS, Operation

BODIES: tuple[type, ...] = (AgentFields, BlockFields, ToolFields, TurnFields, SearchFields)
REF = "#/components/schemas/{name}"
# Which prefix the ids have that stand in a path; what is not here is any text.
PREFIXES = {
    "agent_id": "agent", "block_id": "block", "tool_id": "tool", "run_id": "run", "step_id": "step",
    "message_id": "message",
}  # fmt: skip
PROBLEMS = {
    400: "The request makes no sense.", 401: "No token, or one that nobody has.", 403: "Another tenant's.",
    404: "There is no such thing, or it is another tenant's.", 409: "The thing is in a state that does not allow it.",
    413: "The body is too big.", 422: "A value has a wrong type or form, or is beyond a bound.",
    500: "Our mistake.", 501: "This, or a part of what was asked for, is not implemented.",
    503: "The store failed or the server is stopping.",
}  # fmt: skip
OF_TURNS = {402: "The model's provider wants money.", 429: "The model is asked too often.", 502: "A tool failed."}
OF_TURNS |= {504: "The model took too long."}
OPEN = ("health",)
_PARAMETER = re.compile(r"{(\w+)}")

Handlers = Mapping[str, Callable[..., object]]


def document(handlers: Handlers) -> JsonObject:
    """Return the document; `handlers` are those of the operations that are implemented, by name."""
    paths: dict[str, JsonObject] = {}
    for operation in OPERATIONS:
        handler = handlers.get(operation.name)
        said = _later(operation) if handler is None else _described(operation, handler)
        paths.setdefault(operation.path, {})[operation.method.lower()] = said
    return {
        "openapi": "3.1.0",
        "info": {"title": "Kelpie", "version": VERSION, "description": _INTRODUCTION},
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


_INTRODUCTION = """Agents with durable state, behind Letta's API. Every path answers with a slash at its end, too.

The header `user_id` names the user of the token's organization in whose name a request is made. With `Idempotency-Key`
a request that is sent again finds what it did the first time."""


def _described(operation: Operation, handler: Callable[..., object]) -> JsonObject:
    said = DESCRIBED.get(operation.name) or Described(answer={})
    return {
        **_named(operation),
        "summary": (inspect.getdoc(handler) or operation.name).partition("\n")[0].rstrip("."),
        "parameters": list(_parameters(operation, said)),
        **({} if said.body is None else {"requestBody": _body(said)}),
        "responses": {"200": _success(said), **_problems(PROBLEMS | (OF_TURNS if said.turn else {}))},
        **({"security": []} if operation.name in OPEN else {}),
    }


def _later(operation: Operation) -> JsonObject:
    parameters = [_path_parameter(name) for name in _PARAMETER.findall(operation.path)]
    return {
        **_named(operation),
        "summary": "Not implemented",
        "parameters": parameters,
        "responses": _problems({401: PROBLEMS[401], 501: PROBLEMS[501]}),
    }


def _named(operation: Operation) -> JsonObject:
    return {"operationId": operation.name, "tags": [operation.name.partition(".")[0]]}


def _parameters(operation: Operation, said: Described) -> Iterator[JsonObject]:
    yield from map(_path_parameter, _PARAMETER.findall(operation.path))
    for name, schema in said.query.items():
        yield {"name": name, "in": "query", "schema": schema}
    if operation.name not in OPEN:
        yield {"name": "user_id", "in": "header", "schema": {"type": "string", "pattern": id_pattern("user")}}
    if operation.name in IDEMPOTENT:
        schema = {"type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX}
        yield {"name": "Idempotency-Key", "in": "header", "schema": schema}


def _path_parameter(name: str) -> JsonObject:
    schema = {"type": "string", "pattern": id_pattern(PREFIXES[name])} if name in PREFIXES else TEXT
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _body(said: Described) -> JsonObject:
    schema: JsonObject = said.body if isinstance(said.body, dict) else ref(getattr(said.body, "__name__", ""))
    if said.required:
        schema = {"allOf": [schema, {"type": "object", "required": list(said.required)}]}
    return {"required": said.form or bool(said.required), "content": {FORM if said.form else JSON: {"schema": schema}}}


def _success(said: Described) -> JsonObject:
    content = {JSON: {"schema": said.answer}} if said.streams != "always" else {}
    if said.streams is not None:
        content[EVENTS] = {"schema": EVENTS_SCHEMA}
    return {"description": "Done.", "content": content}


def _problems(words: Mapping[int, str]) -> JsonObject:
    content = {JSON: {"schema": ref("Problem")}}
    return {str(status): {"description": told, "content": content} for status, told in sorted(words.items())}


@functools.cache
def _schemas() -> JsonObject:
    _, components = msgspec.json.schema_components((*BODIES, *SHAPES), ref_template=REF)
    return {**{name: _told(schema) for name, schema in components.items()}, **message_schemas()}


def _told(schema: JsonObject) -> JsonObject:
    """Return a schema without defaults: that a field may be left out is said, what it is then is the server's."""
    if "properties" in schema:
        properties = {name: _without_default(field) for name, field in schema["properties"].items()}
        return {**schema, "properties": properties}
    return schema


def _without_default(field: JsonObject) -> JsonObject:
    return {name: value for name, value in field.items() if name != "default"}

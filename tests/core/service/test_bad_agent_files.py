"""Damaged agent files: each is refused with an error of the right class that names the place, and nothing is stored."""

import json
from collections.abc import Callable

import attrs
import pytest

from kelpie_core.errors import CallerError, InvalidInput, LimitExceeded, Unsupported
from kelpie_core.memory_store import MemoryStore
from kelpie_core.model.actor import Actor
from kelpie_core.service.import_plan import ImportOptions
from kelpie_core.service.transfer import Transfer
from tests.agent_files import Json, bytes_of, document_of, run, stored
from tests.twins import ports_on

CALL = {"id": "c-1", "type": "function", "function": {"name": "prune", "arguments": "{}"}}
RETURN = {"tool_call_id": "c-1", "status": "success", "func_response": "done"}


def good() -> Json:
    """Return a file that imports."""
    return document_of(
        messages=(
            {"role": "user", "content": [{"type": "text", "text": "Prune, please."}]},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "content": "", "tool_returns": [RETURN], "tool_call_id": "c-1"},
        )
    )


def good_legacy() -> Json:
    """Return a file of the old generation that imports."""
    return {
        "agent_type": "memgpt_agent",
        "name": "moss",
        "core_memory": [{"label": "notes", "value": ""}],
        "messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello"}],
        "in_context_message_indices": [0, 1],
        "tools": [{"name": "prune"}],
        "tool_exec_environment_variables": [{"key": "KEY", "value": ""}],
    }


@attrs.frozen
class Case:
    """What is done to a good file, the class of the error, the place it names and some of its words."""

    name: str
    data: bytes
    error: type[CallerError]
    path: str
    words: str


def put(value: object, *keys: str | int) -> Callable[[Json], None]:
    """Return an edit that puts a value at a place."""

    def edit(document: Json) -> None:
        place = document
        for key in keys[:-1]:
            place = place[key]  # type: ignore[index]
        place[keys[-1]] = value  # type: ignore[index]

    return edit


def without(*keys: str | int) -> Callable[[Json], None]:
    """Return an edit that takes a place away."""

    def edit(document: Json) -> None:
        place = document
        for key in keys[:-1]:
            place = place[key]  # type: ignore[index]
        del place[keys[-1]]  # type: ignore[arg-type]

    return edit


def bad(
    name: str, edit: Callable[[Json], None], path: str, words: str, error: type[CallerError] = InvalidInput
) -> Case:
    """Return a case on a file of the new generation."""
    document = json.loads(bytes_of(good()))
    edit(document)
    return Case(name, bytes_of(document), error, path, words)


def bad_legacy(
    name: str, edit: Callable[[Json], None], path: str, words: str, error: type[CallerError] = InvalidInput
) -> Case:
    """Return a case on a file of the old generation."""
    document = json.loads(bytes_of(good_legacy()))
    edit(document)
    return Case(name, bytes_of(document), error, path, words)


def not_json(name: str, data: bytes, words: str, error: type[CallerError] = InvalidInput) -> Case:
    """Return a case on bytes that hold no document."""
    return Case(name, data, error, "$", words)


def nested(depth: int) -> object:
    """Return lists in lists."""
    value: object = 0
    for _ in range(depth):
        value = [value]
    return value


A, M = ("agents", 0), ("agents", 0, "messages")
BYTES = (
    not_json("empty file", b"", "the text ends at byte 0"),
    not_json("not json", b"agent: fern", "invalid character (byte 0)"),
    not_json("truncated", bytes_of(good())[:-40], f"the text ends at byte {len(bytes_of(good())) - 40}"),
    not_json("truncated in a string", b'{"agents": "fe', "the text ends at byte 14"),
    not_json("trailing comma", b'{"agents": [],}', "trailing comma in object (byte 14)"),
    not_json("two documents", b"{} {}", "trailing characters (byte 4)"),
    not_json("array", b"[]", "expected an object, found a list"),
    not_json("number", b"5", "expected an object, found a whole number"),
    not_json("fraction", b"5.5", "expected an object, found a number with a fraction"),
    not_json("null", b"null", "expected an object, found nothing"),
    not_json("true", b"true", "expected an object, found true or false"),
    not_json("encoded twice", bytes_of(bytes_of(good()).decode()), "encoded twice"),
    not_json("empty object", b"{}", "neither agents nor the fields of one agent"),
    not_json("another document", b'{"openapi": "3.1.0"}', "neither agents nor the fields of one agent"),
    not_json("binary", bytes(range(128, 256)), "is not text in utf-8: invalid start byte at byte 0"),
    not_json("latin-1", '{"name": "Gärtner"}'.encode("latin-1"), "is not text in utf-8"),
    not_json(
        "utf-16 without a mark", bytes_of(good()).decode().encode("utf-16-le"), "object keys must be strings (byte 1)"
    ),
    not_json("odd utf-16", "{}".encode("utf-16") + b"\x00", "is not text in utf-16: truncated data at byte 6"),
    not_json("lone surrogate", bytes_of(document_of(name="a\ud800b")), "utf-16 surrogate pair (byte 46)"),
    not_json("lone surrogate in a key", bytes_of(document_of(metadata={"\udc00": 1})), "invalid utf-16 surrogate"),
    not_json("number out of range", b'{"agents": [1e400]}', "Number out of range"),
    not_json("not a number", b'{"agents": NaN}', "invalid character"),
    not_json("nested without end", b'{"agents":' + b"[" * 100_000, "nested deeper than 64", LimitExceeded),
)
SHAPES = (
    bad("agents empty", put([], "agents"), "$.agents", "holds no agent"),
    bad("agents null", put(None, "agents"), "$.agents", "holds no agent"),
    bad("agents an object", put({}, "agents"), "$.agents", "expected a list, found an object"),
    bad("agent a text", put("fern", *A), "$.agents[0]", "expected an object, found a string"),
    bad("agent without id", without(*A, "id"), "$.agents[0].id", "is missing"),
    bad("agent id empty", put("", *A, "id"), "$.agents[0].id", "must not be empty"),
    bad("agent id a number", put(7, *A, "id"), "$.agents[0].id", "expected a string, found a whole number"),
    bad("agent without name", without(*A, "name"), "$.agents[0].name", "is missing"),
    bad("name too long", put("x" * 4097, *A, "name"), "$.agents[0].name", "has 4097 characters", LimitExceeded),
    bad("name too long as a copy", put("x" * 4092, *A, "name"), "$.agents[0].name", "has 4097", LimitExceeded),
    bad("unknown agent type", put("oracle", *A, "agent_type"), "$.agents[0].agent_type", "'oracle' is none of memgpt"),
    bad("flag a number", put(1, *A, "hidden"), "$.agents[0].hidden", "expected true or false, found a whole number"),
    bad("metadata a list", put([], *A, "metadata"), "$.agents[0].metadata", "expected an object, found a list"),
    bad("rule a text", put(["exit"], *A, "tool_rules"), "$.agents[0].tool_rules[0]", "expected an object"),
    bad("tag a number", put(["a", 2], *A, "tags"), "$.agents[0].tags[1]", "expected a string"),
    bad("tag empty", put(["a", ""], *A, "tags"), "$.agents[0].tags[1]", "must not be empty"),
    bad("tag too long", put(["x" * 257], *A, "tags"), "$.agents[0].tags[0]", "has 257 characters", LimitExceeded),
    bad("many tags", put(["x"] * 513, *A, "tags"), "$.agents[0].tags", "has 513 items", LimitExceeded),
    bad("model too long", put("x" * 513, *A, "model"), "$.agents[0].model", "has 513 characters", LimitExceeded),
    bad("secret a number", put({"K": 1}, *A, "secrets"), "$.agents[0].secrets.K", "expected a string"),
    bad("limits zero", put({"steps_max": 0}, *A, "turn_limits"), "$.agents[0].turn_limits.steps_max", "at least 1"),
    bad("time not a time", put("noon", *A, "created_at"), "$.agents[0].created_at", "not an ISO 8601 time"),
    bad("time out of range", put("0001-01-01T00:00:00+09:00", "created_at"), "$.created_at", "not an ISO 8601 time"),
    bad("reserved name", put({}, *A, "agent_file"), "$.agents[0].agent_file", "keep for themselves"),
    bad("block without label", without("blocks", 0, "label"), "$.blocks[0].label", "is missing"),
    bad("block without value", without("blocks", 0, "value"), "$.blocks[0].value", "is missing"),
    bad("block over its limit", put("x" * 11, "blocks", 0, "value"), "$.blocks[0].value", "10 are", LimitExceeded),
    bad("block limit negative", put(-1, "blocks", 0, "limit"), "$.blocks[0].limit", "must be at least 1, is -1"),
    bad("block limit a fraction", put(1.5, "blocks", 0, "limit"), "$.blocks[0].limit", "expected a whole number"),
    bad("block limit huge", put(10**30, "blocks", 0, "limit"), "$.blocks[0].limit", "is allowed", LimitExceeded),
    bad("tool without name", without("tools", 0, "name"), "$.tools[0].name", "is missing"),
    bad("unknown tool type", put("magic", "tools", 0, "tool_type"), "$.tools[0].tool_type", "'magic' is none of"),
    bad("tool schema a text", put("{}", "tools", 0, "json_schema"), "$.tools[0].json_schema", "expected an object"),
    bad("return limit zero", put(0, "tools", 0, "return_char_limit"), "$.tools[0].return_char_limit", "at least 1"),
    bad("nested too deep", put(nested(62), *A, "x"), "$.agents[0].x" + "[0]" * 61, "deeper than 64", LimitExceeded),
)
MESSAGES = (
    bad("message without id", without(*M, 1, "id"), "$.agents[0].messages[1].id", "is missing"),
    bad("unknown role", put("prophet", *M, 1, "role"), "$.agents[0].messages[1].role", "'prophet' is none of system"),
    bad("message without role", without(*M, 0, "role"), "$.agents[0].messages[0].role", "is missing"),
    bad("content a number", put(5, *M, 0, "content"), "$.agents[0].messages[0].content", "expected a list"),
    bad("part a text", put("x", *M, 0, "content", 0), "$.agents[0].messages[0].content[0]", "expected an object"),
    bad("part of no type", put({}, *M, 0, "content", 0), "$.agents[0].messages[0].content[0].type", "is missing"),
    bad(
        "text a number",
        put(1, *M, 0, "content", 0, "text"),
        "$.agents[0].messages[0].content[0].text",
        "expected a string, found a whole number",
    ),
    bad("other thing", put("event", *M, 0, "type"), "$.agents[0].messages[0].type", "must be 'message'"),
    bad("calls an object", put({}, *M, 1, "tool_calls"), "$.agents[0].messages[1].tool_calls", "expected a list"),
    bad(
        "call of another type",
        put({**CALL, "type": "custom"}, *M, 1, "tool_calls", 0),
        "$.agents[0].messages[1].tool_calls[0].type",
        "must be 'function'",
    ),
    bad(
        "call without function",
        put({"id": "c-1"}, *M, 1, "tool_calls", 0),
        "$.agents[0].messages[1].tool_calls[0].function.name",
        "is missing",
    ),
    bad(
        "arguments an object",
        put({"name": "prune", "arguments": {}}, *M, 1, "tool_calls", 0, "function"),
        "$.agents[0].messages[1].tool_calls[0].function.arguments",
        "expected a string, found an object",
    ),
    bad(
        "unknown status",
        put("maybe", *M, 2, "tool_returns", 0, "status"),
        "$.agents[0].messages[2].tool_returns[0].status",
        "'maybe' is none of success, error",
    ),
    bad(
        "return a number",
        put(3, *M, 2, "tool_returns", 0, "func_response"),
        "$.agents[0].messages[2].tool_returns[0].func_response",
        "expected a string",
    ),
    bad(
        "line a number",
        put([3], *M, 2, "tool_returns", 0, "stderr"),
        "$.agents[0].messages[2].tool_returns[0].stderr[0]",
        "expected a string",
    ),
    bad("approval a text", put(["yes"], *M, 0, "approvals"), "$.agents[0].messages[0].approvals[0]", "an object"),
)
REFERENCES = (
    bad("same message id", put("message-0", *M, 1, "id"), "$.agents[0].messages[1].id", "first at $.agents[0].mess"),
    bad("id of a block", put("block-0", *M, 1, "id"), "$.agents[0].messages[1].id", "first at $.blocks[0].id"),
    bad("unknown block", put(["block-9"], *A, "block_ids"), "$.agents[0].block_ids[0]", "is no block of this file"),
    bad("block twice", put(["block-0"] * 2, *A, "block_ids"), "$.agents[0].block_ids[1]", "occurs twice"),
    bad("many blocks", put(["b"] * 257, *A, "block_ids"), "$.agents[0].block_ids", "has 257 items", LimitExceeded),
    bad("unknown tool", put(["tool-9"], *A, "tool_ids"), "$.agents[0].tool_ids[0]", "is no tool of this file"),
    bad(
        "unknown message in the window",
        put(["message-0", "message-99"], *A, "in_context_message_ids"),
        "$.agents[0].in_context_message_ids[1]",
        "is no message of this file",
    ),
    bad(
        "message twice in the window",
        put(["message-0"] * 2, *A, "in_context_message_ids"),
        "$.agents[0].in_context_message_ids[1]",
        "occurs twice",
    ),
    bad("message of another", put("agent-1", *M, 0, "agent_id"), "$.agents[0].messages[0].agent_id", "is 'agent-1'"),
    bad(
        "two blocks of one label",
        lambda file: (
            file["blocks"].append({**file["blocks"][0], "id": "b"}),
            put(["block-0", "b"], *A, "block_ids")(file),
        )[1],
        "$.agents[0].block_ids[1]",
        "a second block with the label 'notes'",
    ),
    bad(
        "two tools of one name",
        lambda file: file["tools"].append({"id": "t", "name": "prune"}),
        "$.tools[1].name",
        "a second tool with the name 'prune'",
    ),
    bad("call without return", without(*M, 2), "$.agents[0].messages[1].tool_calls[0].id", "'c-1' has no return"),
    bad(
        "return without call",
        put([], *M, 1, "tool_calls"),
        "$.agents[0].messages[2].tool_returns[0].tool_call_id",
        "a return without its tool call 'c-1'",
    ),
    bad(
        "second return",
        put([RETURN, RETURN], *M, 2, "tool_returns"),
        "$.agents[0].messages[2].tool_returns[1].tool_call_id",
        "a second return of tool call 'c-1'",
    ),
    bad(
        "same call twice",
        put([CALL, CALL], *M, 1, "tool_calls"),
        "$.agents[0].messages[1].tool_calls[1].id",
        "made again before its return",
    ),
    bad(
        "answer to nothing",
        put({"id": "m", "role": "tool"}, *M, 2),
        "$.agents[0].messages[2].tool_call_id",
        "does not say which tool call it answers",
    ),
    bad(
        "answer to another call",
        put("c-2", *M, 2, "tool_call_id"),
        "$.agents[0].messages[2].tool_call_id",
        "'c-2' is not among the tool returns",
    ),
    bad("user returns", put("user", *M, 2, "role"), "$.agents[0].messages[2].tool_returns", "user returns nothing"),
)
NO_ROOM = (
    *(
        bad(f"{name} not empty", put([{"id": "x"}], name), f"import of $.{name}", "", Unsupported)
        for name in ("groups", "files", "sources", "mcp_servers", "skills")
    ),
    *(
        bad(f"agent's {name} not empty", put(["x"], *A, name), f"import of $.agents[0].{name}", "", Unsupported)
        for name in ("files_agents", "group_ids", "identity_ids", "memory_blocks", "tools", "source_ids")
    ),
    bad_legacy("group", put({"id": "x"}, "multi_agent_group"), "import of $.multi_agent_group", "", Unsupported),
)
LEGACY = (
    bad_legacy("old without name", without("name"), "$.name", "is missing"),
    bad_legacy("old of unknown type", put("oracle", "agent_type"), "$.agent_type", "'oracle' is none of"),
    bad_legacy(
        "place too high", put([0, 2], "in_context_message_indices"), "$.in_context_message_indices[1]", "only 2"
    ),
    bad_legacy(
        "place negative", put([-1], "in_context_message_indices"), "$.in_context_message_indices[0]", "message -1"
    ),
    bad_legacy("place twice", put([0, 0], "in_context_message_indices"), "$.in_context_message_indices[1]", "twice"),
    bad_legacy("place true", put([True], "in_context_message_indices"), "$.in_context_message_indices[0]", "true or f"),
    bad_legacy("old unknown role", put("prophet", "messages", 1, "role"), "$.messages[1].role", "'prophet' is none"),
    bad_legacy("old call", put([CALL], "messages", 1, "tool_calls"), "$.messages[1].tool_calls[0].id", "has no return"),
    bad_legacy(
        "variables an object", put({}, "tool_exec_environment_variables"), "$.tool_exec_environment_variables", "list"
    ),
    bad_legacy(
        "variable twice",
        put([{"key": "K"}, {"key": "K"}], "tool_exec_environment_variables"),
        "$.tool_exec_environment_variables[1].key",
        "'K' occurs twice",
    ),
    bad_legacy("old reserved name", put([], "environment_variables"), "$.environment_variables", "for themselves"),
    bad_legacy(
        "old labels",
        put([{"label": "a", "value": ""}] * 2, "core_memory"),
        "$.core_memory[1].label",
        "a second block with the label 'a'",
    ),
    bad_legacy("old tool names", put([{"name": "a"}] * 2, "tools"), "$.tools[1].name", "a second tool with the name"),
)
CASES = (*BYTES, *SHAPES, *MESSAGES, *REFERENCES, *NO_ROOM, *LEGACY)


async def refused(data: bytes, options: ImportOptions) -> tuple[CallerError, object]:
    """Return the error of an import and what is stored after it."""
    store = MemoryStore()
    with pytest.raises(CallerError) as caught:
        await Transfer(ports_on(store), Actor()).import_file(data, options)
    return caught.value, await stored(store)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_damaged_file_is_refused(case: Case) -> None:
    """The error says whose fault it is, where it stands in the file and what is wrong; nothing is stored."""
    error, left = run(refused(case.data, ImportOptions()))
    place = error.operation if isinstance(error, Unsupported) else getattr(error, "path", None)
    assert (case.error, case.path, {}) == (type(error), place, left)
    assert case.words in str(error)


def test_enough_cases() -> None:
    """The table is not thinned out by accident, and no case stands in it twice."""
    assert 100 <= len(CASES)
    assert len(CASES) == len({case.name for case in CASES})


def test_file_above_the_bound_is_refused() -> None:
    """A file of more bytes than allowed is not even decoded; the caller may allow more or less than the default."""
    error, left = run(refused(b"x" * 101, ImportOptions(bytes_max=100)))
    assert ("has 101 bytes, 100 are allowed", {}) == (str(error), left)
    error, left = run(refused(b"x" * (64 * 1024 * 1024 + 1), ImportOptions()))
    assert (LimitExceeded, {}) == (type(error), left)


def test_bad_options_are_refused() -> None:
    """Options that cannot be stored are refused before anything is written."""
    error, left = run(refused(bytes_of(good()), ImportOptions(secrets={"KEY": "\ud800"})))
    assert ("$.secrets.KEY: holds a lone surrogate at character 0", {}) == (str(error), left)


@pytest.mark.parametrize("make", [good, good_legacy])
def test_undamaged_file_is_taken(make: Callable[[], Json]) -> None:
    """The files that the cases damage are good ones."""
    store = MemoryStore()
    run(Transfer(ports_on(store), Actor()).import_file(bytes_of(make())))
    assert 1 == len(run(stored(store))["agents"])

"""Bodies and queries of requests for tools, to what the services take."""

import pytest

from kelpie_core.errors import InvalidInput, Unsupported
from kelpie_core.model.tool import ToolType
from kelpie_core.service.drafts import ToolChanges, ToolDraft
from kelpie_core.service.tool_search import ToolFilter
from kelpie_core.tool_schema import BadToolSource
from kelpie_core.wire.letta_tool_requests import (
    SourceRun,
    ToolSearch,
    approval_asked,
    run_arguments,
    source_run,
    tool_changes,
    tool_draft,
    tool_filter,
    tool_search,
)
from tests.core.wire.letta_samples import TOOL_ID

SCHEMA = {"name": "add", "description": "Add.", "parameters": {"type": "object"}}
SOURCE = 'def add(a: int):\n    """Add."""'
DERIVED = {
    "name": "add",
    "description": "Add.",
    "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
}


def test_tool_with_a_schema():
    """A tool is named and described by its schema; then nobody looks at the source."""
    body = {"source_code": "no Python", "json_schema": SCHEMA, "tags": ["t"], "metadata_": {"k": 1}}
    assert ToolDraft(
        name="add",
        description="Add.",
        source_type="python",
        source_code="no Python",
        json_schema=SCHEMA,
        tags=("t",),
        metadata={"k": 1},
        extra={"pip_requirements": [{"name": "numpy"}]},
    ) == tool_draft({**body, "pip_requirements": [{"name": "numpy"}]})


def test_tool_without_a_schema():
    """Without a schema the source says name, description and arguments."""
    expected = ToolDraft(name="add", description="Add.", source_type="python", source_code=SOURCE, json_schema=DERIVED)
    assert expected == tool_draft({"source_code": SOURCE})
    mine = tool_draft({"source_code": SOURCE, "description": "Mine."})
    assert ("Mine.", {**DERIVED, "description": "Mine."}) == (mine.description, mine.json_schema)


def test_tool_with_a_schema_of_its_arguments():
    """A schema of the arguments alone is put into the tool's, and kept."""
    given = {"properties": {"b": {"type": "string"}}, "required": ["b"]}
    draft = tool_draft({"source_code": SOURCE, "args_json_schema": given})
    schema = {**DERIVED, "parameters": {"type": "object", **given}}
    assert (given, schema) == (draft.args_json_schema, draft.json_schema)


def test_own_description_of_a_tool_wins():
    """A description given beside the schema counts before the schema's."""
    assert "Mine." == tool_draft({"source_code": "x", "json_schema": SCHEMA, "description": "Mine."}).description


def test_source_that_is_not_python():
    """TypeScript needs a schema, since none can be read from it."""
    assert (
        "typescript" == tool_draft({"source_code": "x", "source_type": "typescript", "json_schema": SCHEMA}).source_type
    )
    with pytest.raises(BadToolSource, match="none can be read from TypeScript: send json_schema"):
        tool_draft({"source_code": "x", "source_type": "TypeScript"})


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"json_schema": SCHEMA}, "$.source_code"),
        ({"source_code": "x", "json_schema": {}}, "$.json_schema.name"),
        ({"source_code": "x", "json_schema": {"name": 5}}, "$.json_schema.name"),
        ({"source_code": "x", "json_schema": 5}, "$.json_schema"),
    ],
)
def test_tool_that_is_refused(body, path):
    """A tool needs source, and its schema a name."""
    with pytest.raises(InvalidInput) as caught:
        tool_draft(body)
    assert path == caught.value.path


def test_tool_changes():
    """A new schema renames the tool; null clears what can be empty; requirements are kept by name."""
    assert ToolChanges(
        name="add", json_schema=SCHEMA, metadata={"k": 1}, default_requires_approval=None
    ) == tool_changes({"json_schema": SCHEMA, "metadata_": {"k": 1}, "default_requires_approval": None})
    assert ToolChanges(source_code="y") == tool_changes({"source_code": "y"})
    assert ToolChanges(extra={"pip_requirements": []}) == tool_changes({"pip_requirements": []})


def test_run_of_an_agents_tool():
    """A run has arguments, or none."""
    assert [{"a": 1}, {}, {}] == [run_arguments(body) for body in ({"args": {"a": 1}}, {}, {"args": None})]


def test_run_of_source():
    """Source need not be described to be run; it is named by whoever asks, or by its schema."""
    body = {"source_code": "x", "args": {"a": 1}, "env_vars": {"K": "v"}}
    draft = ToolDraft(name="tool", source_type="python", source_code="x")
    assert SourceRun(draft=draft, arguments={"a": 1}, environment={"K": "v"}) == source_run(body)
    assert "mine" == source_run({**body, "name": "mine", "json_schema": SCHEMA}).draft.name
    assert "add" == source_run({**body, "json_schema": SCHEMA}).draft.name
    full = source_run({"source_code": "x", "source_type": "typescript", "pip_requirements": [{"name": "numpy"}]}).draft
    assert ("typescript", {"pip_requirements": [{"name": "numpy"}]}) == (full.source_type, full.extra)
    with pytest.raises(InvalidInput, match=r"\$\.source_code: is required"):
        source_run({"args": {}})


@pytest.mark.parametrize(
    ("body", "query", "expected"),
    [
        ({"requires_approval": True}, {}, True),
        ({"requires_approval": False}, {"requires_approval": ["true"]}, False),
        ({}, {"requires_approval": ["true"]}, True),
    ],
)
def test_approval(body, query, expected):
    """Whether to ask stands in the body, with older clients in the query."""
    assert expected is approval_asked(body, query)


def test_approval_must_be_said():
    """Neither yes nor no is no answer."""
    with pytest.raises(InvalidInput, match=r"\$\.requires_approval: is required"):
        approval_asked({}, {})


def test_search():
    """A search has words, filters and a limit; what is left out does not matter."""
    assert ToolSearch(query=None, wanted=ToolFilter(), limit=50) == tool_search({})
    body = {"query": "add", "search_mode": "fts", "tool_types": ["custom"], "tags": ["t"], "limit": 3}
    wanted = ToolFilter(types=(ToolType.CUSTOM,), tags=("t",))
    assert ToolSearch(query="add", wanted=wanted, limit=3) == tool_search(body)


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ({"search_mode": "vector"}, Unsupported, "tools.search with search_mode vector"),
        ({"search_mode": "odd"}, InvalidInput, r"\$\.search_mode"),
        ({"tool_types": ["odd"]}, InvalidInput, r"\$\.tool_types: no tool has the type 'odd'"),
    ],
)
def test_search_that_is_refused(body, error, words):
    """A search by meaning alone is not there yet, and says so; an unknown word is an error."""
    with pytest.raises(error, match=words):
        tool_search(body)


def test_filters():
    """Lists are repeated or separated by commas; nothing asked is every tool."""
    assert ToolFilter() == tool_filter({})
    query = {
        "names": ["a,b", "c"],
        "tool_ids": [TOOL_ID],
        "search": ["x"],
        "tool_types": ["custom,letta_core"],
        "exclude_tool_types": ["external_mcp"],
        "return_only_letta_tools": ["true"],
    }
    assert ToolFilter(
        names=("a", "b", "c"),
        ids=(TOOL_ID,),
        search="x",
        types=(ToolType.CUSTOM, ToolType.CORE),
        excluded_types=(ToolType.EXTERNAL_MCP,),
        letta=True,
    ) == tool_filter(query)
    assert ToolFilter(letta=False) == tool_filter({"exclude_letta_tools": ["true"]})


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"tool_ids": ["x"]}, "$.tool_ids"),
        ({"tool_types": ["odd"]}, "$.tool_types"),
        ({"exclude_tool_types": ["odd"]}, "$.exclude_tool_types"),
        ({"return_only_letta_tools": ["true"], "exclude_letta_tools": ["true"]}, "$.exclude_letta_tools"),
    ],
)
def test_filters_that_are_refused(query, path):
    """A malformed id, an unknown kind and a contradiction are refused with their place."""
    with pytest.raises(InvalidInput) as caught:
        tool_filter(query)
    assert path == caught.value.path

"""A tool in the shape of Letta's API."""

from letta_client.types import Tool, ToolReturnMessage, ToolSearchResult
from letta_client.types.agents import ToolExecutionResult

from kelpie_core.model.tool import ToolReturn, ToolStatus, ToolType
from kelpie_core.service.tool_search import FoundTool
from kelpie_core.wire.letta_tool import executed_json, found_json, return_message_json, tool_json
from tests.core.wire.letta_samples import NOW, TOOL_ID, read_by_sdk, tool
from tests.twins import CountingEntropy


def test_the_sdk_reads_a_tool():
    """The SDK's type reads it, with its content."""
    schema = {"name": "add", "parameters": {"type": "object"}}
    shown = read_by_sdk(
        Tool,
        tool_json(tool(tool_type=ToolType.MEMORY_CORE, json_schema=schema, tags=("t",), metadata={"a": 1})),
    )
    assert (TOOL_ID, "add", "letta_memory_core", schema) == (shown.id, shown.name, shown.tool_type, shown.json_schema)
    assert (["t"], {"a": 1}, 50_000) == (shown.tags, shown.metadata, shown.return_char_limit)


def test_kept_fields_are_shown():
    """Requirements come back as they were given."""
    extra = {"pip_requirements": [{"name": "numpy", "version": "2"}], "enable_parallel_execution": True}
    shown = read_by_sdk(Tool, tool_json(tool(extra=extra)))
    assert ["numpy"] == [one.name for one in shown.pip_requirements or []]
    assert shown.enable_parallel_execution is True


def test_the_sdk_reads_a_search():
    """A found tool comes with its place and its score; without a query it has no place."""
    found = FoundTool(tool=tool(), rank=2, score=0.5)
    for ranked, rank in ((True, 2), (False, None)):
        shown = read_by_sdk(ToolSearchResult, found_json(found, ranked=ranked))
        assert (TOOL_ID, rank, None, 0.5) == (shown.tool.id, shown.fts_rank, shown.vector_rank, shown.combined_score)


def test_the_sdk_reads_a_run():
    """What an agent's tool gave is read with its output."""
    returned = ToolReturn(tool_call_id="c", status=ToolStatus.ERROR, text="no", stdout=("a",), stderr=None)
    shown = read_by_sdk(ToolExecutionResult, executed_json(returned))
    assert ("error", "no", ["a"], []) == (shown.status, shown.func_return, shown.stdout, shown.stderr)


def test_the_sdk_reads_a_run_of_source():
    """What source gave is a message as it would be in a turn."""
    returned = ToolReturn(tool_call_id="call-1", status=ToolStatus.SUCCESS, text=None, stdout=None, stderr=("e",))
    shown = read_by_sdk(ToolReturnMessage, return_message_json(returned, "add", CountingEntropy(), NOW))
    assert ("add", "success", "call-1", "", [], ["e"]) == (
        shown.name, shown.status, shown.tool_call_id, shown.tool_return, shown.stdout, shown.stderr,
    )  # fmt: skip
    (one,) = shown.tool_returns or []
    assert ("tool_return_message", "call-1", NOW) == (shown.message_type, one.tool_call_id, shown.date)

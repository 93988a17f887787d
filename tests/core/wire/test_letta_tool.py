"""A tool in the shape of Letta's API."""

from letta_client.types import Tool

from kelpie_core.model.tool import ToolType
from kelpie_core.wire.letta_tool import tool_json
from tests.core.wire.letta_samples import TOOL_ID, read_by_sdk, tool


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

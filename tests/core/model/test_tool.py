"""A tool, a call, a return."""

from kelpie_core.model.tool import Tool, ToolType
from kelpie_core.records import TOOLS
from tests.twins import NOON


def test_tool_comes_back_equal() -> None:
    """What is stored is read back equal, its schemas included."""
    tool = Tool(
        id="tool-1",
        organization_id="org-1",
        created_by_id="user-1",
        name="roll_dice",
        tool_type=ToolType.EXTERNAL_MCP,
        source_code="def roll_dice(): ...",
        json_schema={"name": "roll_dice", "parameters": {"type": "object"}},
        idempotent=True,
        created_at=NOON,
        updated_at=NOON,
    )
    assert tool == TOOLS.decode(TOOLS.encode(tool))

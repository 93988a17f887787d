"""Running tools that are not builtin: refused, as there is no sandbox to run their source in yet."""

from collections.abc import Mapping

from kelpie_core.errors import ToolError
from kelpie_core.json_types import JsonObject
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn


class RefusingToolRunner:
    """The `ToolRunner` that runs nothing. The model reads the refusal as the call's error return."""

    async def run(
        self, tool: Tool, call: ToolCall, arguments: JsonObject, environment: Mapping[str, str], seconds_max: float
    ) -> ToolReturn:
        """Raise ToolError."""
        raise ToolError(f"{tool.name}: this server has no sandbox to run a tool's source in", retriable=False)

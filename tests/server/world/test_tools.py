"""Running tools that are not builtin."""

import asyncio

import pytest

from kelpie_core.errors import ToolError
from kelpie_core.model.tool import ToolCall
from kelpie_core.ports import ToolRunner
from kelpie_server.world.tools import RefusingToolRunner
from tests.core.wire.letta_samples import tool


def test_without_a_sandbox_nothing_runs():
    """A tool's source is not run, and the error says which tool and why."""
    runner: ToolRunner = RefusingToolRunner()
    call = ToolCall(id="c1", name="add", arguments="{}")
    with pytest.raises(ToolError, match=r"add: .* sandbox"):
        asyncio.run(runner.run(tool(name="add"), call, {}, {}, 1.0))

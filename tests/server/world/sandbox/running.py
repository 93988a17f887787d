"""Running a source in the sandbox of this machine, from a test that is not async."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import pytest

from kelpie_core.model.tool import Tool, ToolCall, ToolReturn
from kelpie_core.ports import AgentView
from kelpie_server.world.sandbox.kernel import Kernel, this_kernel
from kelpie_server.world.sandbox.policy import Policy
from kelpie_server.world.tools import SandboxedTools

T = TypeVar("T")
NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
CALL = ToolCall(id="call-1", name="f", arguments="")
KERNEL = this_kernel()
PLAIN = Policy()
needs_sandbox = pytest.mark.skipif(KERNEL.missing is not None, reason=f"tools cannot be isolated: {KERNEL.missing}")


def tool(source: str, **fields: object) -> Tool:
    """Return a tool of that source whose function is `f`."""
    plain = {"id": "tool-1", "organization_id": "o", "created_by_id": "u", "created_at": NOON, "updated_at": NOON}
    return Tool(**{"name": "f", "source_code": source, **plain, **fields})  # type: ignore[arg-type]


def with_tools(
    test: Callable[[SandboxedTools], Awaitable[T]], policy: Policy = PLAIN, kernel: Kernel | None = None
) -> T:
    """Return what a test gives that is handed a runner, and leave nothing of that behind."""

    async def run() -> T:
        tools = SandboxedTools(policy, kernel)
        try:
            return await test(tools)
        finally:
            await tools.aclose()

    return asyncio.run(run())


def ran(
    source: str,
    arguments: Mapping[str, object] = {},
    *,
    policy: Policy = PLAIN,
    kernel: Kernel | None = None,
    seconds: float = 20,
    environment: Mapping[str, str] = {},
    view: AgentView | None = None,
    **fields: object,
) -> ToolReturn:
    """Return what one call of a source gives; raise ToolError."""

    async def test(tools: SandboxedTools) -> ToolReturn:
        return await tools.run(tool(source, **fields), CALL, dict(arguments), environment, seconds, view)

    return with_tools(test, policy, kernel)

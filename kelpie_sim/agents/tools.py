"""Scripted tools, and the ledger of what they did to the outside world.

note {"text": ...}     writes its text into the ledger: an effect that must not happen twice
look {"text": ...}     answers with its text; idempotent
shout {"times": n}     answers with a long text
"""

import asyncio
from collections.abc import Mapping

from kelpie_core.errors import ToolError
from kelpie_core.json_types import JsonObject
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus
from kelpie_core.service.drafts import ToolDraft
from kelpie_sim.agents.faults import TOOL, TOOL_RUN, ToolCrash, ToolFail, ToolRunnerFail, ToolTimeout
from kelpie_sim.faults import Verdict
from kelpie_sim.simulation import World
from kelpie_sim.world.host import Host, check_alive

TOOL_DRAFTS = (
    ToolDraft(name="note", description="Write a note."),
    ToolDraft(name="look", description="Look something up.", idempotent=True),
    ToolDraft(name="shout", description="Answer at length.", idempotent=True, return_char_limit=100),
)


class Ledger:
    """What tools did to the outside world, in order. It survives every crash, as the outside world does."""

    def __init__(self) -> None:
        self.notes: list[str] = []


class ScriptedTools:
    """A `ToolRunner` for one life of a host."""

    def __init__(self, world: World, host: Host, ledger: Ledger) -> None:
        self._world = world
        self._host = host
        self._incarnation = host.incarnation
        self._ledger = ledger
        self._stream = world.streams.stream(f"tools/{host.name}")

    async def run(
        self, tool: Tool, call: ToolCall, arguments: JsonObject, environment: Mapping[str, str], seconds_max: float
    ) -> ToolReturn:
        """Run a scripted tool; raise ToolError, HostDead."""
        await self._wait(self._stream.between(1, 10) / 1_000)
        verdict = self._world.faults.verdict(TOOL, TOOL_RUN, host=self._host.name)
        if verdict is not None and not isinstance(verdict.fault, ToolCrash):
            return await self._fail(verdict, call, seconds_max)
        text = self._effect(tool.name, arguments)
        if verdict is not None:
            verdict.fire()
            self._host.crash()
        await self._wait(0)
        return ToolReturn(tool_call_id=call.id, status=ToolStatus.SUCCESS, text=text)

    async def _fail(self, verdict: Verdict, call: ToolCall, seconds_max: float) -> ToolReturn:
        verdict.fire()
        match verdict.fault:
            case ToolRunnerFail():
                raise ToolError("the runner is not there")
            case ToolTimeout():
                await self._wait(seconds_max)
                return ToolReturn(tool_call_id=call.id, status=ToolStatus.ERROR, text="timed out")
        assert isinstance(verdict.fault, ToolFail), verdict.fault
        return ToolReturn(tool_call_id=call.id, status=ToolStatus.ERROR, text="the tool failed", stderr=("boom",))

    def _effect(self, name: str, arguments: JsonObject) -> str:
        text = str(arguments.get("text", ""))
        if name == "note":
            self._ledger.notes.append(text)
            return "noted"
        return "ha" * int(arguments.get("times", 1)) if name == "shout" else text

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        check_alive(self._host, self._incarnation)

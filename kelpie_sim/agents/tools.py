"""Scripted tools, and the ledger of what they did to the outside world.

note {"text": ...}     writes its text into the ledger: an effect that must not happen twice
dig {"text": ...}      the same, and its calls may run beside each other
look {"text": ...}     answers with its text; idempotent
shout {"times": n}     answers with a long text
remember {"label": ..., "line": ...}   asks for `agent_state` and adds a line to a memory block of it

They run as the server's do: a sandbox is made for the call, which may fail, and then the tool runs in it.
"""

import asyncio
from collections.abc import Mapping
from typing import NoReturn

from kelpie_core.errors import ToolError
from kelpie_core.json_types import JsonObject
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus
from kelpie_core.ports import AgentView
from kelpie_core.service.drafts import ToolDraft
from kelpie_sim.agents.faults import (
    SANDBOX_START,
    TOOL,
    TOOL_RUN,
    SandboxBootFail,
    SandboxCrash,
    SandboxExecFail,
    SandboxExecTimeout,
    SandboxLeakOnTerminate,
    SandboxOutOfMemory,
    SandboxOutputTooBig,
    SandboxPoolExhausted,
    ToolCrash,
    ToolFail,
    ToolRunnerFail,
    ToolTimeout,
)
from kelpie_sim.faults import Fault, Verdict
from kelpie_sim.simulation import World
from kelpie_sim.world.host import Host, check_alive

TOOL_DRAFTS = (
    ToolDraft(name="note", description="Write a note."),
    ToolDraft(name="dig", description="Dig deeper.", extra={"enable_parallel_execution": True}),
    ToolDraft(name="look", description="Look something up.", idempotent=True),
    ToolDraft(name="shout", description="Answer at length.", idempotent=True, return_char_limit=100),
)
REMEMBER = ToolDraft(name="remember", source_code="def remember(agent_state, label: str, line: str): ...")
_AT_START = (SandboxBootFail, SandboxExecFail, SandboxPoolExhausted)
_BEFORE_EFFECT = (ToolFail, ToolRunnerFail, ToolTimeout, SandboxOutOfMemory)
_AFTER_EFFECT = (ToolCrash, SandboxCrash, SandboxExecTimeout, SandboxOutputTooBig)
_AT_RUN: tuple[type[Fault], ...] = (*_BEFORE_EFFECT, *_AFTER_EFFECT, SandboxLeakOnTerminate)


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
        self,
        tool: Tool,
        call: ToolCall,
        arguments: JsonObject,
        environment: Mapping[str, str],
        seconds_max: float,
        view: AgentView | None = None,
    ) -> ToolReturn:
        """Run a scripted tool; raise ToolError, HostDead."""
        await self._wait(self._stream.between(1, 10) / 1_000)
        started = self._verdict(SANDBOX_START, _AT_START)
        if started is not None:
            await self._no_sandbox(started, seconds_max)
        verdict = self._verdict(TOOL_RUN, _AT_RUN)
        if verdict is not None and isinstance(verdict.fault, _BEFORE_EFFECT):
            return await self._fail(verdict, call, seconds_max)
        if verdict is not None and isinstance(verdict.fault, SandboxLeakOnTerminate):
            await self._linger(verdict, verdict.fault.latency_ms, tool, arguments)
        text = self._effect(tool.name, arguments)
        if verdict is not None and isinstance(verdict.fault, _AFTER_EFFECT):
            return await self._end(verdict, call, seconds_max)
        await self._wait(0)
        if view is not None and not _remember(view, arguments):
            return _ended(call, "KeyError: there is no such memory block")
        return ToolReturn(tool_call_id=call.id, status=ToolStatus.SUCCESS, text=text)

    def _verdict(self, operation: str, kinds: tuple[type[Fault], ...]) -> Verdict | None:
        return self._world.faults.verdict(TOOL, operation, host=self._host.name, applies=kinds)

    async def _no_sandbox(self, verdict: Verdict, seconds_max: float) -> NoReturn:
        verdict.fire()
        match verdict.fault:
            case SandboxBootFail():
                raise ToolError("the process for the tool could not be started")
            case SandboxExecFail():
                raise ToolError("the tool could not be isolated and did not run", retriable=False)
        await self._wait(seconds_max)
        raise ToolError("no sandbox was free: the tool did not run")

    async def _fail(self, verdict: Verdict, call: ToolCall, seconds_max: float) -> ToolReturn:
        verdict.fire()
        match verdict.fault:
            case ToolRunnerFail():
                raise ToolError("the runner is not there")
            case ToolTimeout():
                await self._wait(seconds_max)
                return _ended(call, "timed out")
            case SandboxOutOfMemory():
                return _ended(call, "MemoryError: the tool needs more memory than it may have")
        assert isinstance(verdict.fault, ToolFail), verdict.fault
        return ToolReturn(tool_call_id=call.id, status=ToolStatus.ERROR, text="the tool failed", stderr=("boom",))

    async def _end(self, verdict: Verdict, call: ToolCall, seconds_max: float) -> ToolReturn:
        """End a call whose tool has taken effect, and whose return nobody gets."""
        verdict.fire()
        match verdict.fault:
            case ToolCrash():
                self._host.crash()
            case SandboxExecTimeout():
                await self._wait(seconds_max)
                return _ended(call, "the tool was ended: it did not return in time")
            case SandboxOutputTooBig():
                return _ended(call, "the tool returned more bytes than are allowed")
        await self._wait(0)
        return _ended(call, "the tool was ended: its process ended before it returned")

    async def _linger(self, verdict: Verdict, latency_ms: int, tool: Tool, arguments: JsonObject) -> None:
        """Take long; if the call is given up meanwhile, the tool takes effect all the same."""
        verdict.fire()
        try:
            await self._wait(latency_ms / 1_000)
        except asyncio.CancelledError:
            self._effect(tool.name, arguments)
            raise

    def _effect(self, name: str, arguments: JsonObject) -> str:
        text = str(arguments.get("text", ""))
        if name in ("note", "dig"):
            self._ledger.notes.append(text)
            return "noted"
        return "ha" * int(arguments.get("times", 1)) if name == "shout" else text

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        check_alive(self._host, self._incarnation)


def _remember(view: AgentView, arguments: JsonObject) -> bool:
    """Add a line to a block, and return whether there is that block."""
    seen = {block["label"]: block["value"] for block in view.state["memory"]["blocks"]}
    label = str(arguments.get("label"))
    if label in seen:
        view.edits[label] = f"{seen[label]}{arguments.get('line')}\n"
    return label in seen


def _ended(call: ToolCall, words: str) -> ToolReturn:
    return ToolReturn(tool_call_id=call.id, status=ToolStatus.ERROR, text=words)

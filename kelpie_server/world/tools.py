"""Running tools that are not builtin: Python source, each call in a sandbox of its own.

What the tool does wrong is an error return that the model reads. What keeps it from running at all is a ToolError: no
interpreter, no isolation, no place in time. Where the kernel cannot isolate nothing runs, unless the operator said so.
"""

import asyncio
import functools
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import attrs
import msgspec
import structlog

from kelpie_core.errors import ToolError
from kelpie_core.json_types import JsonObject
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus, ToolType
from kelpie_core.ports import AgentView
from kelpie_server.config import Config
from kelpie_server.world.sandbox.folders import Folders, remove, used_bytes
from kelpie_server.world.sandbox.kernel import Kernel, adopt_orphans, this_kernel
from kelpie_server.world.sandbox.policy import Bounds, Policy, limits, rules, user_of
from kelpie_server.world.sandbox.process import OWN_PATH, Ended, Process, run_process
from kelpie_server.world.sandbox.python import Interpreter, find_interpreter

_FOREIGN = ("typescript", "javascript", "ts", "js")
_SIGNALLED = 128  # a process that waited for one that a signal ended says so by this and the signal
_SIGNALS: dict[int, str] = {
    signal.SIGXCPU: "it used all the processor time that it may have",
    signal.SIGSYS: "it made a system call that is not allowed",
    signal.SIGKILL: "the system ended it, probably for want of memory",
}

_log = structlog.get_logger(__name__)


class RefusingToolRunner:
    """The `ToolRunner` that runs nothing. The model reads the refusal as the call's error return."""

    async def run(
        self,
        tool: Tool,
        call: ToolCall,
        arguments: JsonObject,
        environment: Mapping[str, str],
        seconds_max: float,
        view: AgentView | None = None,
    ) -> ToolReturn:
        """Raise ToolError."""
        raise ToolError(f"{tool.name}: this server has no sandbox to run a tool's source in", retriable=False)


def tool_policy(config: Config) -> Policy:
    """Return what tools may do by the settings."""
    return Policy(
        bounds=Bounds(
            concurrent_max=config.tools_concurrent_max,
            memory_bytes_max=config.tools_memory_bytes_max,
            processes_max=config.tools_processes_max,
            disk_bytes_max=config.tools_disk_bytes_max,
            file_bytes_max=config.tools_disk_bytes_max,
        ),
        network=config.tools_network,
        readable=tuple(map(Path, config.tools_readable)),
        python=config.tools_python,
        folder=config.tools_folder,
        unsandboxed=config.tools_unsandboxed,
    )


class SandboxedTools:
    """The `ToolRunner` of the server. `aclose` waits until nothing of any call is left."""

    def __init__(self, policy: Policy, kernel: Kernel | None = None) -> None:
        self._policy = policy
        self._kernel = kernel or this_kernel()
        adopt_orphans()
        self._folders = Folders(policy.folder)
        self._places = list(range(policy.bounds.concurrent_max))
        self._preparing = asyncio.Lock()
        self._free = asyncio.Semaphore(policy.bounds.concurrent_max)
        self.leaving: set[asyncio.Task[None]] = set()

    async def run(
        self,
        tool: Tool,
        call: ToolCall,
        arguments: JsonObject,
        environment: Mapping[str, str],
        seconds_max: float,
        view: AgentView | None = None,
    ) -> ToolReturn:
        """Return what the tool gave; raise ToolError if it could not be run. The wait for a place counts."""
        interpreter = await self._check(tool)
        started = asyncio.get_running_loop().time()
        place = await self._take_place(seconds_max)
        left = seconds_max - (asyncio.get_running_loop().time() - started)
        try:
            user = user_of(place)
            folder = self._folders.make(user)
            job = _Job(tool=tool, arguments=arguments, environment=environment, view=view, seconds=left)
            request = self._request(job, interpreter, str(folder), user)
        except BaseException:
            self._give_back(place)
            raise
        ended = await self._run(interpreter.program, request, folder, place, left)
        return _returned(ended, call, view)

    async def aclose(self) -> None:
        """Wait until what was cancelled is gone, and remove the work folders."""
        while self.leaving:
            await asyncio.wait(self.leaving)
        self._folders.close()

    async def _check(self, tool: Tool) -> Interpreter:
        """Return the interpreter for a tool; raise ToolError for one that cannot run here."""
        if tool.tool_type is not ToolType.CUSTOM or tool.source_code is None:
            raise ToolError(f"{tool.name} ({tool.tool_type}) has no source that this server could run", retriable=False)
        if (tool.source_type or "").lower() in _FOREIGN:
            raise ToolError(f"{tool.name} is {tool.source_type}: only Python runs here", retriable=False)
        if self._kernel.missing is not None and not self._policy.unsandboxed:
            raise ToolError(
                f"tools cannot be isolated here: {self._kernel.missing} (an operator may set tools_unsandboxed)",
                retriable=False,
            )
        async with self._preparing:  # the first call looks around, which may take a while
            interpreter = await asyncio.to_thread(find_interpreter, self._policy.python)
            await asyncio.to_thread(self._folders.open)
        wanted = _requirements(tool)
        if wanted and (missing := await asyncio.to_thread(interpreter.missing, wanted)):
            raise ToolError(
                f"{tool.name} needs packages that are not installed for tools: {', '.join(missing)}. The operator can "
                "install them in a virtual environment and name its interpreter in tools_python",
                retriable=False,
            )
        return interpreter

    async def _take_place(self, seconds_max: float) -> int:
        try:
            async with asyncio.timeout(seconds_max):
                await self._free.acquire()
        except TimeoutError:
            raise ToolError(f"no sandbox was free for {seconds_max:g} s: the tool did not run") from None
        return self._places.pop()

    def _give_back(self, place: int) -> None:
        self._places.append(place)
        self._free.release()

    async def _run(self, program: str, request: bytes, folder: Path, place: int, seconds: float) -> Ended:
        bounds = self._policy.bounds
        process: Process | None = None
        try:
            process = Process(
                program,
                request,
                folder,
                output_bytes_max=bounds.output_bytes_max,
                result_bytes_max=bounds.result_bytes_max + 1,
            )
            used = functools.partial(asyncio.to_thread, used_bytes, folder)
            return await run_process(process, seconds, used, bounds.disk_bytes_max)
        finally:
            # Also when cancelled: the place is free again only when the last process that had its user is gone.
            leaving = asyncio.ensure_future(self._leave(process, folder, place))
            self.leaving.add(leaving)
            leaving.add_done_callback(self.leaving.discard)

    async def _leave(self, process: Process | None, folder: Path, place: int) -> None:
        try:
            if process is not None:
                await process.kill()
            await asyncio.to_thread(remove, folder)
        except OSError as error:
            _log.warning("tool_folder_left", folder=str(folder), error=str(error))
        finally:
            self._give_back(place)

    def _request(self, job: "_Job", interpreter: Interpreter, folder: str, user: int | None) -> bytes:
        policy, kernel = self._policy, self._kernel
        isolated = kernel.missing is None
        request = {
            **job.as_request(folder),
            "own_path": OWN_PATH,
            "import_paths": list(interpreter.packages),
            "wanted": [*interpreter.packages, *map(str, policy.readable)],
            "limits": limits(policy.bounds, job.seconds),
            "processes_max": policy.bounds.processes_max if isolated else None,
            "result_bytes_max": policy.bounds.result_bytes_max,
            "machine": kernel.machine,
            "server": os.getpid(),
            "user": user if isolated else None,
            "rules": None,
        }
        if isolated:
            request["rules"] = rules(policy, kernel, work=folder, libraries=interpreter.readable, user=user)
        return msgspec.json.encode(request)


@attrs.frozen(kw_only=True)
class _Job:
    """What is to be run."""

    tool: Tool
    arguments: JsonObject
    environment: Mapping[str, str] = attrs.field(repr=False)
    view: AgentView | None
    seconds: float

    def as_request(self, folder: str) -> JsonObject:
        """Return the part of the request that says what to run."""
        home = {"HOME": folder, "TMPDIR": folder, "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        return {
            "source": self.tool.source_code,
            "name": self.tool.name,
            "arguments": self.arguments,
            "attributes": bool(self.tool.args_json_schema),
            "state": None if self.view is None else self.view.state,
            "environment": {**home, **self.environment},
        }


def _requirements(tool: Tool) -> dict[str, str | None]:
    wanted = tool.extra.get("pip_requirements") or ()
    return {str(one["name"]): one.get("version") for one in wanted if isinstance(one, dict) and "name" in one}


@attrs.frozen(kw_only=True)
class _Answer:
    """What a process answers. A tool can forge that: it harms only its own return."""

    status: str = "error"
    text: str = ""
    trace: str = ""
    edits: dict[str, str] = attrs.field(factory=dict)
    not_isolated: str | None = None


def _returned(ended: Ended, call: ToolCall, view: AgentView | None) -> ToolReturn:
    """Return how a call ended as its return; raise ToolError if its process could not be shut in."""
    answer = _answer(ended)
    if answer.not_isolated is not None:
        raise ToolError(f"the tool could not be isolated and did not run: {answer.not_isolated}", retriable=False)
    done = answer.status == "success"
    if done and view is not None:
        view.edits.update(answer.edits)
    stdout, stderr = (output.decode("utf-8", "replace").strip("\n") for output in (ended.stdout, ended.stderr))
    return ToolReturn(
        tool_call_id=call.id,
        status=ToolStatus.SUCCESS if done else ToolStatus.ERROR,
        text=answer.text,
        stdout=(stdout,) if stdout else (),
        stderr=tuple(text for text in (stderr, answer.trace) if text),
    )


def _answer(ended: Ended) -> _Answer:
    """Return what the process answered, or in words why it did not."""
    if ended.killed_for is None and ended.result:
        try:
            return msgspec.json.decode(ended.result, type=_Answer)
        except msgspec.DecodeError:
            return _Answer(text="the tool wrote over its own result")
    ended_by = ended.code - _SIGNALLED if ended.code > _SIGNALLED else -ended.code
    why = ended.killed_for or _SIGNALS.get(ended_by, f"its process ended with code {ended.code} before it returned")
    return _Answer(text=f"the tool was ended: {why}")

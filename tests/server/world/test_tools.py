"""The runner of tools: what it gives back, what it refuses to run, and that nothing of a call is left behind."""

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Collection
from pathlib import Path

import attrs
import pytest

from kelpie_core.errors import ToolError
from kelpie_core.json_types import JsonObject
from kelpie_core.kelpie import Kelpie
from kelpie_core.memory_store import MemoryStore
from kelpie_core.model.content import TextPart
from kelpie_core.model.tool import ToolReturn, ToolStatus, ToolType
from kelpie_core.ports import AgentView, ModelFinished, Ports, ToolCallDelta, ToolRunner
from kelpie_core.service.drafts import AgentDraft, BlockDraft, MessageDraft
from kelpie_core.wire.letta_tool_requests import tool_draft
from kelpie_server.config import Config
from kelpie_server.world import tools as module
from kelpie_server.world.clock import SystemClock
from kelpie_server.world.sandbox.kernel import Kernel
from kelpie_server.world.sandbox.policy import MIB, Bounds, Policy, rules
from kelpie_server.world.tools import RefusingToolRunner, SandboxedTools, tool_policy
from tests.server.far_sides import CountingEntropy, ScriptedModel, says
from tests.server.world.processes import children
from tests.server.world.sandbox.running import CALL, KERNEL, needs_sandbox, ran, tool, with_tools

BLIND = Kernel(machine="x86_64", landlock=0, missing="it cannot")
SLEEPY = "import time\ndef f():\n    time.sleep(60)"


def text_of(returned: ToolReturn, status: ToolStatus = ToolStatus.SUCCESS) -> str | None:
    """Return the text of a return that ended with that status."""
    assert (status, CALL.id) == (returned.status, returned.tool_call_id), returned
    return returned.text


def test_without_a_sandbox_nothing_runs() -> None:
    """The runner that refuses says which tool and why."""
    runner: ToolRunner = RefusingToolRunner()
    with pytest.raises(ToolError, match=r"f: .* sandbox"):
        asyncio.run(runner.run(tool("x"), CALL, {}, {}, 1.0))


@needs_sandbox
@pytest.mark.parametrize(
    ("source", "arguments", "expected"),
    [
        ("def f(a, b=2):\n    return a + b", {"a": 1}, "3"),
        ("def f(): pass", {}, "None"),
        ("def f():\n    return 'é'", {}, "é"),
        ("def f():\n    return '\\ud83d\\ude00 \\ud800'", {}, "\U0001f600 \ufffd"),
        ("def f():\n    return {'a': [1, None]}", {}, '{"a": [1, null]}'),
        ("def f():\n    return {1: {2}}", {}, "{1: {2}}"),
        ("import asyncio\nasync def f(a):\n    await asyncio.sleep(0)\n    return a", {"a": "x"}, "x"),
        ("def helper(): return 1\ndef other(): return helper() + 1", {}, "2"),
        ("def f(self, a: 'Missing', *, b: Missing = 1): return b", {"a": 1}, "1"),
    ],
)
def test_what_a_tool_gives(source: str, arguments: dict[str, object], expected: str) -> None:
    """A value comes back as text: a text as it is, objects and lists as JSON, all else as str() says."""
    assert expected == text_of(ran(source, arguments))


@needs_sandbox
def test_what_a_tool_prints_is_kept() -> None:
    """Standard output and error are kept apart from the return, without their last line's end."""
    returned = ran("import sys\ndef f():\n    print('a')\n    print('b', file=sys.stderr)\n    return 'c'")
    assert ("c", ("a",), ("b",)) == (text_of(returned), returned.stdout, returned.stderr)


@needs_sandbox
def test_a_tool_that_fails() -> None:
    """An exception is an error return that says where, with the tool's own frames as the trace."""
    returned = ran("def g(): 1 / 0\ndef f():\n    print('so far')\n    g()")
    text = "ZeroDivisionError: division by zero (line 1 of the tool)"
    assert (text, ("so far",)) == (text_of(returned, ToolStatus.ERROR), returned.stdout)
    (trace,) = returned.stderr or ()
    assert 'File "<tool>", line 4, in f\n    g()' in trace
    assert "bootstrap" not in trace


@needs_sandbox
@pytest.mark.parametrize(
    ("source", "arguments", "words"),
    [
        ("def f(:", {}, "SyntaxError: "),
        ("x = 1", {}, "the source has no function"),
        ("def f(a): pass", {}, "f lacks: a"),
        ("def f(a): pass", {"a": 1, "b": 2}, "f does not take: b"),
        ("def f(client): pass", {}, "f asks for `client`, which this server does not offer to tools"),
        ("import nowhere\ndef f(): pass", {}, "ModuleNotFoundError: No module named 'nowhere' (line 1 of the tool)"),
        ("def f():\n    raise SystemExit(3)", {}, "SystemExit: 3 (line 2 of the tool)"),
        ("import os\ndef f():\n    os._exit(3)", {}, "its process ended with code 3 before it returned"),
    ],
)
def test_calls_that_cannot_be_made(source: str, arguments: dict[str, object], words: str) -> None:
    """Whatever is wrong with the source or the arguments is an error return in words."""
    assert words in str(text_of(ran(source, arguments), ToolStatus.ERROR))


@needs_sandbox
def test_a_tool_that_writes_over_its_result() -> None:
    """Rubbish on the pipe of the result is an error return, never a success."""
    source = (
        "import os\ndef f():\n    for fd in range(3, 128):\n"
        "        try: os.write(fd, b'{')\n        except OSError: pass"
    )
    assert "the tool wrote over its own result" == text_of(ran(source), ToolStatus.ERROR)


@needs_sandbox
def test_environment() -> None:
    """A tool has its own environment and nothing of the server's."""
    source = "import os\ndef f():\n    return sorted(os.environ), os.environ['KEY'], os.environ['HOME'] == os.getcwd()"
    returned = ran(source, environment={"KEY": "secret"})
    assert "(['HOME', 'KEY', 'LC_ALL', 'PATH', 'TMPDIR'], 'secret', True)" == text_of(returned)


@needs_sandbox
def test_secrets_are_in_no_environment_of_the_process(others: list[int]) -> None:
    """What others of the machine could read of a process, its command line and first environment, holds no secret."""

    async def test(tools: SandboxedTools) -> bytes:
        running = asyncio.ensure_future(tools.run(tool(SLEEPY), CALL, {}, {"KEY": "hush-hush"}, 20))
        found = await started(others)
        read = b"".join(Path(f"/proc/{found[0]}/{name}").read_bytes() for name in ("cmdline", "environ"))
        running.cancel()
        await asyncio.wait((running,))
        return read

    read = with_tools(test)
    assert (True, False) == (b"bootstrap" in read, b"hush-hush" in read)


async def started(others: Collection[int]) -> list[int]:
    """Return the processes of a call once the tool is at work."""
    while not (found := children(others)):  # noqa: ASYNC110 (nobody tells when a process begins)
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    return found


@needs_sandbox
def test_agent_state() -> None:
    """A tool that asks for the agent sees it, and what it makes of the blocks is given back; nobody else sees it."""
    state = {"id": "agent-1", "name": "Ada", "memory": {"blocks": [{"label": "human", "value": "Bo"}]}}
    view = AgentView(state=state)
    source = (
        "def f(agent_state, line: str):\n    block = agent_state.memory.get_block('human')\n"
        "    block.value += line\n    return agent_state.name"
    )
    assert "Ada" == text_of(ran(source, {"line": "!"}, view=view))
    assert {"human": "Bo!"} == view.edits
    assert "f lacks: line" == text_of(ran(source, view=view), ToolStatus.ERROR)


@needs_sandbox
def test_edits_of_a_tool_that_fails_are_dropped() -> None:
    """A tool that raises has changed nothing of the agent."""
    view = AgentView(state={"id": "a", "memory": {"blocks": [{"label": "human", "value": "Bo"}]}})
    ran("def f(agent_state):\n    agent_state.memory.update_block_value('human', 'x')\n    1 / 0", view=view)
    assert {} == view.edits


@needs_sandbox
def test_attributes_of_arguments() -> None:
    """Objects of a tool with a schema of its own are read by attribute, as its client's classes are."""
    source = "def f(data: Entry):\n    return data.item.name, data['item']['n']"
    arguments = {"data": {"item": {"name": "x", "n": 1}}}
    assert "('x', 1)" == text_of(ran(source, arguments, args_json_schema={"properties": {"data": {}}}))


@needs_sandbox
def test_arguments_as_classes_of_the_source() -> None:
    """Where an annotation names a class of the source the argument is one: an Enum, a dataclass, in lists too."""
    source = (
        "import dataclasses, enum\nclass Colour(enum.Enum):\n    RED = 'red'\n"
        "@dataclasses.dataclass\nclass Dot:\n    x: int\n"
        "def f(colour: Colour, dots: list[Dot], last: 'Dot | None' = None):\n    return colour.name, dots[0].x, last"
    )
    assert "('RED', 3, None)" == text_of(ran(source, {"colour": "red", "dots": [{"x": 3}], "last": None}))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tool_type": ToolType.EXTERNAL_MCP}, r"f \(external_mcp\) has no source"),
        ({"source_code": None}, "has no source"),
        ({"source_type": "typescript"}, "f is typescript: only Python runs here"),
        (
            {"extra": {"pip_requirements": [{"name": "Left.Pad", "version": None}, {"name": "numpy", "version": "2"}]}},
            "f needs packages that are not installed for tools: Left.Pad, numpy==2. .* tools_python",
        ),
    ],
)
def test_tools_that_cannot_run_here(fields: JsonObject, words: str) -> None:
    """What this server has no means to run is refused in words, before anything is started."""
    kernel, asked = attrs.evolve(KERNEL, missing=None), attrs.evolve(tool("def f(): pass"), **fields)
    with pytest.raises(ToolError, match=words):
        with_tools(lambda tools: tools.run(asked, CALL, {}, {}, 1), kernel=kernel)


def test_fails_closed() -> None:
    """Where the kernel cannot isolate, nothing runs; unless the operator said so, then it does."""
    with pytest.raises(ToolError, match="tools cannot be isolated here: it cannot"):
        ran("def f(): return 1", kernel=BLIND)
    assert "1" == text_of(ran("def f(): return 1", kernel=BLIND, policy=Policy(unsandboxed=True)))


@needs_sandbox
def test_isolation_that_fails_half_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that could not be shut in has run nothing of the tool."""
    monkeypatch.setattr(module, "rules", lambda *args, **more: {**rules(*args, **more), "calls": "00" * 8})
    with pytest.raises(ToolError, match="could not be isolated and did not run: seccomp"):
        ran("def f(): return 1")


def test_interpreter_that_is_not_there() -> None:
    """A wrong interpreter is an error of the runner."""
    with pytest.raises(ToolError, match="the interpreter for tools cannot be run"):
        ran("def f(): pass", policy=Policy(python=Path("/nowhere/python"), unsandboxed=True))


@needs_sandbox
def test_calls_wait_for_a_place() -> None:
    """No more tools run at once than may; who waits in vain is told that nothing ran, and the place is free again."""

    async def test(tools: SandboxedTools) -> tuple[str | None, str | None]:
        first = asyncio.ensure_future(tools.run(tool("import time\ndef f(): time.sleep(0.6)"), CALL, {}, {}, 20))
        await asyncio.sleep(0.05)
        with pytest.raises(ToolError, match=r"no sandbox was free for 0\.1 s: the tool did not run"):
            await tools.run(tool("def f(): pass"), CALL, {}, {}, 0.1)
        second = await tools.run(tool("def f(): return 2"), CALL, {}, {}, 20)
        return text_of(await first), text_of(second)

    assert ("None", "2") == with_tools(test, Policy(bounds=Bounds(concurrent_max=1)))


@needs_sandbox
def test_cancelling_kills_at_once(others: list[int]) -> None:
    """A call that is given up is gone with all that it forked, and so is its work folder."""
    source = "import os, time\ndef f():\n    os.fork()\n    os.fork()\n    time.sleep(60)"

    async def test(tools: SandboxedTools) -> float:
        running = asyncio.ensure_future(tools.run(tool(source), CALL, {}, {}, 60))
        await started(others)
        began = time.monotonic()
        running.cancel()
        await asyncio.wait((running,))
        await tools.aclose()
        return time.monotonic() - began

    assert with_tools(test) < 5
    assert [] == children(others)


@needs_sandbox
def test_nothing_is_left_of_many_calls(tmp_path: Path, others: list[int]) -> None:
    """After many calls, good, bad, killed and cancelled, there is no zombie, no open file, no folder."""
    sources = ("def f(): return 1", "def f(): 1 / 0", "import os\ndef f():\n    os.fork()\n    os._exit(1)", SLEEPY)

    async def test(tools: SandboxedTools) -> int:
        await tools.run(tool(sources[0]), CALL, {}, {}, 20)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            calls = [tools.run(tool(source), CALL, {}, {}, 1.0) for source in sources]
            late = asyncio.ensure_future(tools.run(tool(SLEEPY), CALL, {}, {}, 20))
            asyncio.get_running_loop().call_later(0.2, late.cancel)
            await asyncio.gather(*calls, late, return_exceptions=True)
        while tools.leaving:
            await asyncio.wait(tools.leaving)
        assert ["lock"] == [path.name for path in tmp_path.glob("*/*")]
        return len(os.listdir("/proc/self/fd")) - before

    assert (0, []) == (with_tools(test, Policy(folder=tmp_path)), children(others))
    assert [] == list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets orphans be adopted")
def test_orphans_of_tools_are_adopted() -> None:
    """A server that runs tools becomes the parent of what they leave behind, so that it can reap that."""
    libc, answer = ctypes.CDLL(None), ctypes.c_int()
    libc.prctl(36, 0, 0, 0, 0)
    SandboxedTools(Policy())
    libc.prctl(37, ctypes.byref(answer), 0, 0, 0)
    assert 1 == answer.value


def test_policy_of_the_settings() -> None:
    """What the operator set is what holds; without settings the defaults of the policy do."""
    assert attrs.evolve(Policy(), bounds=Bounds(file_bytes_max=256 * MIB)) == tool_policy(Config())
    config = Config(
        tools_concurrent_max=2, tools_memory_bytes_max=128 * MIB, tools_processes_max=3, tools_disk_bytes_max=5 * MIB,
        tools_network=True, tools_readable=("/srv",), tools_python=Path("/p"), tools_folder=Path("/t"),
        tools_unsandboxed=True,
    )  # fmt: skip
    bounds = Bounds(
        concurrent_max=2, memory_bytes_max=128 * MIB, processes_max=3, disk_bytes_max=5 * MIB, file_bytes_max=5 * MIB
    )
    expected = Policy(
        bounds=bounds, network=True, readable=(Path("/srv"),), python=Path("/p"), folder=Path("/t"), unsandboxed=True
    )
    assert expected == tool_policy(config)


@needs_sandbox
def test_tool_in_a_turn() -> None:
    """A turn calls a tool that asks for the agent: its return and its edit are stored, and the model goes on."""
    source = (
        "def remember(agent_state, line: str):\n    '''Remember.'''\n    print('so be it')\n"
        "    agent_state.memory.get_block('human').value += line\n    return len(line)"
    )
    asked = (
        ToolCallDelta(index=0, id="call-1", name="remember", arguments='{"line": "tea"}'),
        ModelFinished(),
    )

    async def test(tools: SandboxedTools) -> tuple[list[ToolReturn], str]:
        ports = Ports(
            clock=SystemClock(), entropy=CountingEntropy(), store=MemoryStore(),
            model=ScriptedModel(asked, says("noted")), tools=tools,
        )  # fmt: skip
        async with Kelpie(ports) as kelpie:
            made = await kelpie.tools.create(tool_draft({"source_code": source}))
            blocks = (BlockDraft(label="human", value="likes "),)
            agent = await kelpie.agents.create(AgentDraft(name="Ada", tool_ids=(made.id,), blocks=blocks))
            sent = await kelpie.messages.send(agent.id, [MessageDraft(content=(TextPart(text="hi"),))])
            returns = [one for message in sent.messages for one in message.tool_returns]
            return returns, (await kelpie.agents.block(agent.id, "human")).value

    returned = ToolReturn(tool_call_id="call-1", status=ToolStatus.SUCCESS, text="3", stdout=("so be it",), stderr=())
    assert ([returned], "likes tea") == with_tools(test)

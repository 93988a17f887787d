"""Tools that run: the real server, the real sandbox, the real SDK over a real socket."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from letta_client import AsyncLetta, BadRequestError, ConflictError, Letta

from tests.server.server_process import ServerProcess
from tests.server.world.sandbox.running import needs_sandbox

pytestmark = [needs_sandbox, pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")]

T = TypeVar("T")
ROLL = '''
import os

def roll_dice(sides: int, times: int = 1) -> list[int]:
    """Roll some dice.

    Args:
        sides: how many sides
        times: how often
    """
    print("rolling with", os.environ["LUCK"])
    return [sides] * times
'''
REMEMBER = '''
def remember(agent_state: "AgentState", line: str) -> str:
    """Remember a line.

    Args:
        line: what
    """
    block = agent_state.memory.get_block("human")
    agent_state.memory.update_block_value("human", block.value + line)
    return f"{agent_state.name} knows"
'''
# What older SDKs send for a class of the client's: its `run` as a function, and the schema of its arguments.
INVENTORY = """
def manage_inventory(self, data: InventoryEntry, quantity_change: int) -> bool:
    print(f"{data.item.name}: {quantity_change}")
    return True
"""
INVENTORY_ARGUMENTS = {
    "$defs": {
        "Item": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "InventoryEntry": {"type": "object", "properties": {"item": {"$ref": "#/$defs/Item"}}, "required": ["item"]},
    },
    "properties": {"data": {"$ref": "#/$defs/InventoryEntry"}, "quantity_change": {"type": "integer"}},
    "required": ["data", "quantity_change"],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Return a server that all tests here share; it ends well, and leaves no work folder."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "work").mkdir()
    folder.chmod(0o755)
    for parent in folder.parents[:-2]:
        parent.chmod(parent.stat().st_mode | 0o011)
    process = ServerProcess(folder, "--tools-folder", str(folder / "work"))
    yield process
    assert (0, []) == (process.stop(), list((folder / "work").iterdir())), process.log


def client(server: ServerProcess) -> Letta:
    """Return the SDK for a server, without retries that would hide what is answered."""
    return Letta(base_url=server.url, api_key="any", max_retries=0)


def test_tool_from_source_runs(server: ServerProcess) -> None:
    """A tool made from source alone has a schema, and runs with the agent's secrets; what it printed is told."""
    with client(server) as letta:
        tool = letta.tools.create(source_code=ROLL)
        assert ("roll_dice", "Roll some dice.") == (tool.name, tool.description)
        integer = {"type": "integer"}
        properties = {
            "sides": {**integer, "description": "how many sides"},
            "times": {**integer, "description": "how often"},
        }
        parameters = {"type": "object", "properties": properties, "required": ["sides"]}
        assert {"name": tool.name, "description": tool.description, "parameters": parameters} == tool.json_schema
        agent = letta.agents.create(tool_ids=[tool.id], secrets={"LUCK": "much"})
        ran = letta.agents.tools.run("roll_dice", agent_id=agent.id, args={"sides": 6, "times": 2})
        assert ("success", "[6, 6]", ["rolling with much"]) == (ran.status, ran.func_return, ran.stdout)
        failed = letta.agents.tools.run("roll_dice", agent_id=agent.id, args={})
        assert ("error", "roll_dice lacks: sides") == (failed.status, failed.func_return)


def test_tool_that_changes_the_agent(server: ServerProcess) -> None:
    """What a tool makes of a memory block is there when it has run."""
    with client(server) as letta:
        tool = letta.tools.upsert(source_code=REMEMBER)
        agent = letta.agents.create(name="Ada", tool_ids=[tool.id], memory_blocks=[{"label": "human", "value": "Bo "}])
        ran = letta.agents.tools.run("remember", agent_id=agent.id, args={"line": "likes tea"})
        assert ("success", "Ada knows") == (ran.status, ran.func_return)
        assert "Bo likes tea" == letta.agents.blocks.retrieve("human", agent_id=agent.id).value


def test_tool_of_a_class(server: ServerProcess) -> None:
    """A tool whose argument types exist on the client alone runs with objects of the same shape."""
    with client(server) as letta:
        tool = letta.tools.upsert(
            source_code=INVENTORY, args_json_schema=INVENTORY_ARGUMENTS, description="Update.", tags=["shop"]
        )
        agent = letta.agents.create(tool_ids=[tool.id])
        arguments: dict[str, object] = {"data": {"item": {"name": "tea"}}, "quantity_change": 3}
        ran = letta.agents.tools.run("manage_inventory", agent_id=agent.id, args=arguments)
        assert ("success", "True", ["tea: 3"]) == (ran.status, ran.func_return, ran.stdout)


def test_lists_and_searches(server: ServerProcess) -> None:
    """The SDK pages through filtered lists by itself, and searches."""
    with client(server) as letta:
        for n in range(5):
            letta.tools.create(source_code=f'def page_{n}():\n    "Page."', tags=["paged"])
        names = [tool.name for tool in letta.tools.list(search="page_", limit=2, order="asc")]
        assert [f"page_{n}" for n in range(5)] == names
        found = letta.tools.search(query="page 3", tags=["paged"])
        assert "page_3" == found[0].tool.name


def test_what_is_refused(server: ServerProcess) -> None:
    """Bad source is 400, the name of a builtin tool 409."""
    with client(server) as letta:
        with pytest.raises(BadRequestError, match=r"invalid syntax.*\(line 1\)"):
            letta.tools.create(source_code="def (")
        with pytest.raises(ConflictError, match="send_message"):
            letta.tools.create(source_code='def send_message():\n    "Mine."')


def test_source_that_is_not_stored(server: ServerProcess) -> None:
    """Source runs without being stored, with its own environment."""
    source = "import os\ndef f(a): return os.environ['KEY'] * a"
    body = {"source_code": source, "args": {"a": 2}, "env_vars": {"KEY": "x"}}
    answer = httpx.post(f"{server.url}/v1/tools/run", json=body).json()
    assert ("tool_return_message", "success", "xx") == (
        answer["message_type"], answer["status"], answer["tool_return"],
    )  # fmt: skip


def test_approval_by_the_sdk(server: ServerProcess) -> None:
    """The SDK sets whether a tool's calls wait for approval."""

    async def test() -> list[str]:
        async with AsyncLetta(base_url=server.url, api_key="any", max_retries=0) as letta:
            tool = await letta.tools.upsert(source_code='def ask_me():\n    "Ask."')
            agent = await letta.agents.create(tool_ids=[tool.id])
            state = await letta.agents.tools.update_approval("ask_me", agent_id=agent.id, body_requires_approval=True)
            return [str(rule.type) for rule in (getattr(state, "tool_rules", None) or [])]

    assert ["requires_approval"] == asyncio.run(test())


def test_many_at_once(server: ServerProcess) -> None:
    """More calls than places at once all run."""

    async def test() -> list[object]:
        async with AsyncLetta(base_url=server.url, api_key="any", max_retries=0) as letta:
            tool = await letta.tools.upsert(source_code='def same(a: int):\n    "Same."\n    return a')
            agent = await letta.agents.create(tool_ids=[tool.id])
            runs = [letta.agents.tools.run("same", agent_id=agent.id, args={"a": n}) for n in range(16)]
            return [ran.func_return for ran in await asyncio.gather(*runs)]

    assert [str(n) for n in range(16)] == asyncio.run(test())


def test_a_tool_dies_with_its_server(tmp_path: Path) -> None:
    """When a server is killed the tool at work dies with all it forked, and the next server removes what it left."""
    for parent in (tmp_path, *tmp_path.parents[:-2]):
        parent.chmod(parent.stat().st_mode | 0o011)
    work = tmp_path / "work"
    work.mkdir()
    source = (
        "import os, time\ndef f():\n    child = os.fork()\n    if child:\n"
        "        open('part', 'w').write(f'{os.getpid()} {child}')\n        os.rename('part', 'pid')\n"
        "    time.sleep(60)"
    )
    server = ServerProcess(tmp_path, "--tools-folder", str(work))
    with httpx.Client(base_url=server.url, timeout=30) as http:
        asking = threading.Thread(target=_ask, args=(http, source))
        asking.start()
        (written,) = eventually(lambda: list(work.glob("*/*/pid")))
        tools = [int(pid) for pid in written.read_text().split()]
        assert [True, True] == [is_alive(tool) for tool in tools]
        server.kill()
        asking.join()
    eventually(lambda: not any(map(is_alive, tools)))
    assert [False, False] == [is_alive(tool) for tool in tools]
    again = ServerProcess(tmp_path, "--tools-folder", str(work))
    body = {"source_code": "def f(): return 1", "args": {}}
    assert "1" == httpx.post(f"{again.url}/v1/tools/run", json=body).json()["tool_return"]
    assert False is written.exists()
    assert (0, []) == (again.stop(), list(work.iterdir()))


def eventually(look: Callable[[], T]) -> T:
    """Return the first thing that a look gives which is not empty."""
    deadline = time.monotonic() + 20
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)
    return found


def is_alive(process: int) -> bool:
    """Return whether a process runs: one that ended and that nobody has reaped does not."""
    try:
        return " Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


def _ask(http: httpx.Client, source: str) -> None:
    with contextlib.suppress(httpx.TransportError):  # the server dies before it answers
        http.post("/v1/tools/run", json={"source_code": source, "args": {}})

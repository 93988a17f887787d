"""The real server in a process of its own, asked by the real SDK over a real socket."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from letta_client import APIStatusError, AsyncLetta, ConflictError, Letta, NotFoundError, UnprocessableEntityError
from letta_client.types import CreateBlockParam

from tests.server.far_sides import unknown
from tests.server.server_process import STUCK, ServerProcess

# The SDK calls its own method for streams deprecated; people use it all the same.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
BLOCKS: list[CreateBlockParam] = [{"label": "human", "value": "Bo"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Return a server that all tests here share."""
    process = ServerProcess(tmp_path_factory.mktemp("server"))
    yield process
    assert 0 == process.stop(), process.log


def client(server: ServerProcess) -> Letta:
    """Return the SDK for a server, as people make it but without retries that would hide what is answered."""
    return Letta(base_url=server.url, api_key="any", max_retries=0)


def contents(messages: Iterable[Any]) -> list[str]:
    """Return what messages say, whichever of the SDK's types they are."""
    return [message.content for message in messages]


def run_of(event: Any) -> str:
    """Return the run that an event of a stream is of."""
    return str(event.run_id)


def test_a_life_of_an_agent(server):
    """The SDK makes an agent, changes it, gives it blocks and tools, finds it, and deletes it."""
    with client(server) as letta:
        assert "ok" == letta.health().status
        agent = letta.agents.create(name="Ada", model="kelpie/echo", memory_blocks=BLOCKS, tags=["life"])
        assert agent == letta.agents.retrieve(agent.id)
        assert "Bo" == letta.agents.update(agent.id, name="Bo").name
        assert [agent.id] == [one.id for one in letta.agents.list(tags=["life"])]
        assert "Cy" == letta.agents.blocks.update("human", agent_id=agent.id, value="Cy").value
        assert "Cy" == letta.agents.blocks.retrieve("human", agent_id=agent.id).value
        block = letta.blocks.create(label="notes", value="n")
        letta.agents.blocks.attach(block.id, agent_id=agent.id)
        assert ["human", "notes"] == [one.label for one in letta.agents.blocks.list(agent.id)]
        letta.agents.blocks.detach(block.id, agent_id=agent.id)
        tool = letta.tools.upsert(source_code="def f(): ...", json_schema={"name": "life", "parameters": {}})
        letta.agents.tools.attach(tool.id, agent_id=agent.id)
        assert "life" in [one.name for one in letta.agents.tools.list(agent.id)]
        letta.agents.delete(agent.id)
        with pytest.raises(NotFoundError):
            letta.agents.retrieve(agent.id)


def test_turns_and_history(server):
    """The SDK sends, streams steps and tokens, and pages through the history in both orders."""
    with client(server) as letta:
        agent = letta.agents.create(memory_blocks=BLOCKS)
        answer = letta.agents.messages.create(agent.id, messages=[{"role": "user", "content": "one"}])
        assert ["echo: one"] == contents(answer.messages)
        steps = list(letta.agents.messages.stream(agent.id, input="two", include_pings=False))
        kinds = ["assistant_message", "stop_reason", "usage_statistics"]
        assert kinds == [one.message_type for one in steps]
        tokens = list(letta.agents.messages.stream(agent.id, input="three", stream_tokens=True))
        assert ["ping", "assistant_message", *kinds] == [one.message_type for one in tokens]
        assert "echo: three" == "".join(contents(tokens[1:3]))
        forwards = contents(letta.agents.messages.list(agent.id, limit=2, order="asc"))
        assert ["one", "echo: one", "two", "echo: two", "three", "echo: three"] == forwards[1:]
        backwards = contents(letta.agents.messages.list(agent.id, limit=2, order="desc"))
        assert forwards == backwards[::-1]
        runs = list(letta.runs.list(agent_id=agent.id, limit=2))
        assert (3, {"completed"}) == (len({run.id for run in runs}), {run.status for run in runs})
        assert "three" == contents(letta.runs.messages.list(runs[0].id))[0]
        assert [runs[0].id] == [step.run_id for step in letta.runs.steps.list(runs[0].id)]


def test_agent_that_speaks_by_calls(server):
    """An agent of the older types answers by its tool, which reads as the assistant's words; nothing waits there."""
    with client(server) as letta:
        agent = letta.agents.create(agent_type="memgpt_v2_agent", memory_blocks=BLOCKS)
        answer = letta.agents.messages.create(agent.id, input="hello")
        assert ["assistant_message", "tool_return_message"] == [one.message_type for one in answer.messages]
        assert ("echo: hello", "end_turn") == (contents(answer.messages[:1])[0], answer.stop_reason.stop_reason)
        approval: Any = {"type": "approval", "approvals": [{"type": "approval", "tool_call_id": "c", "approve": True}]}
        with pytest.raises(APIStatusError, match="No tool call is currently awaiting approval") as caught:
            letta.agents.messages.create(agent.id, messages=[approval])
        assert 400 == caught.value.status_code


def test_there_and_back(server):
    """The SDK exports an agent, imports the file, and exports the copy: equal but for ids, times and name."""
    with client(server) as letta:
        agent = letta.agents.create(name="Ada", memory_blocks=BLOCKS)
        letta.agents.messages.create(agent.id, input="hello")
        file = letta.agents.export_file(agent.id)
        (copy_id,) = letta.agents.import_file(file=file.encode(), append_copy_suffix=False).agent_ids
        first, second = (json.loads(one)["agents"][0] for one in (file, letta.agents.export_file(copy_id)))
        assert ("Ada", ["hello", "echo: hello"]) == (second["name"], [_text(one) for one in second["messages"][1:]])
        assert [_text(one) for one in first["messages"]] == [_text(one) for one in second["messages"]]


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def test_errors_as_the_sdk_has_them(server):
    """Each error arrives as the SDK's class for it."""
    with client(server) as letta:
        with pytest.raises(NotFoundError):
            letta.agents.retrieve(unknown("agent"))
        with pytest.raises(UnprocessableEntityError, match=r"\$\.agent_id"):
            letta.agents.retrieve("nope")
        with pytest.raises(UnprocessableEntityError):
            letta.agents.import_file(file=b"{")
        with pytest.raises(APIStatusError, match=r"agents\.passages\.create") as caught:
            letta.agents.passages.create(unknown("agent"), text="x")
        assert 501 == caught.value.status_code


def test_the_asynchronous_client(server):
    """The asynchronous SDK does the same, many agents at once."""

    async def one(letta: AsyncLetta, number: int) -> list[str]:
        agent = await letta.agents.create(name=f"a{number}")
        stream = await letta.agents.messages.stream(agent.id, input=f"hi {number}", stream_tokens=True)
        pieces = contents([event async for event in stream if event.message_type == "assistant_message"])
        history = contents([one async for one in letta.agents.messages.list(agent.id, limit=1, order="asc")])
        return ["".join(pieces), *history[1:]]

    async def test() -> list[list[str]]:
        async with AsyncLetta(base_url=server.url, api_key="any", max_retries=0) as letta:
            return await asyncio.gather(*(one(letta, number) for number in range(8)))

    assert [[f"echo: hi {n}", f"hi {n}", f"echo: hi {n}"] for n in range(8)] == asyncio.run(test())


def test_what_is_told_survives_a_restart(tmp_path: Path):
    """A server that is asked to stop does, cleanly, and the next one has everything."""
    first = ServerProcess(tmp_path)
    with client(first) as letta:
        agent = letta.agents.create(memory_blocks=BLOCKS)
        letta.agents.messages.create(agent.id, input="hello")
        before = letta.agents.messages.list(agent.id).items
    assert 0 == first.stop(), first.log
    second = ServerProcess(tmp_path)
    with client(second) as letta:
        assert before == letta.agents.messages.list(agent.id).items
    assert 0 == second.stop()


def test_a_killed_server_leaves_no_run_at_work(tmp_path: Path):
    """After kill -9 in mid-turn the next server ends the turn, with the input there, and takes the next message."""
    stuck = ServerProcess(tmp_path, module=STUCK)
    with client(stuck) as letta:
        agent = letta.agents.create(memory_blocks=BLOCKS)
        stream = letta.agents.messages.stream(agent.id, input="hello", stream_tokens=True)
        assert ["ping", "assistant_message"] == [next(stream).message_type for _ in range(2)]
        with pytest.raises(ConflictError, match="is currently being processed"):
            letta.agents.messages.create(agent.id, input="me too")
        stuck.kill()
        with pytest.raises(httpx.HTTPError):
            list(stream)
    after = ServerProcess(tmp_path, "--busy-wait-seconds", "20")
    with client(after) as letta:
        letta.agents.messages.create(agent.id, input="and now?", max_steps=3)
        texts = contents(letta.agents.messages.list(agent.id, order="asc"))
        assert ["hello", "echo: hello", "and now?", "echo: and now?"] == texts[1:]
        assert {"completed"} == {run.status for run in letta.runs.list(agent_id=agent.id)}
    assert 0 == after.stop()


def test_a_stopping_server_leaves_the_turn_to_the_next(tmp_path: Path):
    """A turn that does not end within the grace period is told so in its stream, and goes on in the next process."""
    stuck = ServerProcess(tmp_path, module=STUCK)
    with client(stuck) as letta:
        agent = letta.agents.create()
        stream = letta.agents.messages.stream(agent.id, input="hello", background=True)
        run_id = run_of(next(stream))
        assert 0 == stuck.stop(), stuck.log
        with pytest.raises(APIStatusError, match="the server is stopping"):
            list(stream)
    after = ServerProcess(tmp_path, "--busy-wait-seconds", "20")
    with client(after) as letta:
        letta.agents.messages.create(agent.id, input="next")
        assert "completed" == letta.runs.retrieve(run_id).status
    assert 0 == after.stop()

"""Background streams as the SDK's users know them: begun, broken off, resumed; by the real SDK, sync and async."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from letta_client import APIStatusError, AsyncLetta, Letta, NotFoundError, UnprocessableEntityError
from letta_client.types.agents import LettaStreamingResponse

from kelpie_core.errors import StoreError
from tests.core.wire.letta_samples import read_by_sdk
from tests.server.asgi_client import events_of, post
from tests.server.far_sides import World, in_world, says, unknown
from tests.server.server_process import ServerProcess
from tests.server.test_sdk_turns import by_sdk

# The SDK calls its own method for streams deprecated; people use it all the same.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
KINDS = ["ping", "assistant_message", "stop_reason", "usage_statistics"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Return a server that all tests here share."""
    process = ServerProcess(tmp_path_factory.mktemp("server"))
    yield process
    assert 0 == process.stop(), process.log


def client(server: ServerProcess) -> Any:
    """Return the SDK for a server, without retries that would hide what is answered; its types are not the point."""
    return Letta(base_url=server.url, api_key="any", max_retries=0)


def kinds(events: Iterable[Any]) -> list[str]:
    """Return the types of events."""
    return [event.message_type for event in events]


def test_resuming(server: ServerProcess):
    """A stream that is left after any event goes on behind it, to its end; the whole can be heard again."""
    with client(server) as letta:
        agent = letta.agents.create()
        body: Any = {"input": "one two three", "streaming": True, "stream_tokens": True, "background": True}
        whole = list(letta.agents.messages.create(agent.id, **body))
        assert ["ping", *["assistant_message"] * 4, "stop_reason", "usage_statistics"] == kinds(whole)
        assert list(range(1, 8)) == [event.seq_id for event in whole]
        for after in range(len(whole) + 1):
            rest = letta.runs.messages.stream(whole[0].run_id, starting_after=after, batch_size=1, poll_interval=0.1)
            assert whole[after:] == list(rest)


def test_leaving_stops_nothing(server: ServerProcess):
    """Who hangs up after the first event finds the rest later, and the answer in the history."""
    with client(server) as letta:
        agent = letta.agents.create()
        stream = letta.agents.messages.create(agent.id, input="hi", streaming=True, background=True)
        first = next(iter(stream))
        stream.response.close()
        rest = list(letta.runs.messages.stream(first.run_id, starting_after=first.seq_id))
        assert (1, KINDS[1:]) == (first.seq_id, kinds(rest))
        assert "echo: hi" == rest[0].content
        assert "echo: hi" == letta.agents.messages.list(agent.id, order="desc", limit=1).items[0].content


def test_run_that_nobody_listened_to(server: ServerProcess):
    """A turn that was begun without a stream can be heard from its first event on."""
    with client(server) as letta:
        run = letta.agents.messages.create_async(letta.agents.create().id, input="hi")
        assert KINDS == kinds(letta.runs.messages.stream(run.id))


def test_stream_of_a_conversation(server: ServerProcess):
    """It is found by the run, or by the otid of the message that began it, and goes on from any event."""
    with client(server) as letta:
        agent = letta.agents.create()
        made = letta.conversations.create(agent_id=agent.id)
        body: Any = [{"role": "user", "content": "hi", "otid": "mine"}]
        whole = list(letta.conversations.messages.create(made.id, messages=body, background=True))
        assert KINDS == kinds(whole)
        for named in ({"run_id": whole[0].run_id}, {"otid": "mine"}):
            assert whole[1:] == list(letta.conversations.messages.stream(made.id, starting_after=1, **named))
        assert whole == list(letta.conversations.messages.create(made.id, messages=body, background=True))


def test_what_is_refused(server: ServerProcess):
    """A run that is not kept, or not there, and places that make no sense are told by name; nothing is made up."""
    with client(server) as letta:
        agent = letta.agents.create()
        plain = list(letta.agents.messages.create(agent.id, input="hi", streaming=True))
        assert {None} == {event.seq_id for event in plain if hasattr(event, "seq_id")}
        with pytest.raises(UnprocessableEntityError, match="background: true"):
            letta.runs.messages.stream(plain[0].run_id)
        with pytest.raises(NotFoundError):
            letta.runs.messages.stream(unknown("run"))
        run = letta.agents.messages.create_async(agent.id, input="again")
        for name in ("starting_after", "batch_size", "poll_interval"):
            wrong: Any = {name: -1}
            with pytest.raises(UnprocessableEntityError, match=name):
                letta.runs.messages.stream(run.id, **wrong)


def test_callback_is_refused(server: ServerProcess):
    """Nobody is called back when a run ends, and a request that asks for it is not begun."""
    with client(server) as letta:
        agent = letta.agents.create()
        with pytest.raises(APIStatusError, match="create_async with callback_url") as caught:
            letta.agents.messages.create_async(agent.id, input="hi", callback_url="http://127.0.0.1/done")
        assert 501 == caught.value.status_code
        assert [] == list(letta.runs.list(agent_id=agent.id))


def test_resuming_async():
    """The asynchronous SDK hears the same."""

    async def test(letta: AsyncLetta, world: World) -> None:
        agent = await letta.agents.create()
        stream = await letta.agents.messages.create(agent.id, input="hi", streaming=True, background=True)
        whole = [event async for event in stream]
        assert KINDS == kinds(whole)
        rest = await letta.runs.messages.stream(str(whole[0].run_id), starting_after=2)  # type: ignore[union-attr]
        assert whole[2:] == [event async for event in rest]

    by_sdk(test, says("hello"))


def test_kinds_that_were_left_out():
    """Who wants only some kinds of messages is told no others, now or when resuming."""

    async def test(letta: AsyncLetta, world: World) -> None:
        agent = await letta.agents.create()
        wanted: Any = {"include_return_message_types": ["tool_call_message"], "streaming": True, "background": True}
        whole: Any = [one async for one in await letta.agents.messages.create(agent.id, input="hi", **wanted)]
        assert ["ping", "stop_reason", "usage_statistics"] == kinds(whole)
        rest = [event async for event in await letta.runs.messages.stream(whole[0].run_id, starting_after=1)]
        assert whole[1:] == rest

    by_sdk(test, says("hello"))


def test_telling_that_breaks_off():
    """If the log cannot be read on, the client is told to resume; nothing says that the run has ended, nor [DONE]."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent()
        run = (await world.http.post(f"/v1/agents/{agent_id}/messages/async", json={"input": "hi"})).json()
        whole = post(world.app, f"/v1/runs/{run['id']}/stream", {})
        await whole.start()
        assert b"[DONE]" in b"".join([piece async for piece in whole.body()])
        broken = post(world.app, f"/v1/runs/{run['id']}/stream", {"starting_after": 2})
        world.store.fail_after(2, StoreError("the disk is gone", retriable=False))
        assert 200 == (await broken.start())["status"]
        ((name, event),) = events_of(b"".join([piece async for piece in broken.body()]))
        world.store.broken = None
        read_by_sdk(LettaStreamingResponse, event)  # type: ignore[arg-type]
        assert isinstance(event, dict)
        assert ("error", "stream_broken_off", 2) == (name, event["error_type"], event["seq_id"])

    in_world(test)

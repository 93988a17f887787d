"""Turns, plain and streamed; histories; cancelling."""

import asyncio
import json

import pytest
import structlog
from letta_client.types import AgentState
from letta_client.types.agents import LettaResponse, LettaStreamingResponse
from letta_client.types.agents import Message as SdkMessage
from letta_client.types.agents import Run as SdkRun

from kelpie_core.errors import ModelError, StoreError
from kelpie_core.ports import ModelFinished, TextDelta, ToolCallDelta
from kelpie_core.service import message_search
from kelpie_core.wire.letta_search import READ_BACK_TO
from tests.core.wire.letta_samples import read_by_sdk
from tests.server.asgi_client import events_of, post
from tests.server.far_sides import ScriptedModel, World, in_world, says, unknown
from tests.server.manual_clock import settle

CALL = (
    ToolCallDelta(index=0, id="c1", name="memory_insert", arguments='{"label":"human",'),
    ToolCallDelta(index=0, arguments='"new_string":"likes tea"}'),
    ModelFinished(),
)
BLOCKS = [{"label": "human", "value": "Bo"}]


def refused() -> tuple[Exception, ...]:
    """Return a reply that is a refusal."""
    return (ModelError("429 from them", kind="llm_rate_limit", retriable=False),)


async def streamed(world: World, agent_id: str, path: str = "/stream", **body: object) -> list[tuple[object, dict]]:  # type: ignore[type-arg]
    """Return the events of a streamed turn before [DONE], each read by the SDK."""
    exchange = post(world.app, f"/v1/agents/{agent_id}/messages{path}", body)
    start = await exchange.start()
    assert (200, b"text/event-stream; charset=utf-8") == (start["status"], start["headers"][0][1])
    *events, last = events_of(b"".join([piece async for piece in exchange.body()]))
    assert (None, "[DONE]") == last
    for _, data in events:
        read_by_sdk(LettaStreamingResponse, data)  # type: ignore[arg-type]
    return events  # type: ignore[return-value]


def test_a_turn():
    """A message is answered with what the agent said, why it stopped and what it used."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent()
        answer = await world.http.post(f"/v1/agents/{agent_id}/messages", json={"input": "hello there"})
        shown = read_by_sdk(LettaResponse, answer.json())
        assert ["echo: hello there"] == [one["content"] for one in answer.json()["messages"]]
        assert ("end_turn", 3, 1) == (
            shown.stop_reason.stop_reason,
            shown.usage.completion_tokens,
            shown.usage.step_count,
        )

    in_world(test)


def test_a_turn_with_a_tool():
    """A call and its return are told, and what the tool changed is there."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent(memory_blocks=BLOCKS)
        answer = (await world.http.post(f"/v1/agents/{agent_id}/messages", json={"input": "hi"})).json()
        assert ["tool_call_message", "tool_return_message", "assistant_message"] == [
            one["message_type"] for one in answer["messages"]
        ]
        assert ("success", "c1") == (answer["messages"][1]["status"], answer["messages"][1]["tool_call_id"])
        block = (await world.http.get(f"/v1/agents/{agent_id}/core-memory/blocks/human")).json()
        assert "Bo\nlikes tea" == block["value"]

    in_world(test, model=ScriptedModel(CALL, says("noted")))


def test_types_select_the_answer():
    """Only the asked-for variants are answered."""

    async def test(world: World) -> list[str]:
        agent_id = await world.make_agent(memory_blocks=BLOCKS)
        body = {"input": "hi", "include_return_message_types": ["assistant_message"]}
        answer = (await world.http.post(f"/v1/agents/{agent_id}/messages", json=body)).json()
        return [one["message_type"] for one in answer["messages"]]

    assert ["assistant_message"] == in_world(test, model=ScriptedModel(CALL, says("noted")))


def test_a_failed_turn():
    """A model that fails is an error with the status of its kind, not to be sent again, for the input is stored."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent()
        answer = await world.http.post(f"/v1/agents/{agent_id}/messages", json={"input": "hi"})
        assert (429, "false") == (answer.status_code, answer.headers["x-should-retry"])
        assert ("llm_rate_limit", "429 from them") == (answer.json()["error"]["type"], answer.json()["error"]["detail"])
        history = (await world.http.get(f"/v1/agents/{agent_id}/messages", params={"order": "asc"})).json()
        assert ["system_message", "user_message"] == [one["message_type"] for one in history]

    in_world(test, model=ScriptedModel(refused()))


@pytest.mark.parametrize(("path", "more"), [("/stream", {}), ("", {"streaming": True})])
def test_a_stream_of_steps(path, more):
    """Without tokens a stream tells whole messages, by either way of asking for it."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent(memory_blocks=BLOCKS)
        events = await streamed(world, agent_id, path, input="hi", **more)
        assert [
            "ping",
            "tool_call_message",
            "tool_return_message",
            "assistant_message",
            "stop_reason",
            "usage_statistics",
        ] == [data["message_type"] for _, data in events]
        assert {None} == {name for name, _ in events}

    in_world(test, model=ScriptedModel(CALL, says("noted")))


def test_a_stream_of_tokens():
    """With tokens a stream tells messages in pieces under one id, the one under which they are stored."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent()
        events = await streamed(world, agent_id, input="big world", stream_tokens=True, include_pings=False)
        pieces = [data for _, data in events if data["message_type"] == "assistant_message"]
        assert ["echo:", " big", " world"] == [one["content"] for one in pieces]
        (newest, *_) = (await world.http.get(f"/v1/agents/{agent_id}/messages")).json()
        assert {(newest["id"], newest["otid"])} == {(one["id"], one["otid"]) for one in pieces}
        assert "echo: big world" == newest["content"]

    in_world(test)


def test_a_background_stream_counts():
    """Every event of a background stream has the next number, the first is a ping."""

    async def test(world: World) -> None:
        events = await streamed(world, await world.make_agent(), input="hi", background=True, include_pings=False)
        assert "ping" == events[0][1]["message_type"]
        assert list(range(1, len(events) + 1)) == [data["seq_id"] for _, data in events]

    in_world(test)


def test_a_failed_stream():
    """A model that fails in mid-stream gives an error event; what it had said is not made up into an answer."""

    async def test(world: World) -> None:
        events = await streamed(world, await world.make_agent(), input="hi", stream_tokens=True)
        assert [None, None, None, "error"] == [name for name, _ in events]
        assert ["ping", "assistant_message", "stop_reason", "error_message"] == [d["message_type"] for _, d in events]
        assert ("llm_api_error", "llm_rate_limit") == (events[2][1]["stop_reason"], events[3][1]["error_type"])

    in_world(test, model=ScriptedModel((TextDelta(text="well"), *refused())))


def test_a_store_that_breaks_under_a_stream():
    """A turn that can no longer be stored says so in the stream; the failure is logged too."""
    go = asyncio.Event()

    async def test(world: World) -> None:
        agent_id = await world.make_agent()
        with structlog.testing.capture_logs() as logs:
            told = asyncio.ensure_future(streamed(world, agent_id, input="hi"))
            await settle()
            world.store.broken = StoreError("the disk is full", retriable=False)
            go.set()
            events = await told
        assert ["ping", "stop_reason", "error_message"] == [data["message_type"] for _, data in events]
        assert ("error", "internal_error") == (events[1][1]["stop_reason"], events[2][1]["error_type"])
        assert ["stream_failed"] == [log["event"] for log in logs if log["log_level"] == "error"]

    in_world(test, model=ScriptedModel(says("never"), go=go))


def test_a_stream_that_cannot_begin():
    """What fails before the turn begins is a status, not a stream."""

    async def test(world: World) -> list[int]:
        agent_id = await world.make_agent()
        bodies: tuple[tuple[str, object], ...] = (
            (unknown("agent"), {"input": "x"}),
            (agent_id, {"messages": []}),
            (agent_id, {"input": ""}),
        )
        answers = [await world.http.post(f"/v1/agents/{one}/messages/stream", json=body) for one, body in bodies]
        world.store.broken = StoreError("disk", retriable=False)
        answers.append(await world.http.post(f"/v1/agents/{agent_id}/messages/stream", json={"input": "x"}))
        return [one.status_code for one in answers]

    assert [404, 422, 422, 503] == in_world(test)


def test_one_turn_at_a_time():
    """A second sender is told which run is at work; cancelling that run ends it and keeps its input."""
    go = asyncio.Event()

    async def test(world: World) -> None:
        agent_id = await world.make_agent()
        path = f"/v1/agents/{agent_id}/messages"
        first = asyncio.ensure_future(world.http.post(path, json={"input": "one"}))
        await settle()
        second = await world.http.post(path, json={"input": "two"})
        (run,) = (await world.http.get("/v1/runs")).json()
        assert (409, run["id"]) == (second.status_code, second.json()["run_id"])
        cancelled = await world.http.post(f"{path}/cancel", json={"run_ids": [run["id"]]})
        assert {run["id"]: "cancelled"} == cancelled.json()
        assert "cancelled" == (await first).json()["stop_reason"]["stop_reason"]
        history = (await world.http.get(path, params={"order": "asc"})).json()
        assert "one" == history[-1]["content"]
        assert {run["id"]: "cancelled"} == (
            await world.http.post(f"{path}/cancel", json={"run_ids": [run["id"]]})
        ).json()
        assert {} == (await world.http.post(f"{path}/cancel")).json()

    in_world(test, model=ScriptedModel(says("never"), go=go))


def test_history_is_paged_both_ways():
    """The pages of a history in either order are the history, each message read by the SDK."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent()
        for number in range(3):
            await world.http.post(f"/v1/agents/{agent_id}/messages", json={"input": str(number)})

        async def walked(order: str, cursor: str, **start: str) -> list[str]:
            found: list[str] = []
            query: dict[str, str] = {"limit": "2", "order": order, **start}
            while page := (await world.http.get(f"/v1/agents/{agent_id}/messages", params=query)).json():
                assert len(page) <= 2
                texts: list[str] = [read_by_sdk(SdkMessage, one).content for one in page]  # type: ignore[arg-type]
                found = [*found, *texts] if cursor == "after" else [*texts, *found]
                query[cursor] = page[-1 if cursor == "after" else 0]["id"]
            return found

        forwards = await walked("asc", "after")
        assert ["0", "echo: 0", "1", "echo: 1", "2", "echo: 2"] == forwards[1:]
        assert forwards[::-1] == await walked("desc", "after")
        newest = (await world.http.get(f"/v1/agents/{agent_id}/messages", params={"limit": "1"})).json()[0]["id"]
        assert forwards[:-1] == await walked("asc", "before", before=newest)

    in_world(test)


def test_a_filtered_history_ends_only_at_its_end():
    """A page on which no message fits is read over, forwards and backwards: an empty page would end the paging."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent()
        await world.http.post(f"/v1/agents/{agent_id}/messages", json={"input": "hi"})
        query = {"limit": "1", "order": "asc", "include_return_message_types": "assistant_message"}
        path = f"/v1/agents/{agent_id}/messages"
        (found,) = (await world.http.get(path, params=query)).json()
        assert "echo: hi" == found["content"]
        assert [] == (await world.http.get(path, params={**query, "after": found["id"]})).json()
        system = {**query, "include_return_message_types": "system_message", "before": found["id"]}
        assert ["system_message"] == [one["message_type"] for one in (await world.http.get(path, params=system)).json()]

    in_world(test)


def test_the_same_otid_is_one_message():
    """A message sent again under the same otid begins no second turn and gives the first one's answer."""

    async def test(world: World) -> None:
        path = f"/v1/agents/{await world.make_agent()}/messages"
        body = {"messages": [{"role": "user", "content": "hi", "otid": "mine"}]}
        first, second = [(await world.http.post(path, json=body)).json() for _ in range(2)]
        assert first == second
        assert 3 == len((await world.http.get(path)).json())

    in_world(test)


@pytest.mark.parametrize("path", ["messages", "messages/stream"])
def test_who_still_waits_when_the_server_stops_is_promised_nothing(path):
    """A sender who waits for a busy agent has no turn that could go on: it is told that nobody knows."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent()
        first = post(world.app, f"/v1/agents/{agent_id}/messages", {"input": "one"})
        await settle()
        second = post(world.app, f"/v1/agents/{agent_id}/{path}", {"input": "two"})
        await settle()
        second.task.cancel()
        start = await second.start()
        told = b"".join([piece async for piece in second.body()])
        assert (503, b"false") == (start["status"], dict(start["headers"])[b"x-should-retry"])
        assert {"detail": "the server is stopping; whether this was done is unknown"} == json.loads(told)
        history = (await world.http.get(f"/v1/agents/{agent_id}/messages")).json()
        assert ["one"] == [one["content"] for one in history if one["message_type"] == "user_message"]
        first.task.cancel()
        await asyncio.wait((first.task, second.task))

    in_world(test, model=ScriptedModel(says("never"), go=asyncio.Event()), busy_wait_seconds=60.0)


def test_a_turn_in_the_background():
    """A background turn is answered with its run at once, and ends by itself."""

    async def test(world: World) -> None:
        path = f"/v1/agents/{await world.make_agent()}/messages"
        answer = await world.http.post(f"{path}/async", json={"input": "hi"})
        run = read_by_sdk(SdkRun, answer.json())
        assert (200, "running", True) == (answer.status_code, run.status, run.background)
        await settle()
        assert "completed" == (await world.http.get(f"/v1/runs/{run.id}")).json()["status"]
        assert "echo: hi" == (await world.http.get(path)).json()[0]["content"]
        assert 501 == (await world.http.post(f"{path}/async", json={"input": "x", "callback_url": "u"})).status_code

    in_world(test)


def test_a_reset():
    """A reset answers the agent, whose window holds its system message alone."""

    async def test(world: World) -> None:
        first = [{"role": "user", "content": "a"}]
        agent_id = await world.make_agent(initial_message_sequence=first)
        history = (await world.http.get(f"/v1/agents/{agent_id}/messages")).json()
        assert ["a"] == [one["content"] for one in history][:-1]
        answer = await world.http.patch(f"/v1/agents/{agent_id}/reset-messages", json={})
        assert [history[-1]["id"]] == read_by_sdk(AgentState, answer.json()).message_ids
        assert history[-1:] == (await world.http.get(f"/v1/agents/{agent_id}/messages")).json()
        wrong = {"add_default_initial_messages": "x"}
        assert 422 == (await world.http.patch(f"/v1/agents/{agent_id}/reset-messages", json=wrong)).status_code

    in_world(test)


def test_messages_by_id_and_of_all_agents():
    """A message is answered as the list of its variants; all agents' messages are one list."""

    async def test(world: World) -> None:
        for number in range(2):
            agent_id = await world.make_agent(memory_blocks=BLOCKS)
            await world.http.post(f"/v1/agents/{agent_id}/messages", json={"input": str(number)})
        whole = (await world.http.get("/v1/messages")).json()
        assert 4 == len([one for one in whole if one["message_type"] != "system_message"])
        (newest, *_) = (await world.http.get(f"/v1/agents/{agent_id}/messages")).json()
        assert [newest] == (await world.http.get(f"/v1/messages/{newest['id']}")).json()
        assert 404 == (await world.http.get(f"/v1/messages/{unknown('message')}")).status_code
        assert 422 == (await world.http.get("/v1/messages/x")).status_code

    in_world(test)


def test_cancelling_without_a_name_ends_all_that_is_at_work():
    """Without run ids every run of the agent is asked to end, those of its conversations too."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent()
        made = (await world.http.post(f"/v1/conversations?agent_id={agent_id}")).json()["id"]
        runs = [(await world.http.post(f"/v1/agents/{agent_id}/messages/async", json={"input": "x"})).json()["id"]]
        beside = post(world.app, f"/v1/conversations/{made}/messages", {"input": "y"})
        await settle()
        runs += [one["id"] for one in (await world.http.get(f"/v1/runs?conversation_id={made}")).json()]
        cancelled = (await world.http.post(f"/v1/agents/{agent_id}/messages/cancel")).json()
        assert dict.fromkeys(runs, "cancelled") == cancelled
        await beside.start()
        b"".join([piece async for piece in beside.body()])
        assert {"cancelled"} == {one["status"] for one in (await world.http.get("/v1/runs")).json()}

    in_world(test, model=ScriptedModel(says("never"), says("never"), go=asyncio.Event()))


def test_search():
    """Messages are found by their words; a search that gave up says in a header how far it came."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent()
        await world.http.post(f"/v1/agents/{agent_id}/messages", json={"input": "tea"})
        found = await world.http.post("/v1/messages/search", json={"query": "tea", "agent_id": agent_id})
        assert ["echo: tea", "tea"] == [one["content"] for one in found.json()]
        assert READ_BACK_TO not in found.headers
        assert 404 == (await world.http.post("/v1/messages/search", json={"agent_id": unknown("agent")})).status_code

    in_world(test)


def test_search_that_gives_up(monkeypatch):
    """A header says how far back was searched, if that was not to the beginning."""
    monkeypatch.setattr(message_search, "SEARCH_MESSAGES_MAX", 1)
    monkeypatch.setattr(message_search, "SEARCH_PIECE_MESSAGES", 1)

    async def test(world: World) -> None:
        agent_id = await world.make_agent()
        turn = await world.http.post(f"/v1/agents/{agent_id}/messages", json={"input": "tea"})
        found = await world.http.post("/v1/messages/search", json={"query": "coffee"})
        assert ([], turn.json()["messages"][0]["date"]) == (found.json(), found.headers[READ_BACK_TO])

    in_world(test)

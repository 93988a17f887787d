"""Conversations, background turns, resets and accounts: the real server asked by the real SDK over a real socket."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from letta_client import (
    APIStatusError,
    AsyncLetta,
    ConflictError,
    Letta,
    NotFoundError,
    UnprocessableEntityError,
)
from letta_client.types.agents import LettaResponse

from tests.server.far_sides import unknown
from tests.server.server_process import STUCK, ServerProcess

# The SDK calls its own method for streams deprecated; people use it all the same.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Return a server that all tests here share."""
    process = ServerProcess(tmp_path_factory.mktemp("server"))
    yield process
    assert 0 == process.stop(), process.log


def client(server: ServerProcess) -> Any:
    """Return the SDK for a server, without retries that would hide what is answered; its types are not the point."""
    return Letta(base_url=server.url, api_key="any", max_retries=0)


def contents(messages: Iterable[Any]) -> list[str]:
    """Return what messages say, whichever of the SDK's types they are."""
    return [message.content for message in messages]


def kinds(events: Iterable[Any]) -> list[str]:
    """Return the types of events."""
    return [event.message_type for event in events]


def say(letta: Letta, conversation_id: str, text: str) -> list[str]:
    """Return what the agent says to a text in a conversation."""
    events = list(letta.conversations.messages.create(conversation_id, input=text))
    return contents(event for event in events if event.message_type == "assistant_message")


def test_a_conversation_beside_the_default_thread(server):
    """Turns of a conversation and of the agent itself do not see each other, and share the agent's blocks."""
    with client(server) as letta:
        agent = letta.agents.create(memory_blocks=[{"label": "human", "value": "Bo"}])
        made = letta.conversations.create(agent_id=agent.id, summary="first", model="kelpie/echo")
        assert (agent.id, "first", "kelpie/echo", False, None) == (
            made.agent_id,
            made.summary,
            made.model,
            made.archived,
            made.last_message_at,
        )
        events = list(letta.conversations.messages.create(made.id, input="in it", include_pings=False))
        assert ["assistant_message", "stop_reason", "usage_statistics"] == kinds(events)
        letta.agents.messages.create(agent.id, input="beside it")
        own = contents(letta.conversations.messages.list(made.id, order="asc", limit=1))
        assert ["in it", "echo: in it"] == own[1:]
        assert own == contents(letta.agents.messages.list(agent.id, conversation_id=made.id, order="asc"))
        assert own == contents(letta.messages.list(conversation_id=made.id, order="asc"))
        assert ["beside it", "echo: beside it"] == contents(letta.agents.messages.list(agent.id, order="asc"))[1:]
        assert "Bo" in own[0]
        found = letta.conversations.retrieve(made.id)
        ids = [one.id for one in letta.conversations.messages.list(made.id, order="asc")]
        assert ids == found.in_context_message_ids
        assert found.last_message_at is not None
        (run,) = letta.runs.list(conversation_id=made.id)
        assert (made.id, "completed") == (run.conversation_id, run.status)
        assert [made.id, None] == [one.conversation_id for one in letta.runs.list(agent_id=agent.id, order="asc")]
        assert [None] == [one.conversation_id for one in letta.runs.list(agent_id=agent.id, conversation_id="default")]


def test_conversations_are_listed_changed_and_deleted(server):
    """The SDK lists conversations by each order and filter, changes every field, and deletes for good."""
    with client(server) as letta:
        agent = letta.agents.create()
        one, two, three = (letta.conversations.create(agent_id=agent.id, summary=f"About {n}") for n in "abc")
        letta.conversations.create(agent_id=agent.id, hidden=True)

        def listed(**query: Any) -> list[str]:
            return [found.id for found in letta.conversations.list(agent_id=agent.id, **query)]

        assert [three.id, two.id, one.id] == listed()
        assert [one.id, two.id, three.id] == listed(order="asc")
        assert [two.id] == listed(limit=1, after=three.id)
        assert [two.id] == listed(summary_search="ABOUT B")
        assert ["echo: hi"] == say(letta, one.id, "hi")
        assert [one.id, three.id, two.id] == listed(order_by="last_message_at")
        assert [one.id, three.id, two.id] == listed(order_by="last_run_completion")
        changed = letta.conversations.update(
            two.id,
            archived=True,
            description="d",
            summary="s",
            model="a/b",
            model_settings={"provider_type": "openai", "temperature": 0.5},
            context_window_limit=1_000,
            last_message_at="2026-01-02T03:04:05Z",
        )
        assert changed == letta.conversations.retrieve(two.id)
        assert (True, "d", "s", "a/b", 1_000, 0.5, 2026) == (
            changed.archived,
            changed.description,
            changed.summary,
            changed.model,
            changed.context_window_limit,
            changed.api_model_settings.temperature,
            changed.last_message_at.year,
        )
        assert [three.id, one.id] == listed()
        assert [two.id] == listed(archive_status="archived")
        assert [three.id, two.id, one.id] == listed(archive_status="all")
        assert None is letta.conversations.update(two.id, archived=False, model=None).model
        letta.conversations.delete(one.id)
        for gone in (letta.conversations.retrieve, letta.conversations.delete, letta.conversations.messages.list):
            with pytest.raises(NotFoundError):
                gone(one.id)
        assert [three.id, two.id] == listed()
        assert [] == list(letta.runs.list(agent_id=agent.id))


def test_a_fork_goes_on_by_itself(server):
    """A fork begins with what its source's window holds, up to a message if one is named; then they part."""
    with client(server) as letta:
        agent = letta.agents.create()
        for text in ("one", "two"):
            letta.agents.messages.create(agent.id, input=text)
        forked = letta.conversations.fork("default", agent_id=agent.id)
        assert ["echo: three"] == say(letta, forked.id, "three")
        said = ["one", "echo: one", "two", "echo: two"]
        whole = contents(letta.conversations.messages.list(forked.id, order="asc"))
        assert [*said, "three", "echo: three"] == whole[1:]
        assert said == contents(letta.agents.messages.list(agent.id, order="asc"))[1:]
        ids = [one.id for one in letta.conversations.messages.list(forked.id, order="asc")]
        half = letta.conversations.fork(forked.id, message_id=ids[2], hidden=True)
        assert said[:2] == contents(letta.conversations.messages.list(half.id, order="asc"))[1:]
        letta.conversations.delete(forked.id)
        assert said[:2] == contents(letta.conversations.messages.list(half.id, order="asc"))[1:]
        with pytest.raises(NotFoundError):
            letta.conversations.fork(half.id, message_id=unknown("message"))


def test_the_default_thread_as_a_conversation(server):
    """Paths take "default" with the agent's id, and the agent's id itself, for the agent's own thread."""
    with client(server) as letta:
        agent = letta.agents.create(system="Be brief.")
        body = {"agent_id": agent.id, "input": "hi", "streaming": False}
        answer = letta.post("/v1/conversations/default/messages", cast_to=LettaResponse, body=body)
        assert ["echo: hi"] == contents(answer.messages)
        for word, more in (("default", {"agent_id": agent.id}), (agent.id, {})):
            history = contents(letta.conversations.messages.list(word, order="asc", **more))
            assert ["hi", "echo: hi"] == history[1:]
            assert {} == letta.conversations.cancel(word, **more)
            assert letta.conversations.recompile(word, dry_run=True, **more) == letta.agents.recompile(agent.id)
        assert json.loads(letta.agents.recompile(agent.id, dry_run=True)).startswith("Be brief.")
        with pytest.raises(UnprocessableEntityError, match=r"\$\.agent_id"):
            letta.conversations.messages.list("default")
        with pytest.raises(UnprocessableEntityError):
            letta.conversations.retrieve("default")


def test_a_conversations_stream_is_told_again(server):
    """A run of a conversation is told again by its own id, or by the otid of its message."""
    with client(server) as letta:
        agent = letta.agents.create()
        made = letta.conversations.create(agent_id=agent.id)
        body: Any = [{"role": "user", "content": "hi", "otid": "mine"}]
        list(letta.conversations.messages.create(made.id, messages=body))
        (run,) = letta.runs.list(conversation_id=made.id)
        for named in ({"run_id": run.id}, {"otid": "mine"}):
            events = list(letta.conversations.messages.stream(made.id, include_pings=False, **named))
            assert ["assistant_message", "stop_reason", "usage_statistics"] == kinds(events)
        with pytest.raises(NotFoundError):
            list(letta.conversations.messages.stream(made.id))
        whole = list(letta.conversations.messages.create(made.id, input="again", background=True))
        rest = list(letta.conversations.messages.stream(made.id, run_id=whole[0].run_id, starting_after=2))
        assert whole[2:] == rest


def test_a_turn_in_the_background(server):
    """A background turn is answered with its run at once; the run ends by itself, and its otid begins no second one."""
    with client(server) as letta:
        agent = letta.agents.create()
        body: Any = [{"role": "user", "content": "hi", "otid": "once"}]
        run = letta.agents.messages.create_async(agent.id, messages=body)
        assert ("running", True, agent.id) == (run.status, run.background, run.agent_id)
        assert run.id == letta.agents.messages.create_async(agent.id, messages=body).id
        list(letta.conversations.messages.stream(agent.id, run_id=run.id))
        ended = letta.runs.retrieve(run.id)
        assert ("completed", "end_turn") == (ended.status, ended.stop_reason)
        assert ["hi", "echo: hi"] == contents(letta.runs.messages.list(run.id, order="asc"))
        assert [run.id] == [one.id for one in letta.runs.list(agent_id=agent.id, background=True)]
        assert [] == list(letta.runs.list(agent_id=agent.id, active=True))
        with pytest.raises(APIStatusError, match="callback_url"):
            letta.agents.messages.create_async(agent.id, input="x", callback_url="http://there")


def test_a_reset_agent_remembers_nothing(server):
    """After a reset only the system message is there; the agent goes on, and its old otids count no more."""
    with client(server) as letta:
        agent = letta.agents.create(
            initial_message_sequence=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        )
        before = list(letta.agents.messages.list(agent.id, order="asc"))
        assert ["a", "b"] == contents(before)[1:]
        body: Any = [{"role": "user", "content": "hi", "otid": "mine"}]
        letta.agents.messages.create(agent.id, messages=body)
        state = letta.agents.messages.reset(agent.id, add_default_initial_messages=True)
        assert [before[0].id] == state.message_ids
        assert [before[0].id] == [one.id for one in letta.agents.messages.list(agent.id)]
        with pytest.raises(NotFoundError):
            letta.messages.retrieve(before[1].id)
        assert ["echo: hi"] == contents(letta.agents.messages.create(agent.id, messages=body).messages)
        assert ["hi", "echo: hi"] == contents(letta.agents.messages.list(agent.id, order="asc", limit=1))[1:]


def test_messages_of_all_agents(server):
    """A message is found by its id with all its variants; all agents' messages are one list, in either order."""
    with client(server) as letta:
        first, second = (letta.agents.create() for _ in range(2))
        for agent in (first, second):
            letta.agents.messages.create(agent.id, input=f"to {agent.id}")
        newest = letta.messages.list(limit=1)[0]
        older = letta.messages.list(limit=3, after=newest.id)
        assert [f"to {second.id}", f"echo: to {first.id}", f"to {first.id}"] == contents(older)
        assert older[1:][::-1] == letta.messages.list(limit=2, before=older[0].id, order="asc")
        assert [newest] == letta.messages.retrieve(newest.id)


def test_runs_and_steps_in_detail(server):
    """What a turn used, how long its steps took, and what people think of them, as the SDK reads it."""
    with client(server) as letta:
        agent, other = letta.agents.create(model="kelpie/echo"), letta.agents.create()
        for number in range(3):
            letta.agents.messages.create(agent.id, input=f"say {number}")
        letta.agents.messages.create(other.id, input="hi")
        runs = list(letta.runs.list(agent_id=agent.id, limit=2, order="asc"))
        assert runs[::-1] == list(letta.runs.list(agent_id=agent.id, limit=1))
        assert runs[:1] == letta.runs.list(agent_id=agent.id, before=runs[1].id, limit=5, order="asc").items
        assert 4 == len(list(letta.runs.list(agent_ids=[agent.id, other.id], limit=1, statuses=["completed"])))
        assert [] == list(letta.runs.list(agent_id=agent.id, statuses=["failed", "running"]))
        assert 3 == len(list(letta.runs.list(agent_id=agent.id, stop_reason="end_turn", limit=1)))
        assert [] == list(letta.runs.list(agent_id=agent.id, stop_reason="insufficient_credits"))
        usage = letta.runs.usage.retrieve(runs[0].id)
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        steps = list(letta.steps.list(agent_id=agent.id, limit=2, order="asc"))
        assert [run.id for run in runs] == [step.run_id for step in steps]
        assert steps[0] == letta.steps.retrieve(steps[0].id)
        assert ["echo: say 0"] == contents(letta.steps.messages.list(steps[0].id))
        metrics = letta.steps.metrics.retrieve(steps[0].id)
        assert metrics.step_ns == metrics.llm_request_ns + metrics.tool_execution_ns
        assert (steps[0].id, 0) == (metrics.id, metrics.tool_execution_ns)
        assert None is letta.steps.trace.retrieve(steps[0].id)
        assert ["run", "agent_step"] == [span["name"] for span in letta.runs.trace.retrieve(runs[0].id)]
        rated = letta.steps.feedback.create(steps[1].id, feedback="negative", tags=["odd"])
        assert ("negative", ["odd"]) == (rated.feedback, rated.tags)
        for query in ({"feedback": "negative"}, {"has_feedback": True}, {"tags": ["odd", "x"]}):
            assert [steps[1].id] == [one.id for one in letta.steps.list(agent_id=agent.id, **query)]
        assert 3 == len(list(letta.steps.list(agent_id=agent.id, model="echo", start_date="2020-01-01T00:00:00Z")))
        assert [] == list(letta.steps.list(agent_id=agent.id, end_date="2020-01-01T00:00:00"))
        assert [] == list(letta.steps.list(trace_ids=["x"]))


def test_the_asynchronous_client(server):
    """The asynchronous SDK talks in many conversations of one agent at once; none disturbs another."""

    async def one(letta: AsyncLetta, agent_id: str, number: int) -> list[str]:
        made = await letta.conversations.create(agent_id=agent_id)
        stream = await letta.conversations.messages.create(made.id, input=f"hi {number}", stream_tokens=True)
        pieces = contents([event async for event in stream if event.message_type == "assistant_message"])
        await letta.agents.messages.create_async(made.agent_id, input="x") if number == 0 else None
        history = contents([one async for one in letta.conversations.messages.list(made.id, limit=1, order="asc")])
        await letta.conversations.delete(made.id)
        return ["".join(pieces), *history[1:]]

    async def test() -> list[list[str]]:
        async with AsyncLetta(base_url=server.url, api_key="any", max_retries=0) as letta:
            agent = await letta.agents.create()
            return await asyncio.gather(*(one(letta, agent.id, number) for number in range(8)))

    assert [[f"echo: hi {n}", f"hi {n}", f"echo: hi {n}"] for n in range(8)] == asyncio.run(test())


def test_what_is_at_work(tmp_path):
    """While a turn runs its run says so, resets are refused, other conversations go on; cancelling ends it."""
    stuck = ServerProcess(tmp_path, module=STUCK)
    with client(stuck) as letta:
        agent = letta.agents.create()
        made = letta.conversations.create(agent_id=agent.id)
        run = letta.agents.messages.create_async(agent.id, input="hello")
        beside = letta.conversations.messages.create(made.id, input="me too", background=True)
        beside_id = next(iter(beside)).run_id
        assert {run.id, beside_id} == {one.id for one in letta.runs.list(agent_id=agent.id, active=True)}
        assert [beside_id] == [one.id for one in letta.runs.list(conversation_id=made.id, statuses=["running"])]
        with pytest.raises(ConflictError, match="is currently being processed"):
            letta.agents.messages.reset(agent.id)
        assert {beside_id: "cancelled"} == letta.conversations.cancel(made.id)
        assert {run.id: "cancelled"} == letta.agents.messages.cancel(agent.id, run_ids=[run.id])
        list(beside)
        list(letta.conversations.messages.stream(agent.id, run_id=run.id))
        assert {"cancelled"} == {one.status for one in letta.runs.list(agent_id=agent.id)}
        assert "hello" == contents(letta.agents.messages.list(agent.id))[0]
    assert 0 == stuck.stop(), stuck.log

"""Runs, their messages and steps over HTTP."""

from typing import Any

import pytest
from letta_client.types import Step
from letta_client.types.agents import Message as SdkMessage
from letta_client.types.agents import Run
from letta_client.types.runs import UsageRetrieveResponse

from tests.core.wire.letta_samples import read_by_sdk
from tests.server.far_sides import World, in_world, unknown


async def run_turns(world: World, count: int) -> str:
    """Return the agent that took so many turns."""
    agent_id = await world.make_agent()
    for number in range(count):
        await world.http.post(f"/v1/agents/{agent_id}/messages", json={"input": str(number)})
    return agent_id


def test_runs_are_paged():
    """The pages of the runs are the runs, newest first, each one once; of one agent if asked."""

    async def test(world: World) -> None:
        agent_id = await run_turns(world, 3)
        await run_turns(world, 1)
        query, found = {"limit": "2", "agent_id": agent_id}, []
        while page := (await world.http.get("/v1/runs", params=query)).json():
            found += [read_by_sdk(Run, one) for one in page]
            query["after"] = page[-1]["id"]
        assert (3, {"completed"}) == (len({one.id for one in found}), {one.status for one in found})
        times = [one.created_at for one in found]
        assert sorted(times, reverse=True) == times  # type: ignore[type-var]
        assert 4 == len((await world.http.get("/v1/runs")).json())

    in_world(test)


def test_a_run_with_its_messages_and_steps():
    """A run is read with what it stored, its input first, and its steps."""

    async def test(world: World) -> None:
        await run_turns(world, 1)
        (run,) = (await world.http.get("/v1/runs")).json()
        path = f"/v1/runs/{run['id']}"
        assert run == (await world.http.get(path)).json()
        messages = (await world.http.get(f"{path}/messages")).json()
        assert ["0", "echo: 0"] == [read_by_sdk(SdkMessage, one).content for one in messages]  # type: ignore[arg-type]
        (step,) = [read_by_sdk(Step, one) for one in (await world.http.get(f"{path}/steps")).json()]
        assert (run["id"], messages[1]["step_id"], "success") == (step.run_id, step.id, step.status)

    in_world(test)


def test_usage_and_trace():
    """A run tells what it used and what was done, as many spans as asked for."""

    async def test(world: World) -> None:
        agent_id = await run_turns(world, 1)
        (run,) = (await world.http.get(f"/v1/runs?agent_id={agent_id}&statuses=completed&active=false")).json()
        path = f"/v1/runs/{run['id']}"
        usage: Any = read_by_sdk(UsageRetrieveResponse, (await world.http.get(f"{path}/usage")).json())
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        spans = (await world.http.get(f"{path}/trace")).json()
        assert ["run", "agent_step"] == [span["name"] for span in spans]
        assert spans[:1] == (await world.http.get(f"{path}/trace?limit=1")).json()
        assert [] == (await world.http.get("/v1/runs?active=true")).json()

    in_world(test)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/runs/x", 422),
        (f"/v1/runs/{unknown('run')}", 404),
        (f"/v1/runs/{unknown('run')}/messages", 404),
        (f"/v1/runs/{unknown('run')}/steps", 404),
        ("/v1/runs?agent_id=x", 422),
        (f"/v1/runs?agent_id={unknown('agent')}", 404),
        (f"/v1/runs?conversation_id={unknown('conv')}", 404),
        ("/v1/runs?statuses=asleep", 422),
        ("/v1/runs?order_by=x", 501),
        (f"/v1/runs/{unknown('run')}/usage", 404),
        (f"/v1/runs/{unknown('run')}/trace", 404),
        ("/v1/runs/x/trace", 422),
    ],
)
def test_what_is_refused(path, status):
    """Malformed ids are refused, unknown ones are not found, filters that do not exist are said."""

    async def test(world: World) -> int:
        return (await world.http.get(path)).status_code

    assert status == in_world(test)

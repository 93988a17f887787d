"""Steps over HTTP."""

import pytest
from letta_client.types import Step
from letta_client.types.agents import Message as SdkMessage
from letta_client.types.steps import MetricRetrieveResponse

from tests.core.wire.letta_samples import read_by_sdk
from tests.server.far_sides import World, in_world, unknown


async def run_turns(world: World, count: int) -> str:
    """Return the agent that took so many turns."""
    agent_id = await world.make_agent()
    for number in range(count):
        await world.http.post(f"/v1/agents/{agent_id}/messages", json={"input": str(number)})
    return agent_id


def test_steps_are_paged():
    """The pages of the steps are the steps, newest first, each once, each read by the SDK."""

    async def test(world: World) -> None:
        agent_id, found = await run_turns(world, 3), []
        await run_turns(world, 1)
        query = {"limit": "2", "agent_id": agent_id}
        while page := (await world.http.get("/v1/steps", params=query)).json():
            found += [read_by_sdk(Step, one).id for one in page]
            query["after"] = page[-1]["id"]
        forwards = (await world.http.get("/v1/steps", params={"agent_id": agent_id, "order": "asc"})).json()
        assert found == [one["id"] for one in forwards][::-1]
        assert (3, 4) == (len(set(found)), len((await world.http.get("/v1/steps")).json()))
        assert [] == (await world.http.get("/v1/steps?trace_ids=x")).json()

    in_world(test)


def test_a_step():
    """A step is read with its messages, its times and no trace, and rated."""

    async def test(world: World) -> None:
        await run_turns(world, 1)
        (step,) = (await world.http.get("/v1/steps")).json()
        path = f"/v1/steps/{step['id']}"
        assert step == (await world.http.get(path)).json()
        (message,) = (await world.http.get(f"{path}/messages")).json()
        assert "echo: 0" == read_by_sdk(SdkMessage, message).content  # type: ignore[arg-type]
        assert step["id"] == read_by_sdk(MetricRetrieveResponse, (await world.http.get(f"{path}/metrics")).json()).id
        assert None is (await world.http.get(f"{path}/trace")).json()
        rated = await world.http.patch(f"{path}/feedback", json={"feedback": "positive", "tags": ["good"]})
        assert {**step, "feedback": "positive", "tags": ["good"]} == rated.json()
        assert [rated.json()] == (await world.http.get("/v1/steps?feedback=positive")).json()

    in_world(test)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/steps/x", 422),
        *(("GET", f"/v1/steps/{unknown('step')}{rest}", 404) for rest in ("", "/messages", "/metrics", "/trace")),
        ("PATCH", f"/v1/steps/{unknown('step')}/feedback", 404),
        ("GET", "/v1/steps?feedback=x", 422),
        ("GET", f"/v1/steps?agent_id={unknown('agent')}", 404),
        ("GET", "/v1/steps?order_by=x", 501),
    ],
)
def test_what_is_refused(method, path, status):
    """Malformed ids are refused, unknown ones are not found, orders that do not exist are said."""

    async def test(world: World) -> int:
        return (await world.http.request(method, path)).status_code

    assert status == in_world(test)

"""Requests that may be sent again."""

import asyncio
from typing import Any

import pytest
from letta_client import Letta

from kelpie_core.errors import StoreError
from kelpie_core.ids import uuid4_of
from kelpie_server.app import HANDLERS
from kelpie_server.idempotency import IDEMPOTENT, KEY_CHARS_MAX
from kelpie_server.operations import OPERATIONS
from tests.server.asgi_client import Exchange
from tests.server.far_sides import ScriptedModel, World, in_world, says
from tests.server.losing_proxy import losing_proxy
from tests.server.server_process import ServerProcess

KEY = {"idempotency-key": "k-1"}
TOOL: dict[str, Any] = {"source_code": "def f():\n    '''Do it.'''\n", "json_schema": {"name": "f", "parameters": {}}}
CREATES = [
    ("/v1/agents", {"name": "Ada", "memory_blocks": [{"label": "human", "value": "Bo"}]}),
    ("/v1/blocks", {"label": "l", "value": "v"}),
    ("/v1/tools", TOOL),
]


async def count(world: World, path: str) -> int:
    """Return how many things a list has."""
    return len((await world.http.get(path)).json())


def test_the_list_is_of_operations():
    """Whatever takes a key is an operation that changes something."""
    methods = {one.name: one.method for one in OPERATIONS}
    assert {"POST", "PUT"} == {methods[name] for name in IDEMPOTENT}


@pytest.mark.parametrize(("path", "body"), CREATES)
def test_a_repeated_creation_is_one(path, body):
    """The same request under its key makes one thing, and is answered with it each time."""

    async def test(world: World) -> tuple[bool, int]:
        before = await count(world, path)
        first, second = [(await world.http.post(path, json=body, headers=KEY)).json() for _ in range(2)]
        return first == second, await count(world, path) - before

    assert (True, 1) == in_world(test)


@pytest.mark.parametrize(
    "other",
    [
        {"headers": {"idempotency-key": "k-2"}},
        {"json": {"label": "l", "value": "w"}},
        {"headers": {**KEY, "user_id": f"user-{uuid4_of(5)}"}},
        {"headers": {**KEY, "organization_id": f"org-{uuid4_of(5)}"}},
        {"params": {"a": "b"}},
        {"headers": {}},
        {"headers": {"idempotency-key": ""}},
    ],
)
def test_a_key_is_of_one_request(other):
    """Another key, body, query, user or organization, or no key at all, makes another thing."""

    async def test(world: World) -> bool:
        request: dict[str, Any] = {"json": {"label": "l", "value": "v"}, "headers": KEY}
        first = await world.http.post("/v1/blocks", **request)
        second = await world.http.post("/v1/blocks", **(request | other))
        assert [200, 200] == [first.status_code, second.status_code]
        return bool(first.json()["id"] == second.json()["id"])

    assert not in_world(test)


def test_a_key_may_not_be_endless():
    """A key has a bound, and more is refused."""

    async def test(world: World) -> int:
        headers = {"idempotency-key": "x" * (KEY_CHARS_MAX + 1)}
        return (await world.http.post("/v1/blocks", json={}, headers=headers)).status_code

    assert 400 == in_world(test)


def test_a_body_that_is_too_big_is_refused():
    """The body is read for its key, and never beyond its bound."""

    async def test(world: World) -> int:
        return (await world.http.post("/v1/blocks", content=b"x" * 11, headers=KEY)).status_code

    assert 413 == in_world(test, body_bytes_max=10)


def test_what_was_stored_before_the_answer_was_lost():
    """A request that failed after its commit, for want of its answer, is answered when it comes again."""

    async def test(world: World) -> tuple[list[int], int]:
        world.store.fail_after(1, StoreError("gone", retriable=False))
        statuses = [(await world.http.post("/v1/agents", json={"name": "Ada"}, headers=KEY)).status_code]
        world.store.broken = None
        statuses.append((await world.http.post("/v1/agents", json={"name": "Ada"}, headers=KEY)).status_code)
        return statuses, await count(world, "/v1/agents")

    assert ([503, 200], 1) == in_world(test)


@pytest.mark.parametrize("route", ["messages", "messages/stream"])
def test_a_repeated_message_is_one_turn(route):
    """A message that comes again under its key begins no second turn, and is answered with the first one's."""

    async def test(world: World) -> tuple[bool, int]:
        path = f"/v1/agents/{await world.make_agent()}/{route}"
        body = {"input": "hi", "include_pings": False}
        answers = [await world.http.post(path, json=body, headers=KEY) for _ in range(2)]
        ids = [sorted(set(find_ids(answer.text))) for answer in answers]
        return ids[0] == ids[1], await count(world, "/v1/runs")

    assert (True, 1) == in_world(test)


def find_ids(text: str) -> list[str]:
    """Return the ids of messages that a text holds."""
    return [part[: len("message-") + 36] for part in text.split('"') if part.startswith("message-")]


def test_a_message_that_comes_again_while_its_turn_is_at_work():
    """The second request waits for the very turn that the first one began; the model is asked once."""
    go = asyncio.Event()

    async def test(world: World) -> tuple[list[int], int]:
        path = f"/v1/agents/{await world.make_agent()}/messages"
        first, second = (Exchange(world.app, "POST", path, b'{"input":"hi"}', KEY) for _ in range(2))
        await asyncio.sleep(0)
        go.set()
        statuses = [(await one.start())["status"] for one in (first, second)]
        return statuses, await count(world, "/v1/runs")

    assert ([200, 200], 1) == in_world(test, model=ScriptedModel(says("hi"), go=go))


def test_operations_that_exist_take_keys():
    """Every operation that makes something or begins a turn, and is implemented here, takes a key."""
    assert {"agents.create", "blocks.create", "tools.create", "agents.messages.create"} <= IDEMPOTENT & set(HANDLERS)


def test_the_sdk_repeats_after_a_lost_answer(tmp_path):
    """The SDK's own repetition, after the server was killed behind its back, finds what the first attempt did."""
    first = ServerProcess(tmp_path)
    with Letta(base_url=first.url, api_key="any", max_retries=0) as letta:
        agent = letta.agents.create(name="Ada", extra_headers=KEY)
        answer = letta.agents.messages.create(agent.id, input="hi", extra_headers=KEY)
    first.kill()
    second = ServerProcess(tmp_path)
    try:
        with Letta(base_url=second.url, api_key="any", max_retries=2) as letta:
            assert agent.id == letta.agents.create(name="Ada", extra_headers=KEY).id
            again = letta.agents.messages.create(agent.id, input="hi", extra_headers=KEY)
            assert [one.id for one in answer.messages] == [one.id for one in again.messages]
            assert [1, 1] == [len(list(found)) for found in (letta.agents.list(), letta.runs.list())]
    finally:
        assert 0 == second.stop(), second.log


def test_the_sdk_repeats_by_itself(tmp_path):
    """The SDK sends a request again whose answer was lost, and with a key each was done once: things and turns."""
    server = ServerProcess(tmp_path)
    try:
        with losing_proxy(server.url) as proxy, Letta(base_url=proxy.url, api_key="any", max_retries=3) as letta:
            proxy.losses = 2
            agent = letta.agents.create(name="Ada", extra_headers={"Idempotency-Key": "agent"})
            proxy.losses += 2
            letta.blocks.create(label="l", value="v", extra_headers={"Idempotency-Key": "block"})
            proxy.losses += 1
            letta.tools.create(source_code=TOOL["source_code"], extra_headers={"Idempotency-Key": "tool"})
            proxy.losses += 2
            answer = letta.agents.messages.create(agent.id, input="hi", extra_headers={"Idempotency-Key": "m1"})
            proxy.losses += 1
            run = letta.agents.messages.create_async(agent.id, input="you", extra_headers={"Idempotency-Key": "m2"})
            assert 8 == proxy.lost
            assert ["assistant_message"] == [one.message_type for one in answer.messages]
            assert {run.id, *(answer.usage.run_ids or ())} == {one.id for one in letta.runs.list()}
            assert [1, 1] == [len(list(letta.agents.list())), len(list(letta.blocks.list(label="l")))]
            sent = [one for one in letta.agents.messages.list(agent.id) if one.message_type == "user_message"]
            assert 2 == len(sent)
    finally:
        assert 0 == server.stop(), server.log


@pytest.mark.parametrize(("headers", "useful"), [(KEY, "true"), ({}, "false")])
def test_doubt_is_no_obstacle_with_a_key(headers, useful):
    """A write of which nobody knows whether it was done may be sent again if it bears a key, and only then."""

    async def test(world: World) -> str:
        world.store.broken = StoreError("gone", uncertain=True, retriable=False)
        return str((await world.http.post("/v1/agents", json={}, headers=headers)).headers["x-should-retry"])

    assert useful == in_world(test)

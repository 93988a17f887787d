"""HTTP at message level: answers, streams and files through the production app, and connections that break."""

import asyncio
import json

import pytest

from kelpie_sim.agents import faults as f
from kelpie_sim.agents.cluster import Cluster, ServerGone
from kelpie_sim.agents.http import Answer, Cut, form_of, json_of, request
from kelpie_sim.agents.samples import SAMPLES
from kelpie_sim.agents.scenarios.common import set_up
from tests.sim.agents.worlds import result_of

(KEEPER,) = (sample for sample in SAMPLES if sample.name == "keeper_legacy.af")


def asked(method, path, body=b"", **options):
    """Return a program that makes one request to a server with one agent."""

    async def program(world):
        world.faults.active = False
        cluster = Cluster(world)
        (agent,) = await set_up(cluster, ("Ada",))
        world.faults.active = True
        try:
            return await request(cluster.server, method, path.format(agent.id), body, **options)
        except (ServerGone, Cut) as error:
            return type(error)

    return program


def test_answer_is_that_of_the_app():
    """A request gets status and JSON of the production app."""
    answer = result_of(asked("GET", "/v1/agents/{}"))
    assert (200, True, "Ada") == (answer.status, answer.complete, answer.json()["name"])


def test_query_is_passed_on():
    """What stands behind the question mark is the query."""
    assert [] == result_of(asked("GET", "/v1/agents/?name=Bo")).json()


def test_headers_of_the_answer():
    """What the app says of its answer is there to be read."""
    assert "application/json" == result_of(asked("GET", "/v1/agents/{}")).headers["content-type"]


def test_hanging_up():
    """A client that has gone is told nothing more."""
    pieces = []

    async def program(world):
        hang_up = asyncio.Event()

        async def heard(piece):
            pieces.append(piece)
            hang_up.set()

        return await asked("POST", "/v1/agents/{}/messages/stream", MESSAGE, heard=heard, hang_up=hang_up)(world)

    answer = result_of(program)
    assert (1, False, 200) == (len(pieces), answer.complete, answer.status)


def test_headers_are_passed_on():
    """What a request has as headers reaches the app."""
    assert 400 == result_of(asked("GET", "/v1/agents", headers={"user_id": "nobody"})).status


def test_refusal_is_an_answer():
    """What the app refuses is answered with its status."""
    assert 404 == result_of(asked("GET", "/v1/agents/agent-00000000-0000-4000-8000-000000000000")).status


MESSAGE = json_of({"messages": [{"role": "user", "content": "say hello"}]})


def test_stream_is_events():
    """A stream is heard piece by piece, and its events end with [DONE]."""
    pieces = []

    async def heard(piece):
        pieces.append(piece)

    answer = result_of(asked("POST", "/v1/agents/{}/messages/stream", MESSAGE, heard=heard))
    events = answer.events()
    assert (True, {}, answer.body) == (answer.complete, events[-1], b"".join(pieces))
    assert "assistant_message" in [event.get("message_type") for event in events]
    assert len(pieces) > 2


def test_form_bears_a_file():
    """A file that is sent as a form is what the app imports."""
    body, content_type = form_of(KEEPER.data)
    answer = result_of(asked("POST", "/v1/agents/import", body, content_type=content_type))
    assert (200, 1) == (answer.status, len(answer.json()["agent_ids"]))


def test_death_of_the_server_is_told():
    """A server that dies under a request is gone."""
    body = json_of({"label": "note", "value": "v"})
    assert ServerGone is result_of(asked("POST", "/v1/blocks", body), f.CrashBeforeCommit(on="commit"))


async def cutting(scope, receive, send):
    """Break the connection before, or after, the answer has begun; answer what was read behind the whole request."""
    await receive()
    if scope["path"] == "/late":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ConnectionResetError("cut")


@pytest.mark.parametrize("path", ["/early", "/late"])
def test_cut_connection_shows(path):
    """A connection that breaks before the answer is an error; one that breaks in it leaves a body without an end."""

    async def program(world):
        server = Cluster(world).server
        await server.call(is_up)
        server._app = cutting
        try:
            answer = await request(server, "GET", path)
        except Cut:
            return "cut"
        return answer.status, answer.body, answer.complete

    assert {"/early": "cut", "/late": (200, b"half", False)}[path] == result_of(program)


async def is_up(kelpie):
    """Do nothing."""


def test_events_are_the_data_lines():
    """Comments and empty lines of a stream are no events."""
    body = b': ping\n\nevent: x\ndata: {"a": 1}\n\ndata: [DONE]\n\n'
    assert [{"a": 1}, {}] == Answer(body=body).events()


def test_body_of_a_request_is_json():
    """What is sent as JSON is JSON."""
    assert {"a": [1]} == json.loads(json_of({"a": [1]}))

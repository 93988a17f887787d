"""What a gateway does to requests, each fault biting a small application."""

import json
from typing import Any

import pytest

from kelpie_sim.faults import Fault
from kelpie_sim.outcome import Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World, simulate
from kelpie_sim.world.gateway import (
    Gateway,
    HttpAnswerLost,
    HttpRateLimited,
    HttpResponseTooLarge,
    HttpServerError,
    HttpTimeout,
)

BODY = json.dumps({"deeds": 1}).encode()


class Application:
    """Counts its deeds, and says how many."""

    def __init__(self):
        self.deeds = 0

    async def __call__(self, scope, receive, send):
        """Answer a request, in two pieces."""
        self.deeds += 1
        headers = [(b"content-type", b"application/json"), (b"Content-Length", b"%d" % len(BODY))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": BODY[:4], "more_body": True})
        await send({"type": "http.response.body", "body": BODY[4:]})


def asked(*faults: Fault, path: str = "/deeds", kind: str = "http") -> tuple[Outcome, Application, dict[str, Any]]:
    """Ask once through a gateway; return the run, the application, and what was answered when."""
    application = Application()
    answer: dict[str, Any] = {"headers": {}, "body": b"", "ended": 0}

    async def run(world: World) -> None:
        async def receive():
            raise AssertionError("nobody asks for the request's body")

        async def send(message):
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                answer["headers"] = {name.lower(): value for name, value in message["headers"]}
            else:
                answer["body"] += message["body"]
                answer["ended"] += not message.get("more_body", False)

        await Gateway(application, world.faults)({"type": kind, "path": path}, receive, send)
        answer["seconds"] = world.now_ns / 1e9

    outcome = simulate(Scenario(name="asked", run=run, faults=lambda swarm: faults), 1)
    return outcome, application, answer


def test_without_a_fault_the_request_passes():
    """The answer of the application arrives as it is."""
    outcome, application, answer = asked()
    assert (None, 1, 200, BODY, 1) == (
        outcome.finding, application.deeds, answer["status"], answer["body"], answer["ended"],
    )  # fmt: skip
    assert b"%d" % len(BODY) == answer["headers"][b"content-length"]


@pytest.mark.parametrize(
    ("fault", "deeds", "status", "seconds"),
    [
        (HttpServerError(), 0, 503, 0),
        (HttpServerError(status=500), 0, 500, 0),
        (HttpRateLimited(retry_after_s=7), 0, 429, 0),
        (HttpTimeout(timeout_ms=1_500), 0, 504, 1.5),
        (HttpAnswerLost(), 1, 502, 0),
        (HttpAnswerLost(status=504), 1, 504, 0),
    ],
)
def test_the_gateway_answers(fault, deeds, status, seconds):
    """The client is told a status of the gateway's, after the application did its work or did not."""
    outcome, application, answer = asked(fault)
    assert (None, deeds, status, seconds, 1) == (
        outcome.finding, application.deeds, answer["status"], answer["seconds"], answer["ended"],
    )  # fmt: skip
    assert b"%d by the gateway" % status == answer["body"]
    assert [1] == [report.fired for report in outcome.faults]


def test_rate_limits_say_how_long_to_wait():
    """A 429 has its Retry-After."""
    _, _, answer = asked(HttpRateLimited(retry_after_s=7))
    assert b"7" == answer["headers"][b"retry-after"]


def test_answers_too_large_are_still_right():
    """A padded answer reads as the same JSON, ends once, and promises no length."""
    _, application, answer = asked(HttpResponseTooLarge(extra_bytes=100_000))
    assert (1, {"deeds": 1}, len(BODY) + 100_000, 1) == (
        application.deeds, json.loads(answer["body"]), len(answer["body"]), answer["ended"],
    )  # fmt: skip
    assert b"content-length" not in answer["headers"]


def test_faults_strike_by_path():
    """A fault on one path spares the others."""
    fault = HttpServerError(subjects=("/other",), probability=0.999999)
    _, application, answer = asked(fault)
    assert (1, 200) == (application.deeds, answer["status"])
    _, application, _ = asked(fault, path="/other")
    assert 0 == application.deeds


def test_what_is_no_request_passes():
    """The lifespan is no request: no fault strikes it."""
    outcome, application, _ = asked(HttpServerError(), kind="lifespan")
    assert outcome.finding is not None
    assert (1, "fault-never-fired") == (application.deeds, outcome.finding.kind)

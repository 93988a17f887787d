"""Errors to answers."""

import json

import pytest
import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kelpie_core.errors import (
    AgentBusy,
    AlreadyExists,
    Conflict,
    InvalidInput,
    InvariantBroken,
    LeaseLost,
    LimitExceeded,
    ModelError,
    NotFound,
    Refused,
    StoreError,
    ToolError,
    TurnFailed,
    Unsupported,
)
from kelpie_core.json_types import JsonObject
from kelpie_core.wire.letta_requests import ModelMissing
from kelpie_server.errors import answer_of, stopping_answer


def body_of(answer: Response) -> JsonObject:
    """Return the JSON in an answer."""
    return dict(json.loads(bytes(answer.body)))


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (ModelMissing("no model"), 400, None),
        (InvalidInput("wrong", path="$.a"), 422, None),
        (LimitExceeded("too long"), 422, None),
        (NotFound("agent", "x"), 404, None),
        (AlreadyExists("tool", "x"), 409, None),
        (Refused("not now"), 409, None),
        (Unsupported("tags.list"), 501, "false"),
        (Conflict("too many"), 409, "true"),
        (StoreError("disk"), 503, "true"),
        (StoreError("disk", retriable=False), 503, "false"),
        (StoreError("disk", uncertain=True), 503, "false"),
        (LeaseLost("run-1"), 503, "false"),
        (ToolError("no sandbox"), 502, None),
        (HTTPException(413, "too big"), 413, None),
    ],
)
def test_status_by_class(error, status, retry):
    """Each class of error has its status, its words, and whether to send the request again."""
    answer = answer_of(error)
    assert (status, retry) == (answer.status_code, answer.headers.get("x-should-retry"))
    detail = error.detail if isinstance(error, HTTPException) else str(error)
    assert {"detail": detail} == body_of(answer)


def test_a_retry_that_helps_says_when():
    """An answer that asks to come again says after how long."""
    assert "1" == answer_of(StoreError("disk")).headers["retry-after"]


def test_a_busy_agent_names_the_run():
    """Whoever meets a busy agent learns which run is at work, in words that clients look for."""
    body = body_of(answer_of(AgentBusy("agent-1", "run-1")))
    assert "run-1" == body["run_id"]
    assert "is currently being processed" in body["detail"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("llm_bad_request", 400),
        ("llm_authentication", 401),
        ("llm_insufficient_credits", 402),
        ("llm_rate_limit", 429),
        ("llm_timeout", 504),
        ("llm_error", 500),
        ("internal_error", 500),
    ],
)
def test_a_failed_turn_by_kind(kind, status):
    """A turn that failed for the model's sake has the status of its kind, and is not to be sent again: it is stored."""
    answer = answer_of(TurnFailed("run-1", kind=kind, message="429 from them"))
    assert (status, "false") == (answer.status_code, answer.headers["x-should-retry"])
    body = body_of(answer)
    assert (kind, "429 from them", "run-1") == (body["error"]["type"], body["error"]["detail"], body["run_id"])


def test_a_model_s_failure_outside_a_turn_names_no_run():
    """The error of a model alone has no run."""
    assert ["error"] == list(body_of(answer_of(ModelError("no"))))


@pytest.mark.parametrize("error", [InvariantBroken("s3cret state"), KeyError("s3cret")])
def test_our_own_mistakes_are_logged_and_not_told(error):
    """What nobody expected is a 500 with the request's id; its words stay in the log."""
    with structlog.testing.capture_logs() as logs, structlog.contextvars.bound_contextvars(request_id="r1"):
        answer = answer_of(error)
    assert (500, {"detail": "internal error", "trace_id": "r1"}) == (answer.status_code, body_of(answer))
    assert [("request_broke", error)] == [(log["event"], log["exc_info"]) for log in logs]
    assert "false" == answer.headers["x-should-retry"]


def test_stopping():
    """A request that is given up is not to be sent again: it may be done, and nobody is told that it is or will be."""
    answer = stopping_answer()
    assert (503, "false") == (answer.status_code, answer.headers["x-should-retry"])
    assert {"detail": "the server is stopping; whether this was done is unknown"} == body_of(answer)


@pytest.mark.parametrize(
    "error",
    [StoreError("s", uncertain=True), StoreError("s", retriable=False), LeaseLost("run-1"), StoreError("s")],
)
def test_a_request_with_a_key_may_always_be_sent_again(error):
    """Whatever the store did, a repetition under the same key finds it: so the clients are told to repeat."""
    assert "true" == answer_of(error, repeatable=True).headers["x-should-retry"]
    assert "true" == stopping_answer(repeatable=True).headers["x-should-retry"]
    assert "false" == answer_of(Unsupported("x"), repeatable=True).headers["x-should-retry"]

"""Errors to answers: a table from an error's class to its status.

Letta's clients send a failed request again by themselves on 408, 409, 429 and 5xx, writes included. So an answer says
whether that helps (`x-should-retry`): never where the input is stored already or the write may have happened, unless
the request bears a key by which a repetition finds what was done.
"""

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kelpie_core.errors import (
    AgentBusy,
    AlreadyExists,
    ApprovalMismatch,
    ApprovalPending,
    Conflict,
    InvalidInput,
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
from kelpie_core.tool_schema import BadToolSource
from kelpie_core.wire.letta_requests import ModelMissing
from kelpie_core.wire.letta_stream import message_of

# The first row whose class fits decides, so a class stands before its bases.
STATUS: tuple[tuple[type[Exception], int], ...] = (
    (ModelMissing, 400),
    (BadToolSource, 400),
    (InvalidInput, 422),
    (LimitExceeded, 422),
    (NotFound, 404),
    (AlreadyExists, 409),
    (ApprovalMismatch, 400),
    (Refused, 409),
    (Unsupported, 501),
    (Conflict, 409),
    (StoreError, 503),
    (ToolError, 502),
)
# A model's failure has its status by kind.
MODEL_STATUS = {
    "llm_bad_request": 400,
    "llm_context_overflow": 400,
    "llm_authentication": 401,
    "llm_insufficient_credits": 402,
    "llm_rate_limit": 429,
    "llm_timeout": 504,
}
RETRY_AFTER_SECONDS = 1
STOPPING = "the server is stopping; whether this was done is unknown"

_log = structlog.get_logger(__name__)


def answer_of(error: Exception, *, repeatable: bool = False) -> Response:
    """Return the answer to a request that raised. What nobody expected is logged, and not told to the caller.

    `repeatable`: the request bears a key, so that to send it again is safe whatever happened.
    """
    if isinstance(error, HTTPException):
        return _json(error.status_code, {"detail": error.detail}, dict(error.headers or {}))
    if isinstance(error, ModelError):
        return _model_answer(error)
    for kind, status in STATUS:
        if isinstance(error, kind):
            return _json(status, _body_of(error), _headers_of(error, repeatable))
    _log.error("request_broke", exc_info=error)
    trace_id = structlog.contextvars.get_contextvars().get("request_id")
    return _json(500, {"detail": "internal error", "trace_id": trace_id}, _retry(False))


def stopping_answer(*, repeatable: bool = False) -> Response:
    """Return the answer to a request that is given up: it may not have begun, or be done but for its answer."""
    return _json(503, {"detail": STOPPING}, _retry(repeatable))


def _body_of(error: Exception) -> JsonObject:
    body: JsonObject = {"detail": str(error)}
    if isinstance(error, AgentBusy):
        body["run_id"] = error.run_id
    if isinstance(error, ApprovalPending):
        body["pending_request_id"] = error.request_id
    return body


def _headers_of(error: Exception, repeatable: bool) -> dict[str, str]:
    if isinstance(error, Unsupported | ApprovalPending):
        return _retry(False)
    if isinstance(error, StoreError):
        return _retry(repeatable or (error.retriable and not error.uncertain))
    return {}


def _retry(useful: bool) -> dict[str, str]:
    return (
        {"x-should-retry": "true", "retry-after": str(RETRY_AFTER_SECONDS)} if useful else {"x-should-retry": "false"}
    )


def _model_answer(error: ModelError) -> Response:
    body: JsonObject = {"error": {"type": error.kind, "message": message_of(error.kind), "detail": str(error)}}
    if isinstance(error, TurnFailed):
        body["run_id"] = error.run_id
    return _json(MODEL_STATUS.get(error.kind, 500), body, _retry(False))


def _json(status: int, body: JsonObject, headers: dict[str, str]) -> Response:
    return Response(msgspec.json.encode(body), status, headers, "application/json")

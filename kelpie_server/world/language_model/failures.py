"""What a provider's failure means: its status and words to the kinds of ModelError.

Providers agree on little but the statuses, and not on all of these. The words decide where they are plain: a window
that is too long must be told apart from a wrong request, an empty purse from a busy hour. A key is never repeated,
though providers like to quote it.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import attrs
import msgspec

from kelpie_core.errors import ModelError
from kelpie_core.json_types import JsonObject, JsonValue
from kelpie_core.texts import cut, encodable
from kelpie_server.world.language_model.json_body import decoded

WORDS_CHARS_MAX = 2_000
_RATE, _CREDITS, _OVERFLOW = "llm_rate_limit", "llm_insufficient_credits", "llm_context_overflow"
_AUTHENTICATION, _REQUEST, _TIMEOUT, _ERROR = "llm_authentication", "llm_bad_request", "llm_timeout", "llm_error"

_OVERFLOWS = re.compile(
    r"context_length_exceeded|maximum context length|context (length|window|size)|exceed_context_size|context overflow"
    r"|context the overflows|prompt is too long|input (is|length)[^.]{0,40}too (long|large)|longer than the model"
    r"|too many (input |prompt )?tokens|reduce the length of the (messages|prompt|input)|input token count"
    r"|input length and `?max_tokens`? exceed|maximum (number of )?(input|prompt) tokens|\bn_ctx\b|max_model_len",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(
    r"insufficient_quota|insufficient (funds|credits?|balance)|credit balance|exceeded your current quota|billing_error"
    r"|billing_hard_limit|payment required|out of credits",
    re.IGNORECASE,
)
_KEY = re.compile(r"\b(sk|key|pk|rk|gsk|xai)-[A-Za-z0-9_*.-]{6,}|(?<=[Bb]earer )\S+")
# What an error in the middle of a stream, which has no status, is called; and what status it stands for.
_STATUS_OF_TYPE = (
    ("rate_limit", 429),
    ("too_many_requests", 429),
    ("authentication", 401),
    ("permission", 403),
    ("invalid_api_key", 401),
    ("billing", 402),
    ("invalid_request", 400),
    ("badrequest", 400),
    ("bad_request", 400),
    ("not_found", 404),
    ("notfound", 404),
    ("request_too_large", 413),
    ("overloaded", 529),
    ("timeout", 504),
)
_KIND_OF_STATUS = {401: _AUTHENTICATION, 402: _CREDITS, 403: _AUTHENTICATION, 408: _TIMEOUT, 429: _RATE, 504: _TIMEOUT}
_PASSING = (408, 409, 425, 429)


@attrs.frozen(kw_only=True)
class Refusal:
    """A provider's answer that is none: its status (None in the middle of a stream), body and headers."""

    provider: str
    status: int | None = None
    body: JsonValue = None
    headers: Mapping[str, str] = attrs.field(factory=dict)
    key: str | None = attrs.field(default=None, repr=False)


def failure_of(refusal: Refusal) -> ModelError:
    """Return what a refusal means."""
    error = _error_in(refusal.body)
    words, names = _words(error), " ".join(str(error.get(name) or "") for name in ("type", "code", "status"))
    status = refusal.status if refusal.status is not None and refusal.status >= 300 else _status_in(error, names)
    kind = _kind(status, f"{names} {words}")
    passing = status is None or status >= 500 or status in _PASSING
    said = f"{status}: {words}" if words and status else words or f"status {status}"
    return ModelError(
        shown(f"{refusal.provider}: {said}", refusal.key),
        kind=kind,
        retriable=passing and kind in (_RATE, _TIMEOUT, _ERROR),
        retry_after_seconds=retry_after_seconds(refusal.headers),
    )


def shown(words: str, key: str | None = None) -> str:
    """Return words as they may be told: not too long, and without the key."""
    if key:
        words = words.replace(key, "***")
    return cut(_KEY.sub("***", encodable(words)), WORDS_CHARS_MAX)


def body_in(data: bytes) -> JsonValue:
    """Return the body of a refusal: JSON if it is, else its text."""
    try:
        return decoded(data)
    except msgspec.DecodeError:
        return data.decode("utf-8", "replace").strip()


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return how long a provider asks to be left alone; a time of day counts from the answer's own."""
    milliseconds, seconds = _number(headers.get("retry-after-ms")), _number(headers.get("retry-after"))
    if milliseconds is not None:
        seconds = milliseconds / 1_000
    elif seconds is None:
        seconds = _until(headers.get("retry-after"), headers.get("date"))
    return seconds if seconds is not None and 0 < seconds < float("inf") else None


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _until(end: str | None, now: str | None) -> float | None:
    try:
        return (parsedate_to_datetime(end or "") - parsedate_to_datetime(now or "")).total_seconds()
    except (TypeError, ValueError):  # no times, or only one of them with a zone
        return None


def _kind(status: int | None, words: str) -> str:
    if status == 402 or (_NO_CREDIT.search(words) and status not in (401, 403)):
        return _CREDITS
    if status == 413 or (status not in (401, 403, 429) and _OVERFLOWS.search(words)):
        return _OVERFLOW
    if status is None or status >= 500:
        return _KIND_OF_STATUS.get(status or 0, _ERROR)
    return _KIND_OF_STATUS.get(status, _ERROR if status in _PASSING else _REQUEST)


def _status_in(error: JsonObject, names: str) -> int | None:
    """Return the status that an error without one stands for."""
    for name in ("code", "status", "status_code"):
        value = error.get(name)
        if isinstance(value, str) and value.isdecimal():
            value = int(value[:9])
        if type(value) is int and 400 <= value < 600:
            return value
    return next((status for word, status in _STATUS_OF_TYPE if word in names.lower()), None)


def _error_in(body: JsonValue) -> JsonObject:
    """Return the error that a body tells of, under whatever name."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return {"message": body}
    for name in ("error", "detail"):
        if isinstance(inner := body.get(name), dict):
            return _error_in(inner) if name in inner else inner
        if inner:
            return {"message": inner, **{key: body.get(key) for key in ("type", "code")}}
    return body


def _words(error: JsonObject) -> str:
    message = error.get("message") or error.get("msg") or ""
    return message if isinstance(message, str) else msgspec.json.encode(message).decode()

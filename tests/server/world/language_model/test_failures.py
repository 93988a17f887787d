"""What a provider's failure means."""

import pytest

from kelpie_server.world.language_model.failures import (
    WORDS_CHARS_MAX,
    Refusal,
    body_in,
    failure_of,
    retry_after_seconds,
    shown,
)

AUTH, REQUEST, CREDITS = ("llm_authentication", False), ("llm_bad_request", False), ("llm_insufficient_credits", False)
RATE, TIMEOUT, ERROR = ("llm_rate_limit", True), ("llm_timeout", True), ("llm_error", True)
OVERFLOW = ("llm_context_overflow", False)


def error(message, **fields):
    """Return a body as OpenAI writes it."""
    return {"error": {"message": message, **fields}}


BY_STATUS = [
    (400, error("bad"), REQUEST),
    (401, error("no"), AUTH),
    (402, "pay", CREDITS),
    (403, error("no"), AUTH),
    (404, error("The model `x` does not exist", code="model_not_found"), REQUEST),
    (408, "", TIMEOUT),
    (409, error("conflict"), ERROR),
    (413, "<html>too large</html>", OVERFLOW),
    (422, {"detail": [{"msg": "field required"}]}, REQUEST),
    (425, "", ERROR),
    (429, error("slow down"), RATE),
    (429, error("You exceeded your current quota", type="insufficient_quota"), CREDITS),
    (429, error("Request too large for gpt-4o on tokens per min: reduce the length of the messages"), RATE),
    (500, error("boom"), ERROR),
    (502, "<html>", ERROR),
    (503, "", ERROR),
    (504, "", TIMEOUT),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, ERROR),
    (307, "", REQUEST),
    # the words of OpenAI, vLLM, llama.cpp, Ollama, LM Studio, Anthropic, Gemini, Mistral
    (400, error("x", code="context_length_exceeded"), OVERFLOW),
    (400, error("This model's maximum context length is 8192 tokens. However, you requested 9000."), OVERFLOW),
    (400, {"object": "error", "message": "maximum context length is 10 tokens", "code": 400}, OVERFLOW),
    (400, error("the request exceeds the available context size", type="exceed_context_size_error"), OVERFLOW),
    (500, error("input length exceeds the context length"), OVERFLOW),
    (400, error("The number of tokens to keep is greater than the context length. n_ctx: 4096"), OVERFLOW),
    (
        400,
        {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 2 > 1"}},
        OVERFLOW,
    ),
    (400, error("input length and `max_tokens` exceed context limit: 1 + 2 > 3"), OVERFLOW),
    (400, error("The input token count (9) exceeds the maximum number of tokens allowed (8)."), OVERFLOW),
    (400, {"message": "Prompt contains 9 tokens, too large for model with 8 maximum context length"}, OVERFLOW),
    (400, error("Your credit balance is too low to access the Anthropic API."), CREDITS),
]


@pytest.mark.parametrize(("status", "body", "meaning"), BY_STATUS)
def test_what_a_status_means(status, body, meaning):
    """Status and words decide the kind, and whether asking again may help."""
    failure = failure_of(Refusal(provider="p", status=status, body=body))
    assert meaning == (failure.kind, failure.retriable)
    assert str(status) in str(failure)


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, ERROR),
        ({"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}, RATE),
        ({"type": "error", "error": {"type": "authentication_error", "message": "x"}}, AUTH),
        ({"type": "error", "error": {"type": "billing_error", "message": "x"}}, CREDITS),
        ({"type": "error", "error": {"type": "timeout_error", "message": "x"}}, TIMEOUT),
        ({"type": "error", "error": {"type": "not_found_error", "message": "x"}}, REQUEST),
        (error("x", type="invalid_request_error"), REQUEST),
        (error("x", code=429), RATE),
        (error("x", code="503"), ERROR),
        (error("x", type="server_error"), ERROR),
        ({"object": "error", "message": "x", "type": "BadRequestError", "code": 400}, REQUEST),
        ({"error": "something broke"}, ERROR),
        ([error("x", code=400)], REQUEST),
        (None, ERROR),
    ],
)
def test_error_without_a_status(body, meaning):
    """An error in the middle of a stream, or in an answer that said 200, is told by its own words."""
    failure = failure_of(Refusal(provider="p", status=200, body=body))
    assert meaning == (failure.kind, failure.retriable)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (error("bad"), "p: 400: bad"),
        ({"error": "bad"}, "p: 400: bad"),
        ({"detail": "bad"}, "p: 400: bad"),
        ({"message": "bad"}, "p: 400: bad"),
        ({"detail": [{"msg": "bad"}]}, 'p: 400: [{"msg":"bad"}]'),
        ("bad", "p: 400: bad"),
        ({}, "p: status 400"),
    ],
)
def test_words_are_found(body, words):
    """Wherever a provider puts its words, they are told."""
    assert words == str(failure_of(Refusal(provider="p", status=400, body=body)))


@pytest.mark.parametrize(
    "words",
    [
        "Incorrect API key provided: sk-proj-abc123****xyz.",
        "header Authorization: Bearer my.odd/key is wrong",
        "key plainword is wrong",
    ],
)
def test_keys_are_never_told(words):
    """Neither the key that is set up nor what looks like one stands in an error."""
    told = str(failure_of(Refusal(provider="p", status=401, body=error(words), key="plainword")))
    assert "***" in told
    assert not any(secret in told for secret in ("abc123", "my.odd", "plainword"))


def test_words_are_bounded_and_encodable():
    """A page of words is cut, and half a character is mended."""
    assert len(shown("x" * 99_999)) < WORDS_CHARS_MAX + 100
    assert "a\ufffd" == shown("a\ud800")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "7", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
    ],
)
def test_how_long_to_wait(headers, seconds):
    """What a provider asks for is understood, in either form."""
    assert seconds == retry_after_seconds(headers)


@pytest.mark.parametrize(
    ("data", "body"), [(b'{"a":1}', {"a": 1}), (b" not json\n", "not json"), (b"\xff", "\ufffd"), (b"", "")]
)
def test_bodies(data, body):
    """A refusal need not be JSON."""
    assert body == body_in(data)

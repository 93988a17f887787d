"""The log: its lines, and what never stands in them."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from kelpie_server.logs import HIDDEN, redactor, set_up_logging


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Put the logging back as it was."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_lines_of_values(capsys):
    """What is logged goes to standard error, from the level on that was asked for, errors with their traceback."""
    set_up_logging("warning", "text")
    structlog.get_logger().info("quiet")
    structlog.get_logger().error("loud", key="v", exc_info=KeyError("x"))
    told = capsys.readouterr().err
    assert "quiet" not in told
    assert ("event='loud'" in told, "key='v'" in told, "KeyError" in told) == (True, True, True)


def test_lines_of_json(capsys):
    """In JSON a line is an object, the time and the level first, with what is bound to the context."""
    set_up_logging("info", "json")
    structlog.contextvars.bind_contextvars(request_id="r-1", run_id="run-1")
    structlog.get_logger().info("done", took_ms=1.5)
    line = json.loads(capsys.readouterr().err)
    assert ["timestamp", "level", "event"] == list(line)[:3]
    assert ("done", "info", "r-1", "run-1", 1.5) == (
        line["event"],
        line["level"],
        line["request_id"],
        line["run_id"],
        line["took_ms"],
    )


@pytest.mark.parametrize(("terminal", "text"), [(True, True), (False, False)])
def test_auto_is_text_on_a_terminal(capsys, monkeypatch, terminal, text):
    """On a terminal a person reads, elsewhere a program."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    set_up_logging("info", "auto")
    structlog.get_logger().info("done")
    assert text == ("event='done'" in capsys.readouterr().err)


def test_libraries_go_the_same_way(capsys):
    """What a library logs with the standard library's logging is a line like any other, without its secrets."""
    set_up_logging("info", "json", ["canary-token"])
    logging.getLogger("some.library").info("Started %s with %s", "it", "canary-token")
    line = json.loads(capsys.readouterr().err)
    assert (f"Started it with {HIDDEN}", "info") == (line["event"], line["level"])


def test_setting_up_again_does_not_double_lines(capsys):
    """A second set-up replaces the first."""
    set_up_logging("info", "json")
    set_up_logging("info", "json")
    logging.getLogger("x").warning("once")
    assert 1 == len(capsys.readouterr().err.splitlines())


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_secrets_are_not_logged(capsys, log_format):
    """A secret is hidden wherever it stands: in a value, an error's text, a traceback, within another text."""
    set_up_logging("info", log_format, ["canary-token"])
    try:
        raise ValueError("no, canary-token is bad")
    except ValueError as error:
        structlog.get_logger().error("failed canary-token", why=f"x{error}", token="canary-token", exc_info=error)
    told = capsys.readouterr().err
    assert ("canary" in told, HIDDEN in told) == (False, True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {HIDDEN}"),
        ("{'authorization': 'bearer abc'}", f"{{'authorization': 'bearer {HIDDEN}'}}"),
        ("X-BARE-PASSWORD: password abc", f"X-BARE-PASSWORD: password {HIDDEN}"),
        ("Incorrect API key provided: sk-proj-abcdefgh123", f"Incorrect API key provided: {HIDDEN}"),
        ("nothing here", "nothing here"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text, told):
    """Headers that say who asks, and keys of the common providers, are hidden though nobody named them."""
    assert told == redactor([])(text)


def test_the_longer_secret_goes_first():
    """A secret that begins with another one leaves no rest."""
    assert HIDDEN == redactor(["abc", "abcdef", ""])("abcdef")

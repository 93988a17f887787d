"""The stored log of a stream, as a value."""

import datetime as dt

import pytest

from kelpie_core.model.event_log import EventLog, LoggedEvent

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def test_thread_of_a_log():
    """A log belongs to its conversation, or to the agent's default thread."""
    assert "a" == EventLog(run_id="r", agent_id="a", since=NOON).thread_id
    assert "k" == EventLog(run_id="r", agent_id="a", conversation_id="k", since=NOON).thread_id


@pytest.mark.parametrize(
    ("types", "kind", "told"),
    [
        (None, "tool_call_message", True),
        (("assistant_message",), "assistant_message", True),
        (("assistant_message",), "tool_call_message", False),
        ((), "ping", True),
        ((), "stop_reason", True),
        ((), "usage_statistics", True),
        ((), "error_message", True),
    ],
)
def test_what_a_request_wants_to_hear(types: tuple[str, ...] | None, kind: str, told: bool):
    """Of messages only the kinds that were asked for are told; signs of life and the end are told always."""
    log = EventLog(run_id="r", agent_id="a", types=types, since=NOON)
    assert told is log.tells(LoggedEvent(seq_id=1, kind=kind, data={}))

"""A background run's stream on its way into the log and out of it."""

from typing import Any

import pytest

from kelpie_core.model.content import ReasoningPart
from kelpie_core.model.event_log import LogEnded, LoggedEvent
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import RunError, RunStatus
from kelpie_core.model.tool import ToolCall
from kelpie_core.model.turn import StopReason
from kelpie_core.ports import ReasoningDelta, TextDelta, ToolCallDelta
from kelpie_core.service.turn_events import Delta, MessageStored, TurnEnded
from kelpie_core.wire.letta_log import LogEncoder, LogTeller, rest_of
from tests.core.wire.letta_samples import MESSAGE_ID, NOW, RUN_ID, STEP_ID, message, run
from tests.twins import CountingEntropy

OTHER_ID = "message-00000000-0000-4000-8000-000000000009"


def encoder(**fields: Any) -> LogEncoder:
    """Return an encoder of the sample run, behind the first event unless said."""
    return LogEncoder(**{"run": run(background=True), "entropy": CountingEntropy(), "seq_last": 1, **fields})


def delta(part: TextDelta | ReasoningDelta | ToolCallDelta, key: str = MESSAGE_ID) -> Delta:
    """Return a piece of a message."""
    return Delta(message_id=key, run_id=RUN_ID, step_id=STEP_ID, created_at=NOW, part=part)


def feed(log: LogEncoder, *events: Any) -> list[LoggedEvent]:
    """Return what these events are in the log."""
    return [logged for event in events for logged in log.feed(event, NOW)]


def words(events: list[LoggedEvent], key: str = MESSAGE_ID) -> str:
    """Return the assistant's words in the events of a message."""
    return "|".join(one.data["content"] for one in events if one.data.get("id") == key and "content" in one.data)


def test_first_events():
    """A log begins with a ping that names the run, whatever comes first; a second encoder does not begin again."""
    told = feed(encoder(seq_last=0), delta(TextDelta(text="hi")), TurnEnded(run=run()))
    assert ["ping", "assistant_message", "stop_reason", "usage_statistics"] == [one.kind for one in told]
    assert [1, 2, 3, 4] == [one.seq_id for one in told]
    assert [1, 2, 3, 4] == [one.data["seq_id"] for one in told]
    assert RUN_ID == told[0].data["run_id"]
    assert ["stop_reason", "usage_statistics"] == [one.kind for one in feed(encoder(), TurnEnded(run=run()))]


def test_error_keeps_its_name():
    """The event of a run that failed is told by name."""
    failed = run(status=RunStatus.FAILED, stop_reason=StopReason.ERROR, error=RunError(type="llm_error", message="no"))
    assert [None, "error"] == [one.name for one in feed(encoder(), TurnEnded(run=failed))]


def test_pieces_make_the_message():
    """What was told in pieces is not told again when the message is stored."""
    log = encoder()
    told = feed(log, delta(TextDelta(text="a")), delta(TextDelta(text="b")))
    told += feed(log, MessageStored(message=message(Role.ASSISTANT, "ab", seq=4)))
    assert ("a|b", 3, 4) == (words(told), log.seq_last, log.message_seq)


def test_what_is_missing_of_a_message_is_told():
    """Pieces that another process told are followed by the rest of their message, and by nothing of it twice."""
    first = feed(encoder(), delta(TextDelta(text="al")))
    log = encoder(seq_last=2, told=[one.data for one in first])
    rest = feed(log, MessageStored(message=message(Role.ASSISTANT, "all of it", seq=4)))
    assert ("l of it", [3]) == (words(rest), [one.seq_id for one in rest])
    again = feed(log, delta(TextDelta(text="n"), OTHER_ID))
    assert ("n", 4) == (words(again, OTHER_ID), again[0].seq_id)


def test_message_that_was_never_stored():
    """Its pieces stay; the next attempt has an id of its own and is told from its beginning."""
    log = encoder(told=[{"id": OTHER_ID, "message_type": "assistant_message", "content": "lost"}])
    told = feed(log, delta(TextDelta(text="a")), MessageStored(message=message(Role.ASSISTANT, "ab", seq=4)))
    assert "a|b" == words(told)
    assert [MESSAGE_ID] == [one["id"] for one in log.told]


def test_message_that_is_in_the_log_already():
    """A stored message up to the log's mark is not told again."""
    log = encoder(message_seq=4)
    assert [] == feed(log, MessageStored(message=message(Role.ASSISTANT, "old", seq=4)))
    assert "new" == words(feed(log, MessageStored(message=message(Role.ASSISTANT, "new", seq=5))))


def reply(**fields: Any) -> Message:
    """Return a reply of thoughts, words and two calls."""
    calls = (ToolCall(id="c1", name="f", arguments='{"a":1}'), ToolCall(id="c2", name="g", arguments="{}"))
    plain: dict[str, Any] = {"tool_calls": calls, **fields}
    return message(Role.ASSISTANT, ReasoningPart(reasoning="think"), ReasoningPart(reasoning="ing"), "so", **plain)


def pieces_of(*parts: TextDelta | ReasoningDelta | ToolCallDelta) -> list[dict[str, Any]]:
    """Return these pieces as they were told."""
    return [one.data for one in feed(encoder(), *map(delta, parts))]


CALLS = (
    ToolCallDelta(index=0, id="c1", name="f", arguments='{"a"'),
    ToolCallDelta(index=0, arguments=":1}"),
    ToolCallDelta(index=1, id="c2", name="g"),
    ToolCallDelta(index=1, arguments="{}"),
)
PARTS = (ReasoningDelta(text="thin"), ReasoningDelta(text="king"), TextDelta(text="s"), TextDelta(text="o"), *CALLS)


def gist(told: list[dict[str, Any]]) -> tuple[str, str, dict[str, str]]:
    """Return what events say together: thoughts, words, calls by their ids."""
    calls: dict[str, str] = {}
    for one in told:
        given = one.get("tool_calls", [])
        for call in given if isinstance(given, list) else [given]:
            key = call["tool_call_id"]
            calls[key] = calls.get(key, "") + call.get("name", "") + call.get("arguments", "")
    return "".join(o.get("reasoning", "") for o in told), "".join(o.get("content", "") for o in told), calls


@pytest.mark.parametrize("count", range(1, len(PARTS) + 1))
def test_rest_after_any_piece(count: int):
    """However many pieces were told, the rest completes thoughts, words and calls, each once."""
    told = pieces_of(*PARTS[:count])
    assert ("thinking", "so", {"c1": 'f{"a":1}', "c2": "g{}"}) == gist([*told, *rest_of(reply(), told)])


def test_nothing_is_left():
    """After the last piece there is no rest."""
    assert [] == rest_of(reply(), pieces_of(*PARTS))


def test_other_kinds_are_told_whole():
    """What never comes in pieces was told whole, if it was told."""
    returned = message(Role.TOOL, "done", tool_call_id="c1")
    told = [one.data for one in feed(encoder(), MessageStored(message=returned))]
    assert [] == rest_of(returned, told)


def test_speech_by_a_call_comes_whole():
    """What a MemGPT agent says by a call is never told in pieces, and so it is in the rest."""
    call = ToolCall(id="c1", name="send_message", arguments='{"message": "hello"}')
    told = pieces_of(TextDelta(text="so"))
    (rest,) = rest_of(message(Role.ASSISTANT, "so", tool_calls=(call,)), told)
    assert "hello" == rest["content"]


def teller(**fields: Any) -> LogTeller:
    """Return a teller for one listener."""
    return LogTeller(**{"run": run(background=True), "entropy": CountingEntropy(), **fields})


def test_telling():
    """Events are told as they stand in the log; the log's end is the end."""
    listener = teller()
    assert [] == listener.begin(NOW)
    (event,) = listener.feed(LoggedEvent(seq_id=7, kind="error_message", data={"seq_id": 7}, name="error"))
    assert ({"seq_id": 7}, "error", False) == (event.data, event.name, listener.ended)
    assert ([], True) == (listener.feed(LogEnded()), listener.ended)


def test_signs_of_life():
    """A sign of life repeats the number of the last event told, and takes none; none comes unwanted, nor at the end."""
    listener = teller(seq_last=3)
    assert [3] == [one.data["seq_id"] for one in listener.ping(NOW)]
    listener.feed(LoggedEvent(seq_id=4, kind="ping", data={}))
    assert [(4, RUN_ID)] == [(one.data["seq_id"], one.data["run_id"]) for one in listener.ping(NOW)]
    listener.feed(LogEnded())
    assert [] == listener.ping(NOW)
    assert [] == teller(pings=False).ping(NOW)


def test_telling_that_breaks_off():
    """The listener is told once that it must resume, with the last number; that is not the end of the run."""
    listener = teller(seq_last=5)
    (event,) = listener.fail("internal_error", "the store")
    assert ("error", "stream_broken_off", 5) == (event.name, event.data["error_type"], event.data["seq_id"])
    assert ([], False) == (listener.fail("internal_error", "again"), listener.ended)

"""What a kept trace tells."""

import attrs
import pytest

from kelpie_sim.report.reading import HostSpan, Message, Operation, TaskLife, category_of, failed_entry, read_run
from kelpie_sim.simulation import simulate
from tests.browser.relay import CLIENTS, SERVERS, relay
from tests.sim.report.sample import ENTRIES, FAILED, PASSED, entry

READING = read_run(FAILED)


def reading_of(*entries):
    """Return the reading of a run with these entries."""
    return read_run(attrs.evolve(PASSED, entries=entries))


def test_tasks_have_their_hosts_and_lives():
    """A task's host is told by its name, or else by its parent; its life goes from its birth to its last entry."""
    assert READING.tasks == {
        1: TaskLife(serial=1, name="1:_main", host="", parent=0, first=1, last=16),
        2: TaskLife(serial=2, name="server-1/main", host="server-1", parent=1, first=4, last=5),
        3: TaskLife(serial=3, name="listener", host="server-1", parent=2, first=6, last=6),
    }


def test_name_that_only_looks_like_a_host_is_none():
    """What stands before a slash counts only if a host of that name was ever started."""
    reading = reading_of(entry(0, 1, "born", "1:_main"), entry(0, 1, "step"), entry(0, 2, "born", "a/b"))
    assert (reading.tasks[2].host, reading.hosts) == ("", ("",))


def test_messages_are_followed_to_their_ends():
    """A message is delivered or dropped, by the number of its packet."""
    delivered, dropped = READING.messages
    assert delivered == Message(
        sent=8, ended=9, sender="client-1", receiver="server-1", what="data", size_bytes=12, fate="delivered"
    )
    assert (dropped.sent, dropped.ended, dropped.fate, dropped.why) == (12, 14, "dropped", "lost")
    assert READING.message_at[9] is delivered


def test_message_may_be_on_its_way_at_the_end():
    """A message without an end is pending."""
    (message,) = reading_of(entry(0, 0, "net send", 1, "a", "b", "data", 3)).messages
    assert (message.ended, message.fate) == (None, "pending")


def test_duplicate_is_a_message_of_its_own():
    """A packet that is delivered twice was sent once and has two ends."""
    sent, once = entry(0, 0, "net send", 1, "a", "b", "data", 3), entry(1, 0, "net deliver", 1)
    assert [(m.sent, m.ended) for m in reading_of(sent, once, once).messages] == [(0, 1), (0, 2)]


@pytest.mark.parametrize(
    ("payload", "size_bytes", "expected"),
    [
        (b"GET /a HTTP/1.1\r\nhost: b\r\n\r\n", 28, "GET /a HTTP/1.1"),
        (b"x" * 70, 70, "x" * 57 + "..."),
        (b"\xff\xfe", 2, ""),
        (b"\x00\x01", 2, ""),
        (b"0123456789abcdef", 5_000, ""),
        ("no bytes", 8, ""),
    ],
)
def test_messages_tell_how_their_text_begins(payload, size_bytes, expected):
    """A payload that is text shows its first line; other bytes, and a digest alone, show nothing."""
    (message,) = reading_of(entry(0, 0, "net send", 1, "a", "b", "tcp", size_bytes, payload)).messages
    assert expected == message.content


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"POST /things HTTP/1.1\r\nhost: server\r\n", "POST /things HTTP/1.1"),
        (b"data: {" + b"x" * 41, "data: {" + "x" * 41 + "..."),
        (b"data: " + "é".encode() * 20 + "é".encode()[:1], "data: " + "é" * 20 + "..."),
        (b"\x16\x03\x01 client hello\n", ""),
        (b"\xff\xfe\n", ""),
    ],
)
def test_long_messages_tell_how_they_begin(head, expected):
    """Of a long payload that is text the first line is told, with a mark if it goes on."""
    (message,) = reading_of(entry(0, 0, "net send", 1, "a", "b", "tcp", 5_000, b"0123456789abcdef", head)).messages
    assert expected == message.content


def test_end_of_an_unknown_packet_is_let_be():
    """A trace that starts in the middle can be read."""
    assert () == reading_of(entry(1, 0, "net deliver", 1)).messages


def test_operations_are_followed_to_their_answers():
    """An operation has its question, and its answer if there was one; nobody knows what became of one without."""
    answered, open_end = READING.operations
    assert answered == Operation(
        process="client-1", name="ask", arguments="{'n': 1}", invoked=7, ended=10, outcome="ok", result="{'n': 2}"
    )
    assert (open_end.invoked, open_end.ended, open_end.outcome) == (11, None, "info")


def test_entries_have_hosts():
    """A delivery happens where it arrives, a drop where it was sent, a crash on its host, the rest with its task."""
    assert [READING.entry_hosts[index] for index in (5, 9, 14, 15, 16)] == [
        "server-1",
        "server-1",
        "client-1",
        "server-1",
        "",
    ]


def test_stretches_of_hosts_that_are_not_up():
    """A pause ends at the resume, a crash at the next start, and what does not end lasts to the end of the run."""
    kinds = ("host start", "host pause", "host resume", "host crash", "host reformat", "host start", "host exit")
    assert reading_of(*(entry(0, 0, kind, "a", 1) for kind in kinds)).spans == (
        HostSpan(host="a", state="paused", first=1, last=2),
        HostSpan(host="a", state="down", first=3, last=5),
        HostSpan(host="a", state="down", first=6, last=None),
    )


def test_failure_is_the_last_entry_of_the_program():
    """The steps of the loop itself, and the tape's own record, come after the failure; a good run has none."""
    assert (16, None, None) == (READING.failed, read_run(PASSED).failed, failed_entry(ENTRIES[-2:]))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("net send", "messages"), ("net cut", "faults"), ("stored", "other"), ("step", "steps")],
)
def test_kinds_have_categories(kind, expected):
    """A kind or its first word tells what it is about; what is unknown is the program's own."""
    assert expected == category_of(kind)


def test_real_run_is_read():
    """All that a run recorded is found again."""
    outcome = simulate(relay(20), 1, keep_trace=True)
    reading = read_run(outcome)
    hosts = {"", *(f"server-{n}" for n in range(SERVERS)), *(f"client-{n}" for n in range(CLIENTS))}
    sends = sum(entry.kind == "net send" for entry in outcome.entries)
    assert (sends, CLIENTS * 20, hosts) == (
        len(reading.messages),
        len(reading.operations),
        {task.host for task in reading.tasks.values()},
    )
    assert {"delivered", "dropped"} == {message.fate for message in reading.messages}

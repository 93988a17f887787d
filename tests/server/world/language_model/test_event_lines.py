"""Server-sent events out of bytes in any pieces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie_server.world.language_model import event_lines
from kelpie_server.world.language_model.event_lines import EventLines, LineTooLong

STREAM = (
    b": comment\n\nevent: a\ndata: one\n\ndata:two\r\ndata:  more\r\n\r\n"
    b"id: 7\rdata: three\r\rdata: [DONE]\n\ndata: rest"
)
EVENTS = [b"one", b"two\n more", b"three", b"[DONE]", b"rest"]


def data_of(pieces):
    """Return the data of all events."""
    lines = EventLines()
    found = [data for piece in pieces for data in lines.feed(piece)]
    return [*found, *lines.end()]


def test_events_are_found():
    """Comments, names and ids are passed over; lines of data belong together; any end of line is one."""
    assert EVENTS == data_of([STREAM])


@given(st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted))
def test_pieces_do_not_matter(cuts):
    """Wherever the bytes are cut, the events are the same."""
    edges = [0, *cuts, len(STREAM)]
    assert EVENTS == data_of([STREAM[first:end] for first, end in itertools.pairwise(edges)])


def test_line_without_an_end(monkeypatch):
    """A line that does not end is no stream of events."""
    monkeypatch.setattr(event_lines, "LINE_BYTES_MAX", 10)
    with pytest.raises(LineTooLong):
        list(EventLines().feed(b"x" * 11))

"""A run as compact JSON."""

import json

import attrs

from kelpie_sim.report.timeline.document import FIELD_CHARS_MAX, document_of
from tests.sim.report.sample import FAILED, PASSED, entry


def read(outcome, reproduce=""):
    """Return the document of a run as a page reads it."""
    return json.loads(json.dumps(document_of(outcome, reproduce)))


def fields_of(*fields):
    """Return an entry's fields as a page reads them."""
    return read(attrs.evolve(PASSED, entries=(entry(0, 0, "a", *fields),)))["entries"]["fields"]["0"]


DOCUMENT = read(FAILED, "again")


def test_entries_are_columns_of_differences():
    """Steps and times come as differences, kinds as numbers with their category, fields only where there are any."""
    columns = DOCUMENT["entries"]
    assert columns["kinds"][:3] == [["scenario", "run"], ["born", "births"], ["step", "steps"]]
    assert columns["kind"][:4] == [0, 1, 2, 3]
    assert columns["step"][:8] == [0, 0, 1, 0, 0, 1, 0, 1]
    assert columns["time"][6:10] == [0, 1_000_000, 0, 2_000_000]
    assert columns["task"][:5] == [0, 1, 1, 1, 2]
    assert columns["host"][:6] == [0, 0, 0, 1, 1, 1]
    assert (["server-1", 1], None) == (columns["fields"]["3"], columns["fields"].get("2"))


def test_what_belongs_together_is_told():
    """Tasks, messages, operations and stretches point at entries; hosts by number."""
    assert DOCUMENT["hosts"] == ["", "server-1", "client-1"]
    assert DOCUMENT["tasks"][1] == [2, "server-1/main", 1, 4, 5, 1]
    assert DOCUMENT["messages"][1] == [12, 14, "data", 12, "dropped", "lost", "server-1", ""]
    assert DOCUMENT["operations"][0] == ["client-1", "ask", "{'n': 1}", 7, 10, "ok", "{'n': 2}"]
    assert DOCUMENT["spans"] == [[1, "down", 15, None]]


def test_head_tells_how_the_run_ended():
    """The finding, the entry it happened at and the command that runs it again are there; a good run has no finding."""
    run = DOCUMENT["run"]
    assert (16, "again", "7") == (DOCUMENT["failed"], run["reproduce"], run["seed"])
    assert run["finding"]["message"] == "letters arrive: one of <2>"
    assert read(PASSED)["run"]["finding"] is None


def test_fields_are_text_or_numbers():
    """Bytes become text, numbers beyond what a page can count exactly too, and long text is cut."""
    assert fields_of(b"a\nb\xff", 5, 2**60) == ["a\nb\\xff", 5, str(2**60)]
    assert fields_of("x" * (FIELD_CHARS_MAX + 3)) == ["x" * FIELD_CHARS_MAX + " ... 3 more characters"]

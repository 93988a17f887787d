"""Histories as values and as JSON lines."""

from enum import Enum, StrEnum

import attrs
import pytest

from kelpie_sim.check.history import History
from kelpie_sim.check.operations import Operation, from_jsonl, to_jsonl
from kelpie_sim.trace import Trace


@attrs.frozen
class Point:
    x: int


def recorded() -> History:
    history = History(iter(range(100)).__next__, Trace())
    history.invoke("a", "append", values=[1, (2, "x")], options={"b": b"\x00\xff", "a": None}).ok(seen={3, 1, 2})
    history.invoke("b", "read", at=1.5).fail("refused")
    history.invoke("b", "write").info(OSError("lost"))
    history.invoke("c", "write", flag=True)
    return history


def test_operations_are_values():
    """A history's operations know who, what, when, and what came of it; values can be put into sets."""
    first, failed, unknown, never = recorded().operations()
    assert {"values": (1, (2, "x")), "options": (("a", None), ("b", b"\x00\xff"))} == first.arguments
    assert ("append", "ok", {"seen": frozenset({1, 2, 3})}, 0, 1) == (
        first.name, first.outcome, first.result, first.start, first.end
    )  # fmt: skip
    assert [(True, True), (False, False), (False, True), (False, True)] == [
        (each.happened, each.may_have_happened) for each in (first, failed, unknown, never)
    ]
    assert ((4, 5), (6, None)) == ((unknown.start, unknown.end), (never.start, never.end))


def test_history_survives_its_file():
    """What was written is read back equal."""
    history = recorded()
    assert history.operations() == from_jsonl(history.to_jsonl())
    assert 5 == len(history.to_jsonl().splitlines())


class Role(StrEnum):
    USER = "user"


class Colour(Enum):
    RED = 1


def test_names_of_values_keep_what_they_equal():
    """A name that equals a text comes back as that text, any other as its own name."""
    (operation,) = from_jsonl(
        to_jsonl((Operation(index=0, process="a", name="w", arguments={"v": [Role.USER, Colour.RED]}, start=0),))
    )
    assert {"v": ("user", "Colour.RED")} == operation.arguments


def test_other_values_become_texts_that_compare_alike():
    """A value that JSON lines cannot hold comes back as a text, the same for equal values."""

    def read_back(value):
        (operation,) = from_jsonl(
            to_jsonl((Operation(index=0, process="a", name="w", arguments={"v": value}, start=0),))
        )
        return operation.arguments["v"]

    assert ["Point(x=1)", ("Point(x=1)",), "Point(x=2)"] == [
        read_back(Point(1)), read_back([Point(1)]), read_back(Point(2))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "an empty text is no history"),
        ('{"history":2}\n', r"line 1 of the history: not the head of a history of version 1: \{'history': 2\}"),
        ('{"history":1}\n{"index":0}\n', "line 2 of the history: 'arguments'"),
        ('{"history":1}\n{}\nnonsense\n', "line 2 of the history"),
        ('{"history":1}\n[]\n', "line 2 of the history"),
        ('{"history":1}\n{"index":0,"arguments":{},"result":{}}\n', "line 2 of the history: .*missing 3 required"),
        (
            '{"history":1}\n{"index":0,"process":"a","name":"x","outcome":"odd","start":0,"arguments":{},"result":{}}',
            "line 2 of the history",
        ),
    ],
)
def test_other_text_is_refused(text, error):
    """A text that is no history is refused with the line that is wrong."""
    with pytest.raises(ValueError, match=error):
        from_jsonl(text)


def test_operation_reads_as_a_line():
    """An operation prints as who asked what and what came back."""
    texts = [str(each) for each in recorded().operations()]
    assert ["b: read(at=1.5) fail refused", "b: write() info OSError: lost", "c: write(flag=True) info"] == texts[1:]

"""Values as texts and as keys."""

from datetime import UTC, datetime
from enum import Enum, StrEnum

import attrs
import pytest

from kelpie_sim.check.values import canonical, described, frozen, frozen_values


class Colour(Enum):
    RED = 1


class Role(StrEnum):
    USER = "user"


@attrs.frozen
class Point:
    x: int
    y: int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        (b"x", "b'x'"),
        (Colour.RED, "Colour.RED"),
        (Role.USER, "Role.USER"),
        ({"b": 1, "a": (2, [3])}, "{'a': [2, [3]], 'b': 1}"),
        (set("hgfedcba"), "{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00"),
        (Point(1, 2), "Point(x=1, y=2)"),
        (ValueError("bad"), "ValueError: bad"),
    ],
)
def test_values_have_one_text(value, text):
    """Equal values have equal texts in every process."""
    assert canonical(value) == text


def test_value_without_a_text_is_refused():
    """An object whose text would hold its address is refused, by its class."""
    with pytest.raises(TypeError, match="a object has no text that is the same in every process"):
        canonical(object())


def test_addresses_are_taken_out_of_errors():
    """An error's text holds no address."""
    assert described(ValueError(f"bad {object()!r}")) == "ValueError: bad <object object>"


def test_frozen_values_can_be_keys():
    """Lists, sets and mappings become tuples, frozensets and sorted pairs, to any depth."""
    assert (1, (2,), frozenset({3}), (("a", (4,)), ("b", 5))) == frozen([1, [2], {3}, {"b": 5, "a": [4]}])
    assert {"x": (1,)} == frozen_values({"x": [1]})

"""Reading JSON that somebody else wrote. Damaged documents are in tests/core/service/test_bad_agent_files.py."""

import datetime as dt
import json

import pytest

from kelpie_core.errors import InvalidInput, LimitExceeded, Unsupported
from kelpie_core.model.message import Role
from kelpie_core.wire.json_reader import Fields, decode_object

WORDS = {"word": "Grüße \U0001f337", "nul": "\x00", "number": 2**70, "fraction": 1e-7, "not": None}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_decoded(encoding: str) -> None:
    """A document is read in UTF-8, with or without a byte order mark, and in UTF-16 with one."""
    data = json.dumps(WORDS, ensure_ascii=False).encode(encoding)
    assert WORDS == decode_object(data, bytes_max=1_000)


def test_utf16_of_either_order() -> None:
    """Both byte orders of UTF-16 are told by their mark."""
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        assert {"a": "é"} == decode_object(mark + '{"a": "é"}'.encode(encoding), bytes_max=100)


def test_bytes_are_counted_first() -> None:
    """A document of exactly the allowed size is read, one byte more is refused."""
    assert {} == decode_object(b"{}", bytes_max=2)
    with pytest.raises(LimitExceeded, match="has 3 bytes, 2 are allowed"):
        decode_object(b"{} ", bytes_max=2)


def test_depth_is_bounded() -> None:
    """64 levels are read; one more is refused, and the path leads to it past its shallow siblings."""
    levels = '{"a": {}, "b": [1, ' * 31 + "{%s}" + '], "c": []}' * 31
    decode_object((levels % "").encode(), bytes_max=10_000)
    decode_object((levels % '"x": []').encode(), bytes_max=10_000)
    with pytest.raises(LimitExceeded, match="deeper than 64 levels") as caught:
        decode_object((levels % '"x": 1, "y": [0, [2]]').encode(), bytes_max=10_000)
    assert "$" + ".b[1]" * 31 + ".y[1]" == caught.value.path


def test_fields_are_taken_once() -> None:
    """What is taken is gone; what is left over is everything else as it stands, nulls included; the source stays."""
    source: dict[str, object] = {"a": "x", "b": None, "c": [{}], "d": None}
    fields = Fields(source, "$")
    assert ("x", None) == (fields.text("a"), fields.text_or_none("b"))
    assert {"c": [{}], "d": None} == fields.rest
    assert {"a": "x", "b": None, "c": [{}], "d": None} == source


def test_null_is_absent() -> None:
    """A null field gives what an absent one gives."""
    for source in ({}, dict.fromkeys("abcdefg")):
        fields = Fields(source, "$")
        given = (
            fields.text_or_none("a"),
            fields.integer("b", 3, value_max=5),
            fields.flag("c"),
            fields.object_or_none("d"),
            fields.each("e", str),
            fields.choice("f", Role, Role.USER),
            fields.time("g"),
        )
        assert (None, 3, None, None, (), Role.USER, None) == given


def test_true_is_no_number() -> None:
    """True is not taken for 1, nor 1 for true, nor 1.0 for 1."""
    fields = Fields({"a": True, "b": 1, "c": 1.0}, "$.x")
    with pytest.raises(InvalidInput, match=r"^\$\.x\.a: expected a whole number, found true or false$"):
        fields.integer("a", 1, value_max=9)
    with pytest.raises(InvalidInput, match=r"^\$\.x\.b: expected true or false, found a whole number$"):
        fields.flag("b")
    with pytest.raises(InvalidInput, match=r"^\$\.x\.c: expected a whole number, found a number with a fraction$"):
        fields.integer("c", 1, value_max=9)


def test_bounds_hold_at_their_ends() -> None:
    """Texts and numbers are taken up to their bounds, both included."""
    fields = Fields({"a": "xyz", "b": "x", "c": 5, "d": 1}, "$")
    assert "xyz" == fields.text("a", chars_max=3)
    assert "x" == fields.text("b", chars_min=1)
    assert (5, 1) == (fields.integer("c", 1, value_max=5), fields.integer("d", 2, value_max=5))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-04-01T03:47:12", dt.datetime(2025, 4, 1, 3, 47, 12, tzinfo=dt.UTC)),
        ("2025-04-01T03:47:12.720714", dt.datetime(2025, 4, 1, 3, 47, 12, 720714, tzinfo=dt.UTC)),
        ("2025-04-01T03:47:12.5Z", dt.datetime(2025, 4, 1, 3, 47, 12, 500000, tzinfo=dt.UTC)),
        ("2025-04-01T03:47:12+02:00", dt.datetime(2025, 4, 1, 1, 47, 12, tzinfo=dt.UTC)),
    ],
)
def test_time_is_utc(text: str, expected: dt.datetime) -> None:
    """A time comes in UTC; without a zone it is UTC already."""
    time = Fields({"t": text}, "$").time("t")
    assert (expected, dt.UTC) == (time, time.tzinfo if time else None)


def test_missing_choice_is_told() -> None:
    """A word that must be there and is not is told by its path."""
    with pytest.raises(InvalidInput, match=r"^\$\.role: is missing$"):
        Fields({}, "$").choice("role", Role)


def test_parts_carry_their_path() -> None:
    """Each object of a list knows where it stands; too many are refused."""
    parts = Fields({"a": [{"x": 1}, {}]}, "$").parts("a", count_max=2)
    assert [("$.a[0]", {"x": 1}), ("$.a[1]", {})] == [(part.path, part.rest) for part in parts]
    with pytest.raises(LimitExceeded, match="has 3 items, 2 are allowed"):
        Fields({"a": [{}, {}, {}]}, "$").parts("a", count_max=2)


def test_empty_sections_are_not_refused() -> None:
    """What has no room is refused unless it is empty, and then it is gone."""
    fields = Fields({"a": [], "b": None, "c": {}, "d": ["x"]}, "$.y")
    fields.refuse("a", "b", "c", "never")
    assert {"d": ["x"]} == fields.rest
    with pytest.raises(Unsupported, match=r"^import of \$\.y\.d is not implemented$"):
        fields.refuse("d")

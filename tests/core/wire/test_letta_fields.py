"""Typed fields of loosely typed JSON."""

import attrs
import pytest

from kelpie_core.errors import InvalidInput
from kelpie_core.wire.letta_fields import decoded, fitting, present, typed


@attrs.frozen(kw_only=True)
class Inner:
    """A field in a field."""

    count: int | None = None


@attrs.frozen(kw_only=True)
class Fields:
    """What a body may hold."""

    name: str | None = None
    inner: Inner | None = None


def test_decodes_an_object():
    """A JSON object is returned as it is, unknown fields included."""
    assert {"a": [1, None]} == decoded(b'{"a":[1,null]}')


def test_no_body_is_an_empty_object():
    """A request without a body asks for nothing in particular."""
    assert {} == decoded(b"")


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b"5", b"null", b'{"a":NaN}', b'{"a":"\\ud800"}'])
def test_refuses_what_is_no_json_object(body):
    """A body that is not JSON, or JSON but no object, is the caller's error."""
    with pytest.raises(InvalidInput):
        decoded(body)


def test_refuses_a_body_too_deep_to_read():
    """A body nested deeper than the parser goes is the caller's error."""
    with pytest.raises(InvalidInput):
        decoded(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_wrong_type_names_the_path():
    """The error says where the value stands and what was expected there."""
    with pytest.raises(InvalidInput) as caught:
        typed({"inner": {"count": "x"}}, Fields, "$.messages[2]")
    assert "$.messages[2].inner.count" == caught.value.path
    assert "$.messages[2].inner.count: Expected `int | null`, got `str`" == str(caught.value)


def test_wrong_whole_names_the_path():
    """A value that is wrong as a whole is named by its own path."""
    with pytest.raises(InvalidInput) as caught:
        typed(5, Fields, "$.a")
    assert "$.a" == caught.value.path


def test_unknown_fields_are_ignored():
    """A field that nobody knows changes nothing."""
    assert Fields(name="x") == typed({"name": "x", "else": 1}, Fields)


def test_present_leaves_out_what_is_none():
    """Only attributes that are there are returned."""
    assert {"name": "x"} == present(Fields(name="x"), ("name", "inner"))


def test_fitting_sifts_by_type():
    """Known fields stay if they have their type, unknown ones stay."""
    given = {"name": 5, "inner": {"count": 1}, "else": 2}
    assert {"inner": {"count": 1}, "else": 2} == fitting(given, Fields)


def test_fitting_can_leave_out_unknown_fields():
    """Unknown fields go if only the known are wanted."""
    assert {"name": "x"} == fitting({"name": "x", "else": 2}, Fields, only_known=True)


def test_nothing_fits_nothing():
    """No mapping at all gives no fields."""
    assert {} == fitting(None, Fields)

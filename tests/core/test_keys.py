"""Keys as bytes: the order of tuples, prefixes, and the exact form that databases hold."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie_core.keys import Key, KeyPart, encode_key, encode_part, prefix_end

PARTS: dict[str, st.SearchStrategy[KeyPart]] = {
    "text": st.text(st.characters(exclude_categories=["Cs"])) | st.text("\x00\x01\xffa"),
    "integer": st.integers(-(1 << 63), (1 << 63) - 1) | st.booleans(),
    "time": st.datetimes(timezones=st.just(dt.UTC)),
}


def keys_of(shape: list[str]) -> st.SearchStrategy[tuple[Key, Key]]:
    """Draw two keys of one shape."""
    key = st.tuples(*(PARTS[kind] for kind in shape))
    return st.tuples(key, key)


@given(st.lists(st.sampled_from(sorted(PARTS)), max_size=4).flatmap(keys_of))
def test_order(pair: tuple[Key, Key]) -> None:
    """Encoded keys compare as the tuples do, and are equal only when those are."""
    one, other = pair
    assert (encode_key(one) < encode_key(other)) == (one < other)
    assert (encode_key(one) == encode_key(other)) == (one == other)


@given(keys_of(["text", "integer"]), keys_of(["text", "time"]))
def test_prefix(starts: tuple[Key, Key], rests: tuple[Key, Key]) -> None:
    """A range from a prefix to its end holds the keys that go on from it, and no key that starts otherwise."""
    (start, other), (rest, _) = starts, rests
    prefix = encode_key(start)
    assert prefix <= encode_key(start + rest) < prefix_end(prefix)
    assert (prefix <= encode_key(other + rest) < prefix_end(prefix)) == (start == other)


@given(PARTS["text"])
def test_text_is_no_prefix_of_longer_text(text: KeyPart) -> None:
    """A text's range does not hold a longer text that starts with it."""
    prefix = encode_part(text)
    for more in ("\x00", "a", "\U0001f99e"):
        assert not prefix <= encode_part(f"{text}{more}") < prefix_end(prefix)


@given(PARTS["text"] | PARTS["integer"] | PARTS["time"])
def test_none_comes_first(part: KeyPart) -> None:
    """None sorts before every value."""
    assert encode_part(None) < encode_part(part)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ((), b""),
        ((None,), b"\x01"),
        ((0,), b"\x02\x80\x00\x00\x00\x00\x00\x00\x00"),
        ((True, -1), b"\x02\x80\x00\x00\x00\x00\x00\x00\x01\x02\x7f\xff\xff\xff\xff\xff\xff\xff"),
        ((dt.datetime(1970, 1, 1, 0, 0, 0, 5, dt.UTC),), b"\x03\x80\x00\x00\x00\x00\x00\x00\x05"),
        (("",), b"\x04\x00"),
        (("a\x00b", "\xe9"), b"\x04a\x00\xffb\x00\x04\xc3\xa9\x00"),
    ],
)
def test_form(key: Key, expected: bytes) -> None:
    """The bytes are exactly these, for databases hold them."""
    assert encode_key(key) == expected


def test_other_zones_are_the_same_moment() -> None:
    """A time counts as its moment, whatever its zone."""
    zone = dt.timezone(dt.timedelta(hours=2))
    assert encode_part(dt.datetime(2024, 1, 1, 2, tzinfo=zone)) == encode_part(dt.datetime(2024, 1, 1, tzinfo=dt.UTC))


def test_refusals() -> None:
    """What has no place in the order is refused: other types, integers beyond 64 bits, naive times, half characters."""
    with pytest.raises(TypeError, match="float"):
        encode_part(1.5)  # type: ignore[arg-type]
    for beyond in (1 << 63, -(1 << 63) - 1):
        with pytest.raises(OverflowError):
            encode_part(beyond)
    with pytest.raises(TypeError, match="naive"):
        encode_part(dt.datetime(2024, 1, 1))  # noqa: DTZ001 a naive time is the point
    with pytest.raises(UnicodeEncodeError):
        encode_part("\ud800")

"""Ids: made from bits alone, recognised, refused."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie_core.errors import InvalidInput
from kelpie_core.ids import (
    ORGANIZATION_DEFAULT,
    PREFIXES,
    USER_DEFAULT,
    check_id,
    draw_id,
    draw_uuid4,
    is_id,
    make_id,
    uuid4_of,
)
from tests.twins import CountingEntropy

BITS = st.integers(min_value=0, max_value=(1 << 122) - 1)


@given(bits=BITS)
def test_text_is_a_uuid4(bits: int) -> None:
    """Any 122 bits give a UUID of version 4 and variant RFC 4122, as the standard library reads it."""
    read = uuid.UUID(uuid4_of(bits))
    assert (4, uuid.RFC_4122, uuid4_of(bits)) == (read.version, read.variant, str(read))


@given(bits=BITS)
def test_no_bit_is_lost(bits: int) -> None:
    """All 122 bits stand in the text, so different bits give different ids."""
    number = uuid.UUID(uuid4_of(bits)).int
    assert bits == (number >> 80) << 74 | (number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1


def test_bits_above_are_ignored() -> None:
    """Only the low 122 bits count."""
    assert uuid4_of(5) == uuid4_of(1 << 122 | 5)


@pytest.mark.parametrize("prefix", sorted(PREFIXES))
def test_made_id_is_one_of_its_kind(prefix: str) -> None:
    """What is made for a kind is recognised as that kind."""
    assert f"{prefix}-00000000-0000-4000-8000-000000000007" == make_id(prefix, 7)
    assert is_id(prefix, make_id(prefix, 7))


def test_unknown_kind_is_our_own_error() -> None:
    """Only kinds on the list are made."""
    with pytest.raises(AssertionError, match="cat"):
        make_id("cat", 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "agent-",
        "agent",
        "block-00000000-0000-4000-8000-000000000007",
        "agent-00000000-0000-4000-8000-00000000000",
        "agent-00000000-0000-4000-8000-0000000000071",
        "agent-00000000-0000-4000-8000-000000000007\n",
        "agent-00000000-0000-1000-8000-000000000007",
        "agent-00000000-0000-4000-c000-000000000007",
        "agent-00000000-0000-4000-8000-00000000000A",
        "xagent-00000000-0000-4000-8000-000000000007",
    ],
)
def test_malformed_id_is_refused(text: str) -> None:
    """Another kind, length, version, variant or case is no id; the error names the path."""
    assert not is_id("agent", text)
    with pytest.raises(InvalidInput) as caught:
        check_id("agent", text, path="$.agent_id")
    assert "$.agent_id" == caught.value.path
    assert f"$.agent_id: expected an id of the form agent-<uuid4>, got {text!r}" == str(caught.value)


def test_long_text_is_quoted_in_part() -> None:
    """An error quotes at most 80 characters of what was sent."""
    with pytest.raises(InvalidInput) as caught:
        check_id("agent", "x" * 1000)
    assert f"expected an id of the form agent-<uuid4>, got {'x' * 80!r}" == str(caught.value)


def test_good_id_comes_back() -> None:
    """A checked id is returned as it is."""
    assert make_id("run", 9) == check_id("run", make_id("run", 9))


def test_defaults_are_ids() -> None:
    """The default user and organization have ids of their kinds."""
    assert is_id("user", USER_DEFAULT)
    assert is_id("org", ORGANIZATION_DEFAULT)


def test_drawn_ids_come_from_the_entropy() -> None:
    """An id and a bare UUID take what the port gives, one draw each."""
    entropy = CountingEntropy()
    again = CountingEntropy()
    assert make_id("run", again.bits(122)) == draw_id("run", entropy)
    assert uuid4_of(again.bits(122)) == draw_uuid4(entropy)

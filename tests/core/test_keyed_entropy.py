"""Entropy for a request that may be sent again."""

from kelpie_core.ids import draw_id
from kelpie_core.keyed_entropy import KeyedEntropy, key_of


class Fixed:
    """Entropy that gives one number."""

    def bits(self, count: int) -> int:
        """Return the number."""
        return 7


def drawn(key: bytes) -> list[str]:
    """Return the first ids of a key."""
    entropy = KeyedEntropy(key, Fixed())
    return [draw_id("agent", entropy) for _ in range(3)]


def test_a_key_draws_the_same_ids():
    """The same key gives the same ids in the same order, all different; another key gives others."""
    first = drawn(key_of(b"a"))
    assert first == drawn(key_of(b"a"))
    assert 6 == len({*first, *drawn(key_of(b"b"))})


def test_other_draws_are_true_and_move_nothing():
    """A back-off draws from the true entropy, and the next id is the one that it would have been without it."""
    entropy = KeyedEntropy(key_of(b"a"), Fixed())
    first = draw_id("agent", entropy)
    assert 7 == entropy.bits(16)
    assert [first, draw_id("agent", entropy)] == drawn(key_of(b"a"))[:2]


def test_ids_use_all_their_bits():
    """The bits of ids are within their range and reach its upper half."""
    entropy = KeyedEntropy(key_of(b"a"), Fixed())
    bits = [entropy.bits(122) for _ in range(32)]
    assert (True, True) == (max(bits) < 1 << 122, max(bits) >= 1 << 121)


def test_parts_do_not_run_together():
    """What stands in one part cannot be made from two others."""
    assert key_of(b"ab", b"c") != key_of(b"a", b"bc")

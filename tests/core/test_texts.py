"""Text of others, made fit to be stored."""

from kelpie_core.texts import cut, encodable


def test_lone_surrogate_is_mended() -> None:
    """Half a pair becomes a question mark; whole characters stay, however odd."""
    assert ("a?b", "a\U0001f600\x00b") == (encodable("a\ud800b"), encodable("a\U0001f600\x00b"))


def test_long_text_is_cut() -> None:
    """What is too long is cut with a note of its length; what fits stays."""
    assert ("abc", "ab... [cut: 3 characters, 2 are allowed]") == (cut("abc", 3), cut("abc", 2))

"""Text of others, made fit to be stored."""

from kelpie_core.texts import Mender, cut, encodable


def test_lone_surrogate_is_mended() -> None:
    """Half a pair becomes the sign for what is lost; whole characters stay, also those that come in two halves."""
    assert ("a\ufffdb", "a\U0001f600\x00b") == (encodable("a\ud800b"), encodable("a\U0001f600\x00b"))
    assert "\U0001f600" == encodable("\ud83d\ude00")


def test_pair_that_a_stream_cuts_is_joined() -> None:
    """The first half waits for the second, each text by itself; what nothing came for is told as lost."""
    mender = Mender()
    pieces = [
        mender.mend(("text", 0), "a\ud83d"),
        mender.mend(("other", 0), "b\ud83d"),
        mender.mend(("text", 0), "\ude00c"),
    ]
    assert ["a", "b", "\U0001f600c"] == pieces
    assert [(("other", 0), "\ufffd")] == list(mender.left())
    assert "" == mender.mend(("empty", 0), "")


def test_long_text_is_cut() -> None:
    """What is too long is cut with a note of its length; what fits stays."""
    assert ("abc", "ab... [cut: 3 characters, 2 are allowed]") == (cut("abc", 3), cut("abc", 2))

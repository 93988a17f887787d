"""How values of a trace are written."""

import pytest

from kelpie_sim.report.text import cut, shown


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (7, "7"),
        ("héllo", "héllo"),
        ("a\nb\x00", "a\\nb\\x00"),
        (b'{"a":1}', '{"a":1}'),
        (b"\xff\x04", "\\xff\\x04"),
        ("\ud800", "\\ud800"),
    ],
)
def test_fields_are_readable(field, expected):
    """Numbers, text and bytes come as text on one line, without control characters."""
    assert expected == shown(field)


def test_characters_can_be_kept():
    """Where lines may be broken, they stay broken."""
    assert shown("a\n\tb", "\n") == "a\n\\tb"


def test_long_text_is_cut():
    """A text longer than the limit ends with the mark for it, within the limit; one as long as the limit does not."""
    assert ("ab...", "abcde", "a~") == (cut("abcdef", 5), cut("abcde", 5), cut("abc", 2, "~"))

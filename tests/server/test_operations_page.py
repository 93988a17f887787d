"""The page of operations says what the code has."""

from tools.write_operations import PAGE, page


def test_the_page_is_up_to_date():
    """The page is what its program writes now."""
    assert page() == PAGE.read_text(), "write it anew: python -m tools.write_operations"


def test_every_row_says_what_is_done():
    """No operation stands there without a word."""
    assert [] == [line for line in page().splitlines() if line.endswith("|  |")]

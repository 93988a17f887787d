"""The diff of two runs in a real browser."""

from tests.browser.conftest import Opener


def test_two_columns_side_by_side(tab: Opener):
    """The failing run is to the left, the other to the right, each with how it ended."""
    page = tab("diff").page
    left, right = (page.locator(f"main section.{name}").bounding_box() for name in ("failed", "passed"))
    assert left is not None
    assert right is not None
    assert (left["y"], True) == (right["y"], left["x"] + left["width"] < right["x"])
    assert "nothing is ever lost" in page.inner_text("section.failed .end")
    assert "The run went well." == page.inner_text("section.passed .end")


def test_steps_are_shown_on_request(tab: Opener):
    """Steps and births are out of sight, except where the runs part, until the box is checked."""
    page = tab("diff").page
    quiet = page.locator("main section.passed li.quiet:not(.first)")
    total = quiet.count()
    assert (True, 0) == (total > 0, sum(item.is_visible() for item in quiet.all()[:5]))
    page.check("#quiet")
    assert 5 == sum(item.is_visible() for item in quiet.all()[:5])

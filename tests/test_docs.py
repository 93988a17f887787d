"""The examples of the how-tos run: what a page marks as `python run` is a test module that passes."""

import re
from pathlib import Path

import pytest

from tests.pages import DOCS, blocks, pytest_run

PAGES = sorted((DOCS / "how-to").glob("*.md"))
RUN = "run"
# These tell of options, marks and tables; what they show runs in the tutorial.
WITHOUT_EXAMPLE = {"campaigns", "faults", "pytest"}


def examples(page: Path) -> list[str]:
    """Return the examples of a page that are to run."""
    return [block.text for block in blocks(page) if block.kind == "python" and RUN in block.options]


def test_examples_pass(tmp_path: Path) -> None:
    """Every example, saved as a file, passes under pytest as a reader would run it."""
    texts = {f"test_{page.stem}_{number}.py": text for page in PAGES for number, text in enumerate(examples(page), 1)}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    printed = pytest_run(tmp_path, "-q", "--tb=short")
    assert re.search(r"^\d+ passed in ", printed, re.MULTILINE), printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_has_an_example(page: Path) -> None:
    """A page that teaches an API has an example that runs."""
    assert (page.stem in WITHOUT_EXAMPLE) == (not examples(page))

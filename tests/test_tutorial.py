"""The tutorial does what it says: its files, its commands, and what they print."""

from pathlib import Path

import pytest

from tests.pages import DOCS, Block, follow, missing_line, write

PAGES = sorted((DOCS / "tutorial").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_reader_sees_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    """Whoever follows the page from its first block to its last sees each of the lines that it shows."""
    assert follow(page, tmp_path) > 0


FILE = """class A:
    def f(self):
        return 1

    def g(self):
        return 2


@cache
def f():
    pass
"""


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("f", "def f():\n    return 3\n", FILE[: FILE.index("@")] + "def f():\n    return 3\n"),
        ("A.f", "def f(self):\n    return 3\n", FILE.replace("return 1", "return 3")),
    ],
    ids=["function", "method"],
)
def test_block_replaces_what_it_names(name: str, text: str, expected: str, tmp_path: Path) -> None:
    """A block stands in place of the function or the method that it names, decorators included."""
    (tmp_path / "a.py").write_text(FILE)
    write(Block(kind="python", options={"title": "a.py", "replace": name}, text=text, line=1), tmp_path)
    assert expected == (tmp_path / "a.py").read_text()


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        ("seed 7\n...\nlast 1.5s\n", None),
        ("file ... there\nlast 2s\n", None),
        ("last 2s\nseed 7\n", "seed 7"),
        ("seed seven\n", "seed seven"),
    ],
    ids=["numbers", "dots", "order", "words"],
)
def test_shown_lines_are_looked_for_in_order(shown: str, missing: str | None) -> None:
    """Numbers stand for any, dots for anything, and the order counts."""
    assert missing == missing_line(shown, "seed 12345\nother\nfile a is there\nlast 0.2s\n")

"""The documents as programs: their blocks, the files that they write, and what their commands print.

A block's info string says what it is:

    python title=a.py                   the file a.py
    python title=a.py append            more at its end
    python title=a.py replace=f         instead of its function or class f; `replace=C.f` is a method, unindented
    python run                          a test module of its own, run by pytest
    console                             `$ ` and a command, then the lines that it prints, in order

In what a command prints, numbers stand for any number, `...` for anything, and more may be printed in between.
"""

import ast
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import attrs

DOCS = Path(__file__).parents[1] / "docs"
SECONDS_MAX = 120
PLUGINS = ("-p", "no:cacheprovider", "-p", "kelpie_sim.pytest_plugin")
_BLOCK = re.compile(r"^```([^\n`]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(r"[0-9][0-9,.]*")


@attrs.frozen(kw_only=True)
class Block:
    """A fenced block of a document."""

    kind: str
    options: dict[str, str]
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page that say what they are, in order."""
    source = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(source):
        kind, *words = match[1].split()
        options = dict(word.partition("=")[::2] for word in words)
        yield Block(kind=kind, options=options, text=match[2], line=source.count("\n", 0, match.start()) + 1)


def write(block: Block, folder: Path) -> None:
    """Do to a file in the folder what a block says; raise KeyError for a name to replace that is not there."""
    path = folder / block.options["title"]
    if "append" in block.options:
        path.write_text(f"{path.read_text()}\n\n{block.text}")
    elif name := block.options.get("replace"):
        path.write_text(_replaced(path.read_text(), name, block.text))
    else:
        path.write_text(block.text)


def _replaced(source: str, name: str, text: str) -> str:
    node: ast.Module | ast.stmt = ast.parse(source)
    for part in name.split("."):
        node = _children(node)[part]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef), f"{name} is neither of both"
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    lines = source.splitlines(keepends=True)
    return "".join((*lines[: first - 1], textwrap.indent(text, " " * node.col_offset), *lines[node.end_lineno :]))


def _children(node: ast.AST) -> dict[str, ast.stmt]:
    return {
        each.name: each
        for each in ast.iter_child_nodes(node)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def pytest_run(folder: Path, *arguments: str) -> str:
    """Run pytest in a folder, in a process of its own as a reader would, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DST_", "PYTEST_"))}
    # Other people's plugins take longer to load than most examples to run.
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGINS, "--rootdir", str(folder), *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS_MAX,
    )
    return done.stdout


def printed(block: Block, folder: Path) -> str:
    """Run the command of a console block and return what it prints."""
    command, *arguments = shlex.split(block.text.splitlines()[0].removeprefix("$ "))
    assert command == "pytest", f"line {block.line}: {command} is not run here"
    return pytest_run(folder, *arguments)


def follow(page: Path, folder: Path) -> int:
    """Write the files of a page and run its commands, in order, and return how many there were.

    Raise AssertionError for a command that does not print what the page shows.
    """
    commands = 0
    for block in blocks(page):
        if block.kind == "python" and "title" in block.options:
            write(block, folder)
        elif block.kind == "console":
            commands += 1
            found = printed(block, folder)
            missing = missing_line(block.text.partition("\n")[2], found)
            assert missing is None, f"{page.name}:{block.line}: {missing!r} is not printed where it should be:\n{found}"
    return commands


def missing_line(shown: str, found: str) -> str | None:
    """Return the first line that a page shows and that was not printed where it should; None if all were."""
    rest = iter(found.splitlines())
    for line in shown.splitlines():
        if line.strip() != "..." and not any(_pattern(line).fullmatch(_plain(each)) for each in rest):
            return line
    return None


def _pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(_plain(part)) for part in line.split("...")))


def _plain(line: str) -> str:
    return " ".join(_NUMBER.sub("0", line).split())

"""Rules on what files say: docstrings, public signatures, and words that belong to one machine or to nobody.

The patterns are put together from pieces so that this file does not contain what it looks for.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.tidy.tree import PACKAGES, Finding, Function, Tree, decorators, functions, public_functions, python_in
from tests.tidy.waivers import SIGNATURES_OF_OTHERS

# pattern, what is wrong with it; looked for in every text file
BANNED_TEXT = (
    (re.compile("py" + r"pi\.org|python" + r"hosted|registry\." + r"npmjs|deb\." + "debian"), "names a registry host"),
    (re.compile(r"(?<![\w.])/(?:work|farm|root|home|Users)/[\w.]"), "carries a path of one machine"),
    (
        re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"),
        "leaves work behind: do it, or write it down as an issue",
    ),
    (re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE), "holds a merge conflict"),
)
LOCK_TEXT = re.compile(r"://|--(?:index|extra-index|find-links|trusted)|(?:via|-r) +(?:-r +)?/")
# What a coroutine hands to its loop and back is the loop's own business, and no caller sees it.
LOOP_SLOTS = re.compile(r"\bCoroutine\[(?:\w+\.)?Any, (?:\w+\.)?Any, ")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
# Names that git must not hold: their format carries index hosts.
HOST_LOCKS = ("uv.lock", "pylock.toml")


def banned_text(tree: Tree) -> Iterator[Finding]:
    """No file names a package registry's host or a path of one machine, or leaves work behind."""
    for source in tree:
        for pattern, what in BANNED_TEXT:
            for match in pattern.finditer(source.text):
                yield Finding(source.path, source.text.count("\n", 0, match.start()) + 1, f"{what}: {match[0]}")


def locks(tree: Tree) -> Iterator[Finding]:
    """The locks carry names, versions and hashes: no host, no index, no path."""
    for source in tree:
        if source.package == "requirements" and (found := LOCK_TEXT.search(source.text)):
            yield Finding(source.path, source.text.count("\n", 0, found.start()) + 1, f"carries a place: {found[0]}")
        if source.parts[-1] in HOST_LOCKS:
            yield Finding(source.path, 1, "carries index hosts: keep requirements/*.txt instead")


def links(tree: Tree) -> Iterator[Finding]:
    """A link from one document to a file of the repository leads somewhere."""
    known = {str(path) for source in tree for path in (PurePosixPath(source.path), *PurePosixPath(source.path).parents)}
    for source in tree:
        for match in LINK.finditer(source.text) if source.path.endswith(".md") else ():
            if _resolved(source.path, match[1]) not in known:
                line = source.text.count("\n", 0, match.start()) + 1
                yield Finding(source.path, line, f"links to {match[1]}, which is not there")


def _resolved(path: str, link: str) -> str:
    parts: list[str] = list(PurePosixPath(path).parent.parts)
    for part in PurePosixPath(link).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return str(PurePosixPath(*parts))


def module_docstrings(tree: Tree) -> Iterator[Finding]:
    """Every module says at its head what it is and why."""
    for source in python_in(tree):
        if ast.get_docstring(source.tree) is None:
            yield Finding(source.path, 1, "has no docstring that says what it is and why")


def core_docstrings(tree: Tree) -> Iterator[Finding]:
    """Every public function of the core says what goes in, what comes out and what it raises."""
    for source in python_in(tree, "kelpie_core"):
        for function in public_functions(source.tree.body):
            if ast.get_docstring(function) is None and not _is_declared_elsewhere(function):
                yield Finding(source.path, function.lineno, f"{function.name} has no docstring")


def _is_declared_elsewhere(function: Function) -> bool:
    """Say whether a decorator makes the function part of something that is documented already."""
    return any(
        name == "overload" or name.endswith((".setter", ".validator", ".default")) for name in decorators(function)
    )


def signatures(tree: Tree) -> Iterator[Finding]:
    """No public signature says Any: it says object, a Protocol, a type variable or a JSON alias."""
    for source in python_in(tree, *PACKAGES):
        for function in public_functions(source.tree.body) if source.path not in SIGNATURES_OF_OTHERS else ():
            arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            hints = [
                argument.annotation for argument in (*arguments, function.args.vararg, function.args.kwarg) if argument
            ]
            if any(_says_any(hint) for hint in (*hints, function.returns) if hint):
                yield Finding(source.path, function.lineno, f"{function.name} says Any in its signature")


def _says_any(hint: ast.expr) -> bool:
    """Say whether Any is in a hint, written out or within quotes."""
    nodes = list(ast.walk(hint))
    quoted = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    texts = (LOOP_SLOTS.sub("Coroutine[", text) for text in (*quoted, ast.unparse(hint)))
    return any(re.search(r"\bAny\b", text) for text in texts)


def documented_tests(tree: Tree) -> Iterator[Finding]:
    """Every test says the expected behaviour in a sentence."""
    for source in python_in(tree, "tests"):
        for function in functions(source) if source.parts[-1].startswith("test_") else ():
            if function.name.startswith("test_") and ast.get_docstring(function) is None:
                yield Finding(source.path, function.lineno, f"{function.name} does not say what it expects")

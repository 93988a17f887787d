"""Rules on size and shape: short functions, modules of one job, a map in each package, a test module each."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.tidy.tree import PACKAGES, Finding, Function, Source, Tree, functions, is_stub, python_in
from tests.tidy.waivers import LONG_MODULES, WITHOUT_TEST_MODULE

FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 400
WAIVED_MODULE_LINES_MAX = 500
# A ratchet: when a package's median falls below its row for good, lower the row. It never rises.
MEDIAN_FUNCTION_LINES = {"kelpie_core": 6, "kelpie_sim": 6, "kelpie_server": 6}

TEST_FOLDERS = {"kelpie_core": "tests/core", "kelpie_sim": "tests/sim", "kelpie_server": "tests/server"}


def function_length(tree: Tree) -> Iterator[Finding]:
    """No function, test or not, is longer than 60 lines from its signature to its end."""
    for source in python_in(tree):
        for function in functions(source):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield Finding(
                    source.path, function.lineno, f"{function.name} has {lines} lines: {FUNCTION_LINES_MAX} at most"
                )


def function_median(tree: Tree) -> Iterator[Finding]:
    """Half of a package's functions, docstrings not counted, are at most as long as its row says."""
    for package, lines_max in MEDIAN_FUNCTION_LINES.items():
        sizes = [_size(function) for source in python_in(tree, package) for function in functions(source)]
        counted = [size for size in sizes if size]
        if counted and statistics.median(counted) > lines_max:
            found = statistics.median(counted)
            yield Finding(package, 1, f"the median function has {found} lines: {lines_max} at most")


def _size(function: Function) -> int:
    """Return the lines of a function without its docstring; 0 for one that only declares its shape."""
    if is_stub(function):
        return 0
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    return lines - ((first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0)


def module_length(tree: Tree) -> Iterator[Finding]:
    """A module of the packages has at most 400 lines; one of up to 500 owes its reason to the waivers."""
    for source in python_in(tree, *PACKAGES):
        lines = len(source.text.splitlines())
        if lines > (WAIVED_MODULE_LINES_MAX if source.path in LONG_MODULES else MODULE_LINES_MAX):
            yield Finding(
                source.path, 1, f"has {lines} lines: split it by the state it owns, or waive it with a reason"
            )


def mirrored_tests(tree: Tree) -> Iterator[Finding]:
    """Each module has its own test module at the mirrored path: kelpie_core/a/b.py, tests/core/a/test_b.py."""
    paths = {source.path for source in tree}
    for source in python_in(tree, *PACKAGES):
        wanted = mirror_path(source.path)
        if wanted not in paths and source.path not in WITHOUT_TEST_MODULE and not _only_names(source):
            yield Finding(source.path, 1, f"has no test module {wanted}")


def mirror_path(path: str) -> str:
    """Return where the tests of a module lie."""
    folder, *middle, name = PurePosixPath(path).parts
    return "/".join((TEST_FOLDERS[folder], *middle, f"test_{name.removesuffix('.py').strip('_')}.py"))


def _only_names(source: Source) -> bool:
    """Say whether a module only gives names to what lives elsewhere, and so holds nothing to test."""
    naming = (ast.Import, ast.ImportFrom)
    return all(isinstance(node, naming) or _is_docstring(node) or _is_all(node) for node in source.tree.body)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]


def package_map(tree: Tree) -> Iterator[Finding]:
    """Each folder of the packages is a package whose docstring names every module in it, in reading order."""
    members: dict[str, set[str]] = {}
    for source in python_in(tree, *PACKAGES):
        for path in (PurePosixPath(source.path), *PurePosixPath(source.path).parents):
            if len(path.parts) > 1 and path.name != "__init__.py":
                members.setdefault(str(path.parent), set()).add(path.stem)
    texts = {source.path: source for source in tree}
    for folder, names in sorted(members.items()):
        init = f"{folder}/__init__.py"
        words = ast.get_docstring(texts[init].tree) or "" if init in texts else ""
        for name in sorted(name for name in names if name.strip("_") not in words):
            yield Finding(init, 1, f"does not say what {name} is: a line per module, in reading order")


def waivers(tree: Tree) -> Iterator[Finding]:
    """A waiver names a file that still needs it."""
    lines = {source.path: len(source.text.splitlines()) for source in tree}
    for path in LONG_MODULES:
        if lines.get(path, 0) <= MODULE_LINES_MAX:
            yield Finding("tests/tidy/waivers.py", 1, f"{path} is no longer a long module")
    for path in WITHOUT_TEST_MODULE:
        if path not in lines or mirror_path(path) in lines:
            yield Finding("tests/tidy/waivers.py", 1, f"{path} is gone or has its test module")

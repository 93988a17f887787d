"""Rules against hiding: asserts that cannot fail, errors that nobody hears of, code that no test has to reach."""

import ast
import re
from collections.abc import Iterator

from tests.tidy.tree import PACKAGES, Finding, Tree, called_name, python_in

ESCAPE = re.compile("pragma:" + " no (?:cover|branch)")


def weak_asserts(tree: Tree) -> Iterator[Finding]:
    """A test asserts one outcome, and one that can fail to come."""
    for source in python_in(tree, "tests"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Assert) and (what := _weakness(node.test)):
                yield Finding(source.path, node.lineno, f"asserts {what}")


def _weakness(test: ast.expr) -> str:
    """Return why an assertion is weak, or nothing."""
    if isinstance(test, ast.Constant) and test.value:
        return "what cannot fail"
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        return "that one thing or another holds: say which"
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1):
        return ""
    left, operator, right = test.left, test.ops[0], test.comparators[0]
    if isinstance(operator, ast.GtE) and isinstance(right, ast.Constant) and right.value == 0:
        return "a count that is never below zero: say which"
    several = isinstance(right, ast.Tuple | ast.List | ast.Set) and len(right.elts) > 1
    if isinstance(operator, ast.In) and several and re.search(r"status(_code)?$", ast.unparse(left)):
        return "a status that may be several things: say which"
    return ""


def swallowed_errors(tree: Tree) -> Iterator[Finding]:
    """No error disappears: a handler does something, and one for every error keeps it by name or raises on."""
    for source in python_in(tree):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ExceptHandler) and (what := _swallows(node)):
                yield Finding(source.path, node.lineno, what)
            if isinstance(node, ast.Call) and _suppresses_all(node):
                yield Finding(source.path, node.lineno, "suppresses every error: name those that are expected")


def _swallows(handler: ast.ExceptHandler) -> str:
    """Return how a handler lets errors disappear, or nothing."""
    kind = ast.unparse(handler.type) if handler.type else ""
    if all(isinstance(node, ast.Pass | ast.Continue) or _is_ellipsis(node) for node in handler.body):
        return f"swallows {kind or 'every error'}: handle it, or contextlib.suppress what is expected and say why"
    if not kind or (kind == "Exception" and handler.name is None):
        return "catches every error without a name: name those expected, or keep the error and report it"
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    if kind == "BaseException" and handler.name is None and not raises:
        return "catches even cancellation, keeps no name and does not raise on"
    return ""


def _is_ellipsis(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is ...


def _suppresses_all(call: ast.Call) -> bool:
    kinds = {ast.unparse(argument) for argument in call.args}
    return called_name(call) in ("suppress", "contextlib.suppress") and bool(kinds & {"Exception", "BaseException"})


def coverage_escapes(tree: Tree) -> Iterator[Finding]:
    """The packages take no code out of what tests must cover."""
    for source in python_in(tree, *PACKAGES):
        for match in ESCAPE.finditer(source.text):
            line = source.text.count("\n", 0, match.start()) + 1
            yield Finding(source.path, line, f"leaves code uncovered ({match[0]}): test it or take it out")

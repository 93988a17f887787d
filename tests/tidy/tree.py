"""The repository as data for tidy's rules: its files, parsed once, and a few questions about syntax trees.

A rule is a function from a tree to findings. It never touches the disk, so its own test hands it a tree of three lines.
"""

import ast
import functools
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

import attrs

ROOT = Path(__file__).parents[2]
PACKAGES = ("kelpie_core", "kelpie_sim", "kelpie_server")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@attrs.frozen
class Source:
    """A text file of the repository: its path from the root, and what it says."""

    path: str
    text: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders and the name in the path."""
        return PurePosixPath(self.path).parts

    @property
    def package(self) -> str:
        """The first folder: kelpie_core, tests, docs, ..."""
        return self.parts[0]

    @property
    def module(self) -> str:
        """The dotted name under which the file is imported; a package's name for its `__init__`."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def tree(self) -> ast.Module:
        """The syntax tree; a file that does not parse fails the rule that asks."""
        return _parse(self.path, self.text)


@attrs.frozen
class Finding:
    """What breaks a rule, and where."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


Tree = tuple[Source, ...]
Rule = Callable[[Tree], Iterable[Finding]]


@functools.cache
def _parse(path: str, text: str) -> ast.Module:
    return ast.parse(text, filename=path)


def read_tree(root: Path = ROOT) -> Tree:
    """Return the text files that git tracks, or would if asked: what is ignored is nobody's business."""
    names = _listed(root) if (root / ".git").exists() else _walked(root)
    read = ((name, _text(root / name)) for name in sorted(set(names)) if (root / name).is_file())
    return tuple(Source(name, text) for name, text in read if text is not None)


def _listed(root: Path) -> list[str]:
    # The checkout may belong to somebody else than who runs the tests, as in a container; reading it is harmless.
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()


def _walked(root: Path) -> list[str]:
    """Return the names in an unpacked archive, which has no git: all but what lies in hidden folders."""
    paths = (path.relative_to(root) for path in root.rglob("*"))
    return [path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts[:-1])]


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None  # a binary file: no rule here is about those


def python_in(tree: Tree, *packages: str) -> Iterator[Source]:
    """Yield the Python files, of all packages or of those named."""
    return (source for source in tree if source.path.endswith(".py") and (not packages or source.package in packages))


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything imported: `from a import b` is a.b, whether b is a module or a name."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module or '.'}.{alias.name}") for alias in node.names)


def is_under(name: str, roots: Iterable[str]) -> bool:
    """Say whether a dotted name is one of the roots or lies under one."""
    return any(name == root or name.startswith(root + ".") for root in roots)


def functions(source: Source) -> Iterator[Function]:
    """Yield every function and method, nested ones too."""
    return (node for node in ast.walk(source.tree) if isinstance(node, Function))


def public_functions(body: Iterable[ast.stmt]) -> Iterator[Function]:
    """Yield the functions of a module, and the methods of its public classes, whose name has no underscore in front."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body) if isinstance(node, ast.ClassDef) else (node,)


def decorators(function: Function) -> tuple[str, ...]:
    """Return the decorators as source text, without their arguments."""
    return tuple(ast.unparse(node.func if isinstance(node, ast.Call) else node) for node in function.decorator_list)


def is_stub(function: Function) -> bool:
    """Say whether a function only declares its shape, as in a Protocol: nothing in it but a docstring or `...`."""
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in function.body)


def called_name(call: ast.Call) -> str:
    """Return what is called as a dotted name, `datetime.now`; what hangs on an expression keeps only its last part."""
    name, node = "", call.func
    while isinstance(node, ast.Attribute):
        name, node = f".{node.attr}{name}", node.value
    return node.id + name if isinstance(node, ast.Name) else name

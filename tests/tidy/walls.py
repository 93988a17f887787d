"""Rules on what may be imported and called where: imports run one way, and the core is pure.

The laws hold under simulation only if nothing in the core reaches past its ports; each ban names what to use instead.
"""

import ast
import sys
import tomllib
from collections.abc import Iterator

from tests.tidy.tree import PACKAGES, Finding, Tree, called_name, imports, is_under, python_in

# (folder or file, what it may not import, except these files, why)
WALLS = (
    ("kelpie_core/", ("kelpie_sim", "kelpie_server", "tests"), (), "the core knows nobody above it"),
    ("kelpie_server/", ("kelpie_sim", "tests"), (), "production never loads the simulator"),
    ("kelpie_sim/", ("tests",), (), "packages do not know their tests"),
    (
        "kelpie_sim/",
        ("kelpie_core", "kelpie_server"),
        ("kelpie_sim/agents/",),
        "the engine serves any program; only kelpie_sim/agents knows Kelpie",
    ),
    (
        "kelpie_sim/",
        ("kelpie_sim.agents",),
        ("kelpie_sim/agents/", "kelpie_sim/__main__.py", "kelpie_sim/pytest_plugin.py"),
        "the engine does not know the world of agents; its two doors may",
    ),
    ("kelpie_core/", ("asyncio",), ("kelpie_core/service/",), "only kelpie_core/service waits"),
)

# what the core may not import: what to use instead
PURE = {
    **dict.fromkeys(("time", "sched"), "take the time from ports.Clock"),
    **dict.fromkeys(("random", "secrets", "uuid"), "draw bits from ports.Entropy, make ids with ids.py"),
    **dict.fromkeys(("os", "pathlib", "tempfile", "shutil", "glob", "fcntl"), "keep data behind ports.Store"),
    **dict.fromkeys(("sqlite3", "apsw", "asyncpg"), "keep data behind ports.Store"),
    **dict.fromkeys(("socket", "ssl", "select", "selectors", "urllib.request", "http"), "reach out through a port"),
    **dict.fromkeys(("httpx", "requests", "starlette", "uvicorn"), "reach out through a port"),
    **dict.fromkeys(
        ("threading", "multiprocessing", "concurrent", "queue", "signal"), "one task per use case, in service/"
    ),
    **dict.fromkeys(("subprocess", "ctypes"), "run things through ports.ToolRunner"),
    **dict.fromkeys(("logging", "warnings"), "return or raise it; who embeds the core decides what to log"),
    **dict.fromkeys(("importlib", "sys", "gc", "atexit", "platform", "locale"), "take it as a value"),
}

# what the core may not call: what to do instead
BANNED_CALLS = {
    **dict.fromkeys(("open", "print", "input"), "reach the world through a port"),
    **dict.fromkeys(("eval", "exec", "compile", "__import__", "breakpoint"), "run code through ports.ToolRunner"),
    **dict.fromkeys(("hash", "id"), "differs from process to process: compare contents or count"),
    **dict.fromkeys(
        ("datetime.now", "datetime.utcnow", "datetime.today", "date.today"), "take the time from ports.Clock"
    ),
    **dict.fromkeys(
        ("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
        "take the time from ports.Clock",
    ),
    **dict.fromkeys(("asyncio.sleep",), "wait on ports.Clock"),
    **dict.fromkeys(
        ("asyncio.run", "asyncio.new_event_loop", "asyncio.to_thread"), "whoever embeds the core owns the loop"
    ),
}

# distributions whose import name differs from their own
IMPORT_NAMES = {"attrs": ("attrs", "attr"), "python-multipart": ("python_multipart", "multipart")}
# who may import what from which extra of pyproject.toml; whoever asks for a host's part has the host
EXTRAS = {"kelpie_core": (), "kelpie_server": ("server",), "kelpie_sim": ("server", "sim")}
HOSTED = {
    "kelpie_server/spans_otel.py": ("opentelemetry",),
    "kelpie_server/world/language_model/anthropic_sdk.py": ("anthropic",),
    "kelpie_server/world/language_model/openai_sdk.py": ("openai",),
    "kelpie_sim/pytest_plugin.py": ("pytest",),
    "kelpie_sim/agents/scenarios/whole_stack.py": ("httpx", "letta_client"),
    "kelpie_sim/executors.py": ("ray",),
    "kelpie_sim/libraries/threads.py": ("greenlet",),
    "kelpie_sim/properties/concurrent.py": ("hypothesis",),
    "kelpie_sim/properties/drawing.py": ("hypothesis",),
    "kelpie_sim/properties/simulated.py": ("hypothesis",),
    "kelpie_sim/world/http.py": ("httpx", "httpx2"),
}


def import_walls(tree: Tree) -> Iterator[Finding]:
    """Imports run one way: kelpie_server -> kelpie_core <- kelpie_sim."""
    for folder, banned, exempt, why in WALLS:
        for source in python_in(tree):
            if source.path.startswith(folder) and not source.path.startswith(exempt):
                for line, name in imports(source):
                    if is_under(name, banned):
                        yield Finding(source.path, line, f"imports {name}: {why}")


def core_imports(tree: Tree) -> Iterator[Finding]:
    """The core imports nothing that reaches the world."""
    for source in python_in(tree, "kelpie_core"):
        for line, name in imports(source):
            for banned, instead in PURE.items():
                if is_under(name, (banned,)):
                    yield Finding(source.path, line, f"the core imports {name}: {instead}")


def core_calls(tree: Tree) -> Iterator[Finding]:
    """The core calls nothing that reaches the world or differs from process to process, and has no global state."""
    for source in python_in(tree, "kelpie_core"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and called_name(node) in BANNED_CALLS:
                name = called_name(node)
                yield Finding(source.path, node.lineno, f"the core calls {name}: {BANNED_CALLS[name]}")
            if isinstance(node, ast.Global):
                yield Finding(source.path, node.lineno, "the core keeps global state: pass it in")


def core_order(tree: Tree) -> Iterator[Finding]:
    """The core never iterates a set: its order changes with the hash seed."""
    for source in python_in(tree, "kelpie_core"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension) and _is_set(node.iter):
                yield Finding(source.path, node.iter.lineno, "iterates a set: sort it, or keep a dict or a tuple")


def _is_set(node: ast.expr) -> bool:
    made = isinstance(node, ast.Call) and called_name(node) in ("set", "frozenset")
    return made or isinstance(node, ast.Set | ast.SetComp)


def declared_dependencies(tree: Tree) -> Iterator[Finding]:
    """A package imports only what pyproject.toml declares for it, and the core's dependencies are all imported."""
    declared = _declared(tree)
    used: set[str] = set()
    for source in python_in(tree, *PACKAGES):
        allowed = declared["kelpie_core"] | declared[source.package] | set(HOSTED.get(source.path, ()))
        for line, name in imports(source):
            root = name.split(".")[0]
            used |= {root} if source.package == "kelpie_core" else set()
            if root not in allowed and root not in sys.stdlib_module_names and root not in PACKAGES:
                yield Finding(source.path, line, f"imports {root}, which pyproject.toml does not declare for it")
    if any(python_in(tree, "kelpie_core")):
        for name in sorted(declared["kelpie_core"] - used - {"attr"}):
            yield Finding("pyproject.toml", 1, f"declares {name} for the core, which does not import it")


def _declared(tree: Tree) -> dict[str, set[str]]:
    """Return, per package, the names that its declared distributions are imported by."""
    text = next((source.text for source in tree if source.path == "pyproject.toml"), "")
    project = tomllib.loads(text).get("project", {})
    extras = project.get("optional-dependencies", {})
    lists = {package: [extras.get(extra, []) for extra in names] for package, names in EXTRAS.items()}
    lists["kelpie_core"] = [project.get("dependencies", [])]
    return {package: {name for group in groups for name in _import_names(group)} for package, groups in lists.items()}


def _import_names(requirements: list[str]) -> Iterator[str]:
    for requirement in requirements:
        name = requirement.split("[")[0].split("=")[0].split("<")[0].split(">")[0].strip()
        yield from IMPORT_NAMES.get(name, (name.replace("-", "_"),))

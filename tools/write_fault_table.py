"""Write docs/reference/faults.md: every kind of fault, where it acts, its test, and how often it fired.

    python -m tools.write_fault_table [COVERAGE.json ...]

The counts come from the coverage files of campaigns; `make faults` runs those. Without any, those on the page stay. All
else comes from the code, and a test holds the page to it.
"""

import ast
import importlib
import inspect
import json
import pkgutil
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import attrs

import kelpie_sim
from kelpie_sim import nemesis
from kelpie_sim.faults import Fault

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "faults.md"
HEAD = """# Faults

Every kind of fault that the simulator has, by port: what it does, the operations at which it acts, by what other names
people look for it, a test that shows that it bites, and how often it fired in the last campaign. The page is written by
`make faults`; a test holds it to the code, and fails if a kind of the engine's own ports never fired.

How faults are given, filtered and counted: [how to inject faults](../how-to/faults.md).
"""
COLUMNS = "| fault | what it does | acts on | also known as | its test | fired |\n|---|---|---|---|---|---:|\n"
# Those of the engine first: any program has them.
PORTS = {
    "network": "Network",
    "disk": "Disk",
    "host": "Machines and clocks",
    "http": "Gateways and busy services (HTTP)",
    "nemesis": "Nemesis: harm to a cluster, by plan",
    "store": "Store of agents",
    "model": "Language models",
    "tool": "Tools of agents",
}
ENGINE_PORTS = ("network", "disk", "host", "http", "nemesis")
ALIASES = {
    "AgentSandboxLeakOnTerminate": ("SandboxLeakOnTerminate",),
    "AgentSandboxPoolExhausted": ("SandboxPoolExhausted",),
    "ClusterSplitBrain": ("nemesis halves", "nemesis split", "nemesis bridge"),
    "CPUStarvation": ("CpuStarvation",),
    "CrashAfterWrite": ("DiskCrash", "CrashAfterCommit"),
    "CrashBeforeWrite": ("DiskCrash", "CrashBeforeCommit"),
    "CrashDuringTransaction": ("DiskCrash", "CrashBeforeCommit"),
    "CustomToolExecFail": ("ToolFail",),
    "CustomToolExecTimeout": ("ToolTimeout", "SandboxExecTimeout"),
    "CustomToolSandboxAcquireFail": ("SandboxPoolExhausted",),
    "DiskFull": ("DiskSpaceFull",),
    "HttpConnectionFail": ("NetworkConnectFail",),
    "QuorumLoss": ("nemesis quorum loss",),
    "ReplicationLag": ("nemesis clog",),
    "ResourceFdExhaustion": ("DescriptorExhaustion",),
    "StorageCorruption": ("DiskCorruption",),
    "StorageFsyncFail": ("DiskSyncFail",),
    "StorageLatency": ("DiskLatency",),
    "StorageMisdirectedWrite": ("DiskMisdirectedWrite",),
    "StoragePartialWrite": ("DiskTornWrite", "DiskShortWrite"),
    "StorageReadFail": ("DiskReadFail",),
    "StorageUnflushedLoss": ("DiskLostSync", "DiskLostWrite"),
    "StorageWriteFail": ("DiskWriteFail",),
}
# Kinds of ports that are not there yet, by port.
TO_COME = {
    "agents that call each other": (
        "AgentLoopPanic", "AgentCallTimeout", "AgentCallRejected", "AgentNotFound", "AgentBusy",
        "AgentCallNetworkDelay",
    ),
    "servers of tools (MCP)": ("McpServerCrash", "McpServerSlowStart", "McpToolTimeout", "McpToolFail"),
    "sandboxes that outlive a call": (
        "SandboxPauseFail", "SandboxResumeFail", "AgentSandboxPoolCreateFail", "AgentSandboxAffinityViolation",
    ),
    "WebAssembly": ("WasmCompileFail", "WasmInstantiateFail", "WasmExecFail", "WasmExecTimeout", "WasmCacheEvict"),
    "snapshots": ("SnapshotCreateFail", "SnapshotCorruption", "SnapshotRestoreFail", "SnapshotTooLarge"),
    "moving agents": (
        "TeleportUploadFail", "TeleportDownloadFail", "TeleportTimeout", "TeleportArchMismatch",
        "TeleportImageMismatch",
    ),
}  # fmt: skip
NEMESIS_DOES = {
    nemesis.CRASH: "A host loses power, and comes back later.",
    nemesis.RESTART: "A host loses power, and comes back at once.",
    nemesis.PAUSE: "A host stands still for a while.",
    nemesis.ISOLATE: "One host is cut off from all others, both ways or one.",
    nemesis.HALVES: "The hosts are cut into two halves.",
    nemesis.SPLIT: "The hosts are cut into any two parts.",
    nemesis.BRIDGE: "Two halves cannot reach each other, and one host reaches both.",
    nemesis.CLOG: "What passes between two hosts arrives late.",
    nemesis.SWIZZLE: "The hosts are clogged one by one, and freed one by one in another order.",
    nemesis.QUORUM_LOSS: "A majority loses power at one instant, and comes back later.",
    nemesis.REFORMAT: "A host loses its disk, and boots anew at once.",
    nemesis.JUMP: "The wall clock of a host jumps.",
    nemesis.DRIFT: "The wall clock of a host gains or loses for a while.",
}
NEMESIS_TESTS = "tests/sim/test_nemesis.py"
_ACTS = re.compile(r"\s*Acts? on ([^.]*)\.", re.DOTALL)
_COUNT = re.compile(r"^\| `([^`]+)` \|.*\| ([\d,]+) \|$", re.MULTILINE)
_WORDS = re.compile(r"[A-Z][a-z]+")


@attrs.frozen(kw_only=True)
class Row:
    """What the page says of a kind, but for the count."""

    port: str
    kind: str
    does: str
    acts_on: str
    known_as: tuple[str, ...]
    test: str
    """As path::function, or the path alone if a table of that module names the kind; empty if there is none."""

    def line(self, fired: int) -> str:
        """Return the line of the table."""
        path, _, name = self.test.partition("::")
        test = f"[{name or Path(path).name}](../../{path})" if path else "none"
        cells = (f"`{self.kind}`", self.does, self.acts_on, ", ".join(self.known_as), test, f"{fired:,}")
        return f"| {' | '.join(cells)} |\n"


def kinds() -> list[type[Fault]]:
    """Return every kind of fault of the packages, in the order of their definition."""
    for module in pkgutil.walk_packages(kelpie_sim.__path__, "kelpie_sim."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = [kind for kind in _below(Fault) if kind.__module__.startswith("kelpie_sim.") and not kind.__subclasses__()]
    return sorted(found, key=lambda kind: (kind.__module__, inspect.getsourcelines(kind)[1]))


def _below(kind: type[Fault]) -> Iterator[type[Fault]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from _below(sub)


def rows() -> list[Row]:
    """Return all rows of the page, by port."""
    every = kinds()
    tests = tests_of([kind.kind for kind in every])
    found = [_row(kind, tests) for kind in every] + _nemesis_rows()
    order = list(PORTS)
    return sorted(found, key=lambda row: order.index(row.port))


def _row(kind: type[Fault], tests: Mapping[str, str]) -> Row:
    text = " ".join((inspect.getdoc(kind) or "").split())
    acts = _ACTS.search(text)
    return Row(
        port=kind.port,
        kind=kind.kind,
        does=_ACTS.sub("", text, count=1).strip(),
        acts_on=acts[1] if acts else "",
        known_as=_known_as(kind.kind),
        test=tests.get(kind.kind, ""),
    )


def _nemesis_rows() -> list[Row]:
    return [
        Row(
            port="nemesis",
            kind=f"nemesis {kind}",
            does=does,
            acts_on="the plan",
            known_as=_known_as(f"nemesis {kind}"),
            test=NEMESIS_TESTS,
        )
        for kind, does in NEMESIS_DOES.items()
    ]


def _known_as(kind: str) -> tuple[str, ...]:
    return tuple(alias for alias, own in ALIASES.items() if kind in own)


def tests_of(names: Collection[str]) -> dict[str, str]:
    """Return, by kind, the test that makes it and is most about it."""
    found: dict[str, list[tuple[int, str]]] = {name: [] for name in names}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        module = str(path.relative_to(ROOT))
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            is_test = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
            test = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and is_test else ""
            for name in _made_in(node) & found.keys():
                found[name].append((_aptness(name, path.stem, test), f"{module}::{test}" if test else module))
    return {name: max(places, key=lambda place: place[0])[1] for name, places in found.items() if places}


def _aptness(kind: str, module: str, test: str) -> int:
    """Return how much a test is about a kind: a table of bites is the best, then a name that tells."""
    if module == "test_faults_bite":
        return 100
    words = [word.lower() for word in _WORDS.findall(kind)]
    return 10 * sum(word in f"{module} {test}" for word in words) + (5 if test else 0) - 50 * ("refuse" in test)


def _made_in(node: ast.AST) -> set[str]:
    """Return the names that are called, or given by name, somewhere below a node: as kinds are when they are made."""
    uses = (each.func if isinstance(each, ast.Call) else each for each in ast.walk(node))
    return {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in uses}


def page(fired: Mapping[str, int]) -> str:
    """Return the whole page."""
    every = rows()
    parts = [HEAD]
    for port, title in PORTS.items():
        parts.append(f"\n## {title}\n\nPort `{port}`.\n\n{COLUMNS}")
        parts += [row.line(fired.get(row.kind, 0)) for row in every if row.port == port]
    parts.append("\n## Still to come\n\nKinds that come with the ports on which they act:\n\n")
    parts += [f"- {port}: {', '.join(f'`{name}`' for name in names)}\n" for port, names in TO_COME.items()]
    return "".join(parts)


def fired_in(paths: list[Path]) -> dict[str, int]:
    """Return how often each kind fired in the campaigns of these coverage files."""
    fired: dict[str, int] = {}
    for path in paths:
        for kind, report in json.loads(path.read_text(encoding="utf-8"))["faults"].items():
            fired[kind] = fired.get(kind, 0) + report["fired"]
    return fired


def fired_on(text: str) -> dict[str, int]:
    """Return the counts on a page."""
    return {kind: int(count.replace(",", "")) for kind, count in _COUNT.findall(text)}


if __name__ == "__main__":
    files = [Path(name) for name in sys.argv[1:]]
    fired = fired_in(files) if files else fired_on(PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(page(fired), encoding="utf-8")

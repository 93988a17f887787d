"""Taking one guard of the core away: a copy of the packages with a text replaced, run by the simulator."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("ablations.toml")
SEEDS_MAX = 200
COPIED = ("kelpie_core", "kelpie_sim", "kelpie_server")


@attrs.frozen(kw_only=True)
class Edit:
    """A text that occurs exactly once in a file, and what stands in its place."""

    file: str
    find: str
    replace: str


@attrs.frozen(kw_only=True)
class Ablation:
    """A guard taken away, and the scenarios that must find it, each of them."""

    name: str
    scenarios: tuple[str, ...]
    edits: tuple[Edit, ...]


def read_ablations() -> tuple[Ablation, ...]:
    """Return all ablations of the list."""
    rows = tomllib.loads(LIST.read_text())["ablation"]
    return tuple(
        Ablation(name=row["name"], scenarios=tuple(row["scenarios"]), edits=tuple(Edit(**edit) for edit in row["edit"]))
        for row in rows
    )


def copy_packages(target: Path) -> None:
    """Copy all that a simulation needs; what is compiled already comes along, and is valid but for what is edited."""
    for name in COPIED:
        shutil.copytree(ROOT / name, target / name)


def apply(ablation: Ablation, target: Path) -> None:
    """Take the guard away in a copy; fail if the core has changed so that the text is not there once."""
    for edit in ablation.edits:
        path = target / edit.file
        text = path.read_text()
        assert text.count(edit.find) == 1, f"{ablation.name}: {edit.file} holds the text {text.count(edit.find)} times"
        path.write_text(text.replace(edit.find, edit.replace))


def simulate(target: Path, scenario: str, *, seeds: int = SEEDS_MAX) -> "subprocess.CompletedProcess[str]":
    """Run a scenario of the copy until its first finding."""
    command = [sys.executable, "-m", "kelpie_sim", "simulate", "--scenario", scenario]
    options = ["--seeds", str(seeds), "--jobs", "1", "--fail-fast", "--no-shrink"]
    return subprocess.run([*command, *options], cwd=target, capture_output=True, text=True, timeout=1_200)

"""CPU seconds: of processes of their own, interleaved, so that a busy machine is unjust to nobody.

Peers live in environments of their own (tools/make_peers.sh), and whatever is measured against them runs there too: on
the same interpreter, with the same heap around it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

Key = TypeVar("Key")

ROOT = Path(__file__).parents[1]
PEERS = {"3.11": ROOT / ".venv-bench/bin/python", "3.12": ROOT / ".venv-bench-3.12/bin/python"}


def child(python: Path, *arguments: str) -> object:
    """Run `python -m ARGUMENTS` in a fresh process, and return what it printed as JSON.

    Raise CalledProcessError if it fails; what it said is shown.
    """
    done = subprocess.run(
        [python, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def child_s(python: Path, *arguments: str) -> float:
    """Run a process that prints a number, and return it. Raise TypeError if it prints something else."""
    value = child(python, *arguments)
    if not isinstance(value, float | int):
        raise TypeError(f"{arguments}: printed {value!r}, and not a number")
    return float(value)


def medians(subjects: Mapping[Key, Callable[[], float]], repetitions: int) -> dict[Key, float]:
    """Measure all in turn, so many times, and return the median of each."""
    values: dict[Key, list[float]] = {key: [] for key in subjects}
    for _ in range(repetitions):
        for key, measure in subjects.items():
            values[key].append(measure())
    return {key: statistics.median(found) for key, found in values.items()}

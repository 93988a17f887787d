"""The real server under a real load, killed by the system again and again: what is lost, and how soon it is back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figure import Figure
from tests.server.killing import killed_again_and_again

KILLS = 200
START_SECONDS_MAX = 1.0


def figures() -> Iterator[Figure]:
    """Yield what the kills cost."""
    with TemporaryDirectory() as folder:
        found, ledger = killed_again_and_again(Path(folder), KILLS, seed=1)
    lines = [line for lost in found for line in lost.lines]
    yield Figure(
        name=f"lost or stuck after {KILLS} kills",
        value=len(lines),
        unit="things",
        ceiling=0,
        against="; ".join(lines[:3]) or f"{ledger.size:,} were acknowledged",
    )
    slowest_s = max(lost.start_seconds for lost in found)
    yield Figure(name="start to ready after a kill, slowest", value=slowest_s, unit="s", ceiling=START_SECONDS_MAX)

"""How quick the engine is: beside async-solipsism, which explores no orders, and beside simloop and simloom, which do.

Each figure is a ratio of CPU seconds for the same work, measured in fresh processes on one core, in turns; medians.
What each loop runs with is told in loops.py.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from benchmarks.figure import Figure
from benchmarks.loops import ZOO
from benchmarks.timing import PEERS, child, child_s, medians
from benchmarks.workloads import WORKLOADS

REPETITIONS = 5
FLOORS = {"sleeps": 1.5, "yields": 0.8, "ping-pong": 1.5, "timeouts": 1.1, "echo": 0.7, "empty": 1.2, "small": None}
ZOO_SEEDS, ZOO_REPETITIONS = 150, 3
ZOO_FLOORS = {"simloop": 2.5, "simloom": 6.0}
ENDURANCE_SEEDS = 1_000_000
SEEDS_PER_S_FLOOR = 15_000
GROWTH_MB_CEILING = 2.0


def figures() -> Iterator[Figure]:
    """Yield all figures of the engine; those of a Python that this machine lacks are said to be missing."""
    if PEERS["3.11"].exists():
        yield from _against_solipsism()
        yield from _endurance()
    else:
        print("engine: no environment of peers on Python 3.11 (tools/make_peers.sh)", file=sys.stderr)
    if PEERS["3.12"].exists():
        yield from _against_explorers()
    else:
        print("engine: no environment of peers on Python 3.12 (tools/make_peers.sh)", file=sys.stderr)


def _against_solipsism() -> Iterator[Figure]:
    for name, floor in FLOORS.items():
        processes = {
            loop: partial(child_s, PEERS["3.11"], "benchmarks.loops", loop, name)
            for loop in ("kelpie", "async_solipsism")
        }
        seconds, events = medians(processes, REPETITIONS), WORKLOADS[name].events
        ours_s, peer_s = seconds["kelpie"], seconds["async_solipsism"]
        yield Figure(
            name=f"{name}, 3.11",
            value=peer_s / ours_s,
            unit="x",
            floor=floor,
            against=f"async-solipsism {_rate(events, peer_s)}; here {_rate(events, ours_s)}",
        )


def _rate(events: int, seconds: float) -> str:
    return f"{events / seconds:,.0f}/CPU-s"


def _endurance() -> Iterator[Figure]:
    found: Any = child(PEERS["3.11"], "benchmarks.endurance", str(ENDURANCE_SEEDS))
    yield Figure(name="trivial seeds", value=found["seeds_per_s"], unit="/CPU-s", floor=SEEDS_PER_S_FLOOR)
    yield Figure(
        name=f"growth over {ENDURANCE_SEEDS:,} seeds",
        value=found["growth_mb"],
        unit="MB",
        ceiling=GROWTH_MB_CEILING,
        against="itself after a tenth of them",
    )


def _against_explorers() -> Iterator[Figure]:
    seconds = medians(
        {(loop, name): partial(_zoo_s, loop, name) for loop in ("kelpie", *ZOO_FLOORS) for name in ZOO},
        ZOO_REPETITIONS,
    )
    for rival, floor in ZOO_FLOORS.items():
        ratios = {name: seconds[rival, name] / seconds["kelpie", name] for name in ZOO}
        yield Figure(
            name=f"seeds of six programs with bugs, 3.12, {rival}",
            value=math.exp(math.fsum(map(math.log, ratios.values())) / len(ratios)),
            unit="x",
            floor=floor,
            against=_shown(rival, ratios),
        )


def _zoo_s(loop: str, name: str) -> float:
    found: Any = child(PEERS["3.12"], "benchmarks.loops", loop, f"{name}:{ZOO_SEEDS}")
    return float(found[0])


def _shown(rival: str, ratios: Mapping[str, float]) -> str:
    each = ", ".join(f"{name} {ratio:.2g}" for name, ratio in ratios.items())
    return f"{rival}, heap frozen: {each}"

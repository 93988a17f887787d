"""How small the failures of bugs planted in the core get: each ablation's first failing seed, shrunk.

Each ablation is a copy of the packages with one guard taken away, so it is searched and shrunk in a process of its own.
Small means at most three order deviations and two kinds of faults left, within 300 runs. A bug that takes the fourth
failure of a write in a row needs one kind, however often it fires; firings are told beside it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from benchmarks.figure import Figure
from kelpie_sim.campaign import BASE_SEED, SCENARIOS_MODULE, seeds_of
from kelpie_sim.scenario import load_scenarios
from kelpie_sim.shrink.shrinker import RUNS_MAX, shrink
from kelpie_sim.simulation import simulate
from tests.quality.ablation import Ablation, apply, copy_packages, read_ablations

ROOT = Path(__file__).parent.parent
SEEDS = 200
DEVIATIONS_MAX = 3
FAULTS_MAX = 2
SMALL_SHARE = 0.95
SHRINK_SECONDS_MAX = 60.0
PROCESS_SECONDS_MAX = 300


def figures() -> Iterator[Figure]:
    """Yield the share of ablations whose failure gets small, and what it takes."""
    found = [measured for ablation in read_ablations() for measured in _measured(ablation)]
    small = [each for each in found if each["deviations"] <= DEVIATIONS_MAX and each["kinds"] <= FAULTS_MAX]
    yield Figure(
        name=f"ablations with <= {DEVIATIONS_MAX} deviations, <= {FAULTS_MAX} kinds of faults after <= {RUNS_MAX} runs",
        value=len(small) / len(found),
        unit=f"of {len(found)}",
        floor=SMALL_SHARE,
    )
    few = sum(each["faults"] <= FAULTS_MAX for each in found)
    yield Figure(name=f"ablations with <= {FAULTS_MAX} firings of faults", value=few / len(found), unit="")
    yield Figure(name="runs per ablation, mean", value=sum(each["runs"] for each in found) / len(found), unit="runs")
    yield Figure(name="time per ablation, most", value=max(each["seconds"] for each in found), unit="s")


def _measured(ablation: Ablation) -> Iterator[dict[str, float]]:
    """Yield what shrinking its first failure came to; nothing if it is not found."""
    with TemporaryDirectory() as folder:
        copy = Path(folder)
        copy_packages(copy)
        apply(ablation, copy)
        # From within the copy: its packages are found first, and this module in the repository behind them.
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.shrinking_ablations", ablation.scenarios[0]],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{ROOT}"},
            stdout=subprocess.PIPE,
            check=True,
            timeout=PROCESS_SECONDS_MAX,
        )
    yield from json.loads(done.stdout)


def first_failure_shrunk(name: str) -> Iterator[dict[str, float]]:
    """Yield the sizes of a scenario's first failure, shrunk in this process; nothing if none fails."""
    scenario = load_scenarios(SCENARIOS_MODULE)[name]
    for seed in seeds_of(BASE_SEED, scenario.name, SEEDS):
        outcome = simulate(scenario, seed)
        if outcome.failed:
            shrunk = shrink(scenario, outcome, seconds_max=SHRINK_SECONDS_MAX)
            kinds = sum(1 for report in shrunk.outcome.faults if report.fired)
            yield {**attrs.asdict(shrunk.after), "kinds": kinds, "runs": shrunk.runs, "seconds": shrunk.seconds}
            return


if __name__ == "__main__":
    print(json.dumps(list(first_failure_shrunk(sys.argv[1]))))

"""determinism, list, digests: what proves a seed to be a run, and what there is to run."""

import argparse
import sys
from collections.abc import Callable

from kelpie_sim import campaign, determinism
from kelpie_sim.commands.options import Commands, many_options, module_options
from kelpie_sim.outcome import FindingKind
from kelpie_sim.report import console
from kelpie_sim.scenario import load_scenarios, pick_scenarios
from kelpie_sim.simulation import PYTHON

DETERMINISM_SEEDS = 1_000
DETERMINISM_SCENARIO = "mixed"


def add(commands: Commands) -> None:
    """Add the commands to the command line."""
    command = commands.add_parser("determinism", parents=[many_options()], help="prove that a seed is one run")
    command.set_defaults(command=determinism_command)
    command = commands.add_parser("list", parents=[module_options()], help="list the scenarios")
    command.set_defaults(command=list_command)
    # Without help, hence not listed: `determinism` starts it in fresh processes.
    command = commands.add_parser("digests")
    command.set_defaults(command=digests_command)


def determinism_command(options: argparse.Namespace) -> int:
    """Climb the ladder with each scenario and name what diverges."""
    scenarios = load_scenarios(options.scenarios)
    default = (DETERMINISM_SCENARIO,) if DETERMINISM_SCENARIO in scenarios else ()
    seeds_count = options.seeds or DETERMINISM_SEEDS
    seeds_all, diverged = 0, 0
    for scenario in pick_scenarios(scenarios, tuple(options.scenario) or default):
        seeds = campaign.seeds_of(options.base_seed, scenario.name, seeds_count)
        ladder = determinism.climb(
            scenario, options.scenarios, seeds, jobs=options.jobs, progress=_progress_of(scenario.name, seeds_count)
        )
        seeds_all += ladder.seeds
        diverged += ladder.diverged
        for divergence in ladder.divergences:
            print(console.divergence_report(divergence))
    print(f"{PYTHON}: {seeds_all} seeds, {len(determinism.RUNGS)} rungs, {diverged} divergences")
    return FindingKind.NONDETERMINISM.exit_code if diverged else 0


def _progress_of(scenario: str, seeds: int) -> Callable[[int, int], None]:
    def show(done: int, divergences: int) -> None:
        print(f"{scenario}: {done} of {seeds} seeds, {divergences} divergences", file=sys.stderr, flush=True)

    return show


def list_command(options: argparse.Namespace) -> int:
    """Print the scenarios with their number of seeds and what they are about."""
    for scenario in load_scenarios(options.scenarios).values():
        print(f"{scenario.name:<32} {scenario.seeds:>6} seeds  {scenario.doc}".rstrip())
    return 0


def digests_command(options: argparse.Namespace) -> int:
    """Do work for the determinism ladder: work comes in as JSON, the answer goes out as JSON."""
    print(determinism.answer(determinism.Work.from_json(sys.stdin.read())))
    return 0

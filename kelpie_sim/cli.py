"""The command line: simulate, replay, determinism, list.

Exit codes: 0 all well, 1 a correctness finding (or a search that was blind), 2 wrong usage, 3 liveness, 4 crash,
5 non-determinism. The engine knows no program: scenarios come from the module that `--scenarios` names.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kelpie_sim import campaign, corpus, determinism
from kelpie_sim.corpus import NoSeedFile
from kelpie_sim.errors import UnknownOperation
from kelpie_sim.outcome import FindingKind, Outcome
from kelpie_sim.report import console
from kelpie_sim.report.artifacts import FOLDER, write_artifacts
from kelpie_sim.scenario import Scenario, UnknownScenario, load_scenarios, pick_scenarios
from kelpie_sim.simulation import PYTHON, simulate

USAGE_EXIT_CODE = 2
DETERMINISM_SEEDS = 1_000
DETERMINISM_SCENARIO = "mixed"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    # A scenario module may lie beside the caller, as with `python -m`.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return int(options.command(options))
    except (UnknownScenario, UnknownOperation, NoSeedFile) as error:
        print(f"kelpie-sim: {error}", file=sys.stderr)
        return USAGE_EXIT_CODE


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="kelpie-sim", description="Run programs in a seeded, simulated world.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    module = argparse.ArgumentParser(add_help=False)
    module.add_argument("--scenarios", metavar="MODULE", default=campaign.SCENARIOS_MODULE, help="it holds SCENARIOS")
    many = _many_options(module)

    command = commands.add_parser("simulate", parents=[many], help="run scenarios over many seeds")
    command.add_argument("--fail-fast", action="store_true", help="stop at the first finding")
    command.set_defaults(command=simulate_command)
    command = commands.add_parser("replay", parents=[module], help="run one seed of one scenario again")
    _add_replay_options(command)
    command.set_defaults(command=replay_command)
    command = commands.add_parser("determinism", parents=[many], help="prove that a seed is one run")
    command.set_defaults(command=determinism_command)
    command = commands.add_parser("list", parents=[module], help="list the scenarios")
    command.set_defaults(command=list_command)
    # Without help, hence not listed: `determinism` starts it in fresh processes.
    command = commands.add_parser("digests")
    command.set_defaults(command=digests_command)
    return parser


def _many_options(module: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Return the options of commands that run many seeds."""
    many = argparse.ArgumentParser(add_help=False, parents=[module])
    many.add_argument("--scenario", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    many.add_argument("--seeds", type=_positive, metavar="N", help="how many per scenario")
    many.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, metavar="N", help="how many processes")
    many.add_argument("--base-seed", default=campaign.BASE_SEED, metavar="TEXT", help="what the seeds are drawn from")
    return many


def _add_replay_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", nargs="?", metavar="SCENARIO")
    command.add_argument("number", nargs="?", type=int, metavar="SEED")
    command.add_argument("--scenario", metavar="NAME", help="the same, by name")
    command.add_argument("--seed", type=int, metavar="N", help="the same, by name")
    command.add_argument("--file", type=Path, metavar="TOML", help="a seed file instead of scenario and seed")
    command.add_argument("--trace", action="store_true", help="print the whole trace")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def simulate_command(options: argparse.Namespace) -> int:
    """Run a campaign, print its table and the account of each failure."""
    plan = campaign.Plan(
        module=options.scenarios,
        scenarios=tuple(options.scenario),
        seeds=options.seeds,
        base_seed=options.base_seed,
        jobs=options.jobs,
        fail_fast=options.fail_fast,
    )
    with console.showing_progress() as progress:
        result = campaign.run_campaign(plan, progress)
    for found in sorted(result.found, key=console.found_title):
        report_found(found, plan.module)
        print()
    console.show_table(result)
    return result.exit_code


def report_found(found: campaign.Found, module: str) -> None:
    """Run a failing seed again to keep its trace, write its files, and print the account."""
    (scenario,) = pick_scenarios(load_scenarios(module), (found.outcome.scenario,))
    again = simulate(scenario, found.outcome.seed, keep_trace=True)
    artifacts = write_artifacts(again) if again.failed else None
    reproduce = console.make_line(found.outcome)
    print(console.failure_report(found.outcome, reproduce=reproduce, artifacts=artifacts, seeds=found.seeds))
    if again.digest != found.outcome.digest:
        print("the seed was another run in this process: look with `kelpie-sim determinism`")


def replay_command(options: argparse.Namespace) -> int:
    """Run one seed, or one seed file, again and tell what happened."""
    scenarios = load_scenarios(options.scenarios)
    outcome = _replayed(options, scenarios)
    if outcome is None:
        print("kelpie-sim: say which scenario and seed, or which --file", file=sys.stderr)
        return USAGE_EXIT_CODE
    if options.trace:
        print("\n".join(outcome.trace))
    if outcome.finding is None:
        print(f"{outcome.scenario} with seed {outcome.seed} went well: {outcome.steps} steps, digest {outcome.digest}")
        return 0
    artifacts = write_artifacts(outcome, FOLDER)
    print(console.failure_report(outcome, reproduce=console.make_line(outcome), artifacts=artifacts))
    return outcome.finding.kind.exit_code


def _replayed(options: argparse.Namespace, scenarios: dict[str, Scenario]) -> Outcome | None:
    """Return the outcome of what the arguments name, or None if they do not name one run."""
    if options.file is not None:
        return corpus.replay(corpus.load(options.file), scenarios, keep_trace=True)
    name = options.scenario or options.name
    seed = options.number if options.seed is None else options.seed
    if name is None or seed is None:
        return None
    (scenario,) = pick_scenarios(scenarios, (name,))
    return simulate(scenario, seed, keep_trace=True)


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

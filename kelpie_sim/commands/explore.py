"""prove and branch: all orders of a small program, and searches that go on from where something rare was reached."""

import argparse
import sys

from kelpie_sim import branching
from kelpie_sim.branching import NotReached, Recipe, Timeline
from kelpie_sim.commands.options import Commands, Usage, module_options, positive
from kelpie_sim.exhaustive import SCHEDULES_MAX, explore_scenario
from kelpie_sim.report import console
from kelpie_sim.report.artifacts import write_artifacts
from kelpie_sim.scenario import Scenario, load_scenarios, pick_scenarios

PROGRESS_TIMELINES = 500


def add(commands: Commands) -> None:
    """Add the commands to the command line."""
    prove = commands.add_parser("prove", parents=[module_options()], help="try all orders of a small program")
    prove.add_argument("scenario", metavar="SCENARIO")
    prove.add_argument("--seed", type=int, default=0, metavar="N", help="what else is drawn, such as faults (0)")
    prove.add_argument(
        "--schedules", type=positive, default=SCHEDULES_MAX, metavar="N", help=f"at most so many runs ({SCHEDULES_MAX})"
    )
    prove.add_argument(
        "--deviations", type=positive, metavar="N", help="at most so many departures from asyncio's order"
    )
    prove.set_defaults(command=prove_command)
    branch = commands.add_parser(
        "branch", parents=[module_options()], help="search on from the sometimes points of a scenario"
    )
    branch.add_argument("scenario", metavar="SCENARIO")
    branch.add_argument(
        "--timelines", type=positive, default=branching.TIMELINES_MAX, metavar="N", help="at most so many runs"
    )
    branch.add_argument("--first-seed", type=int, default=0, metavar="N", help="the seeds count from here (0)")
    branch.add_argument("--recipe", type=_recipe, metavar="TEXT", help="run this timeline again: '151@point -> 80'")
    branch.set_defaults(command=branch_command)


def _recipe(text: str) -> Recipe:
    try:
        return Recipe.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _scenario(options: argparse.Namespace) -> Scenario:
    (scenario,) = pick_scenarios(load_scenarios(options.scenarios), (options.scenario,))
    return scenario


def prove_command(options: argparse.Namespace) -> int:
    """Try orders until one fails, all are tried, or the budget is spent; exit code 1 without a proof."""
    found, failed = explore_scenario(
        _scenario(options), options.seed, schedules_max=options.schedules, deviations_max=options.deviations
    )
    if failed is not None and failed.finding is not None:
        files = write_artifacts(failed)
        print(console.failure_report(failed, reproduce=f"kelpie-sim replay --file {files.seed}", artifacts=files))
        print(f"found in run {found.schedules}; no run with fewer deviations fails")
        return failed.finding.kind.exit_code
    if found.complete:
        print(
            f"{options.scenario}: right in every order; {found.schedules:,} runs, at most {found.deviations} deviations"
        )
        return 0
    reached = f"{found.schedules:,} runs of up to {found.deviations} deviations"
    print(f"{options.scenario}: no failure in {reached}; other orders are left")
    return 1


def branch_command(options: argparse.Namespace) -> int:
    """Search on from rare points, or run one recipe; tell the first timeline that fails."""
    scenario = _scenario(options)
    if options.recipe is not None:
        try:
            timeline = branching.follow(scenario, options.recipe)
        except NotReached as error:
            raise Usage(str(error)) from error
        return _told(timeline, 1) or _well(options.scenario, 1)
    timelines = branching.search(scenario, timelines_max=options.timelines, first_seed=options.first_seed)
    for number, timeline in enumerate(timelines, 1):
        if code := _told(timeline, number):
            return code
        if number % PROGRESS_TIMELINES == 0:
            print(f"{number} of {options.timelines} timelines", file=sys.stderr, flush=True)
    return _well(options.scenario, options.timelines)


def _told(timeline: Timeline, number: int) -> int:
    """Print the account of a timeline that failed; return its exit code, 0 for one that went well."""
    outcome = timeline.outcome
    if outcome.finding is None:
        return 0
    files = write_artifacts(outcome)
    reproduce = f"kelpie-sim branch {outcome.scenario} --recipe '{timeline.recipe}'"
    print(console.failure_report(outcome, reproduce=reproduce, artifacts=files))
    print(f"found in timeline {number}")
    return outcome.finding.kind.exit_code


def _well(scenario: str, timelines: int) -> int:
    print(f"{scenario}: {timelines:,} timelines went well")
    return 0

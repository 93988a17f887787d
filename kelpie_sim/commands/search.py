"""run and soak: scenarios over many seeds, with progress, a table, and an account of each failure."""

import argparse
from contextlib import ExitStack
from pathlib import Path

from kelpie_sim.campaign import Plan, run_campaign
from kelpie_sim.commands.options import INTERRUPT_EXIT_CODE, Commands, many_options, seconds, strategy
from kelpie_sim.executors import Executor, in_processes, on_ray
from kelpie_sim.journal import Journal
from kelpie_sim.report import console, coverage
from kelpie_sim.report.account import SHRINK_SECONDS_MAX, account
from kelpie_sim.report.artifacts import FOLDER
from kelpie_sim.scenario import load_scenarios, pick_scenarios
from kelpie_sim.strategies import PORTFOLIO
from kelpie_sim.tally import Found


def add(commands: Commands) -> None:
    """Add the commands to the command line."""
    run = commands.add_parser(
        "run", aliases=["simulate"], parents=[_search_options()], help="run scenarios over many seeds"
    )
    run.add_argument("--time", type=seconds, metavar="SPAN", help="begin no further seeds after this: 90, 10m, 8h")
    run.set_defaults(command=search_command, endless=False)
    soak = commands.add_parser(
        "soak", parents=[_search_options()], help="run scenarios over ever new seeds, for a time or until Ctrl-C"
    )
    soak.add_argument("--time", type=seconds, metavar="SPAN", help="how long: 90, 10m, 8h (until Ctrl-C)")
    soak.set_defaults(command=search_command, endless=True, strategy=PORTFOLIO)


def _search_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False, parents=[many_options()])
    options.add_argument(
        "--strategy",
        type=strategy,
        default="",
        metavar="NAME",
        help="search by this (run: the scenario's own; soak: portfolio)",
    )
    options.add_argument("--fail-fast", action="store_true", help="stop at the first finding")
    options.add_argument("--no-shrink", dest="shrink", action="store_false", help="tell failures as they were found")
    options.add_argument("--journal", type=Path, metavar="FILE", help="keep what is done here, and go on from it")
    options.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="run on a Ray cluster; without an address, on one made here",
    )
    options.add_argument(
        "--report", type=Path, metavar="FILE", default=FOLDER / "campaign.json", help="what was covered, as JSON"
    )
    return options


def search_command(options: argparse.Namespace) -> int:
    """Run a campaign, print its table and the account of each failure."""
    plan = Plan(
        module=options.scenarios,
        scenarios=tuple(options.scenario),
        seeds=options.seeds,
        base_seed=options.base_seed,
        jobs=options.jobs,
        fail_fast=options.fail_fast,
        strategy=options.strategy,
        seconds_max=options.time,
        endless=options.endless,
    )
    with ExitStack() as opened:
        journal = opened.enter_context(Journal(options.journal, plan.header)) if options.journal else None
        progress = opened.enter_context(console.showing_progress())
        result = run_campaign(plan, progress, executor=_executor(options), journal=journal)
    for found in sorted(result.found, key=console.found_title):
        report_found(found, plan, shrink=options.shrink)
        print()
    console.show_table(result)
    coverage.write_coverage(result, options.report)
    if result.interrupted:
        print("interrupted: the table is of what was done until then")
    return result.exit_code or (INTERRUPT_EXIT_CODE if result.interrupted and not options.endless else 0)


def _executor(options: argparse.Namespace) -> Executor:
    return in_processes(options.jobs) if options.ray is None else on_ray(options.ray)


def report_found(found: Found, plan: Plan, *, shrink: bool = True) -> None:
    """Run a failing seed again to keep its trace, make it small, write its files, and print the account."""
    (scenario,) = pick_scenarios(load_scenarios(plan.module), (found.outcome.scenario,), strategy=plan.strategy)
    reproduce = console.make_line(found.outcome, strategy=plan.strategy)
    seconds_max = SHRINK_SECONDS_MAX if shrink else 0.0
    print(account(scenario, found.outcome, reproduce=reproduce, seeds=found.seeds, shrink_seconds_max=seconds_max))

"""replay, shrink, explain: one run again, made small, or told with all that helps to understand it."""

import argparse
import sys
from pathlib import Path

from kelpie_sim import corpus
from kelpie_sim.commands.options import Commands, Usage, module_options, positive, seconds, strategy
from kelpie_sim.outcome import Finding, Outcome
from kelpie_sim.report import console
from kelpie_sim.report.account import small_account
from kelpie_sim.report.artifacts import FOLDER, write_artifacts, write_diff, write_timeline
from kelpie_sim.report.diff import RunDiff, diff_text
from kelpie_sim.report.neighbours import passing_neighbour
from kelpie_sim.report.story import print_story, story_of
from kelpie_sim.scenario import Scenario, load_scenarios, pick_scenarios
from kelpie_sim.shrink.shrinker import RUNS_MAX, SECONDS_MAX, shrink
from kelpie_sim.shrink.story import tell
from kelpie_sim.shrink.trials import Progress
from kelpie_sim.simulation import simulate

PROGRESS_RUNS = 50


def add(commands: Commands) -> None:
    """Add the commands to the command line."""
    replay = commands.add_parser("replay", parents=[_run_options()], help="run one seed of one scenario again")
    replay.add_argument("--trace", action="store_true", help="print the whole trace")
    replay.add_argument("--story", action="store_true", help="print what happened, a line each")
    replay.add_argument("--html", type=Path, metavar="PATH", help="write the timeline of the run there")
    replay.add_argument("--diff", type=Path, metavar="PATH", help="set a failure beside the closest run that went well")
    replay.set_defaults(command=replay_command)
    small = [_run_options(), _shrink_options()]
    command = commands.add_parser("shrink", parents=small, help="make a failing run as small as can be")
    command.set_defaults(command=shrink_command)
    command = commands.add_parser("explain", parents=small, help="tell a failing run: small, beside a good one")
    command.set_defaults(command=explain_command)


def _shrink_options() -> argparse.ArgumentParser:
    """Return the options that bound the search for a small run."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--runs", type=positive, default=RUNS_MAX, metavar="N", help=f"at most so many ({RUNS_MAX})")
    options.add_argument(
        "--time", type=seconds, default=SECONDS_MAX, metavar="SPAN", help=f"at most ({SECONDS_MAX:g} s)"
    )
    return options


def _run_options() -> argparse.ArgumentParser:
    """Return the options that name one run."""
    options = argparse.ArgumentParser(add_help=False, parents=[module_options()])
    options.add_argument("name", nargs="?", metavar="SCENARIO")
    options.add_argument("number", nargs="?", type=int, metavar="SEED")
    options.add_argument("--scenario", metavar="NAME", help="the same, by name")
    options.add_argument("--seed", type=int, metavar="N", help="the same, by name")
    options.add_argument("--file", type=Path, metavar="TOML", help="a seed file instead of scenario and seed")
    options.add_argument(
        "--strategy", type=strategy, default="", metavar="NAME", help="the strategy that found it, if not its own"
    )
    return options


def replay_command(options: argparse.Namespace) -> int:
    """Run one seed, or one seed file, again and tell what happened."""
    scenario, outcome = the_run(options)
    if options.trace:
        print("\n".join(outcome.trace))
    if options.story:
        print_story(story_of(outcome))
    if options.html is not None:
        print(f"timeline   {write_timeline(outcome, options.html)}")
    if outcome.finding is None:
        print(f"{outcome.scenario} with seed {outcome.seed} went well: {outcome.steps} steps, digest {outcome.digest}")
        return 0
    artifacts = write_artifacts(outcome, FOLDER)
    reproduce = console.make_line(outcome, strategy=options.strategy)
    print(console.failure_report(outcome, reproduce=reproduce, artifacts=artifacts))
    if options.diff is not None:
        _print_diff(passing_neighbour(scenario, outcome), options.diff)
    return outcome.finding.kind.exit_code


def shrink_command(options: argparse.Namespace) -> int:
    """Make a failing run small, write its files and print its account."""
    _, _, finding = _print_small(options)
    return finding.kind.exit_code


def explain_command(options: argparse.Namespace) -> int:
    """Tell a failing run: its small form and story, then the first record at which it leaves a run that goes well."""
    scenario, (outcome, small), finding = _print_small(options)
    # The small run may have no good neighbour at all: each of its choices is needed.
    diff = passing_neighbour(scenario, small) or passing_neighbour(scenario, outcome)
    _print_diff(diff, FOLDER / f"{outcome.scenario}-{outcome.seed}.diff.html")
    return finding.kind.exit_code


def _print_small(options: argparse.Namespace) -> tuple[Scenario, tuple[Outcome, Outcome], Finding]:
    """Make the run small and print its account; return its scenario, the run and the small one, and what it finds."""
    scenario, outcome = the_run(options)
    if outcome.finding is None:
        raise Usage(f"{outcome.scenario} with seed {outcome.seed} went well: there is nothing to shrink")
    shrunk = shrink(scenario, outcome, runs_max=options.runs, seconds_max=options.time, progress=_show)
    story = tell(scenario, shrunk.outcome)
    reproduce = console.make_line(outcome, strategy=options.strategy)
    print(small_account(shrunk, story, reproduce=reproduce, found=outcome))
    return scenario, (outcome, story.outcome), outcome.finding


def _show(at: Progress) -> None:
    if at.runs % PROGRESS_RUNS == 0:
        size = at.size
        line = (
            f"{at.runs} of {at.runs_max} runs: {size.deviations} deviations, {size.faults} faults, {size.steps} steps"
        )
        print(line, file=sys.stderr, flush=True)


def _print_diff(diff: RunDiff | None, path: Path) -> None:
    if diff is None:
        print("diff       no run that differs in one choice went well")
    else:
        print(f"diff       {write_diff(diff, path)}\n{diff_text(diff)}")


def the_run(options: argparse.Namespace) -> tuple[Scenario, Outcome]:
    """Return the run that the arguments name, its trace kept, with its scenario; raise Usage if they name none."""
    scenarios = load_scenarios(options.scenarios)
    if options.file is not None:
        entry = corpus.load(options.file)
        (scenario,) = pick_scenarios(scenarios, (entry.scenario,))
        return scenario, corpus.replay(entry, scenarios, keep_trace=True)
    name = options.scenario or options.name
    seed = options.number if options.seed is None else options.seed
    if name is None or seed is None:
        raise Usage("say which scenario and seed, or which --file")
    (scenario,) = pick_scenarios(scenarios, (name,), strategy=options.strategy)
    return scenario, simulate(scenario, seed, keep_trace=True)

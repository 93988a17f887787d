"""seeds: what the corpus holds, and whether each entry still passes.

An entry with a fix must pass; one without is a failure that is known and not yet put right.
"""

import argparse
from pathlib import Path

from kelpie_sim import corpus
from kelpie_sim.commands.options import Commands, Usage, module_options
from kelpie_sim.corpus import Entry
from kelpie_sim.scenario import Scenario, load_scenarios


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    command = commands.add_parser("seeds", parents=[module_options()], help="list the failures that are kept")
    command.add_argument("--folder", type=Path, default=corpus.FOLDER, help="where they lie (seeds)")
    command.add_argument("--replay", action="store_true", help="run each again and say how it went")
    command.set_defaults(command=seeds_command)


def seeds_command(options: argparse.Namespace) -> int:
    """List the corpus; with --replay, exit code 1 if an entry that has a fix fails again."""
    if not options.folder.is_dir():
        raise Usage(f"there is no folder {options.folder}")
    scenarios = load_scenarios(options.scenarios) if options.replay else {}
    broken = 0
    for entry in corpus.load_all(options.folder):
        verdict = _verdict(entry, scenarios) if options.replay else ""
        broken += verdict == "FAILS AGAIN"
        print(_line(entry, verdict))
    return int(bool(broken))


def _verdict(entry: Entry, scenarios: dict[str, Scenario]) -> str:
    if entry.scenario not in scenarios:
        return "no such scenario"
    if not corpus.replay(entry, scenarios).failed:
        return "passes"
    return "FAILS AGAIN" if entry.fix else "fails, not fixed yet"


def _line(entry: Entry, verdict: str) -> str:
    head = f"{entry.file_name:<44} seed {entry.seed:<12}"
    lines = (f"{head} {verdict}".rstrip(), f"  found  {entry.finding}", f"  fix    {entry.fix}" if entry.fix else "")
    return "\n".join(line for line in lines if line)

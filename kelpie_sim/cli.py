"""The command line: run, soak, prove, branch, replay, shrink, explain, seeds, check,
determinism, list.

Exit codes: 0 all well, 1 a correctness finding (or a search that was blind), 2 wrong usage, 3 liveness, 4 crash,
5 non-determinism, 130 interrupted. The engine knows no program: scenarios come from the module that `--scenarios`
names.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from kelpie_sim.commands import explore, laws, proofs, search, seeds, single
from kelpie_sim.commands.options import USAGE_EXIT_CODE, Usage
from kelpie_sim.corpus import NoSeedFile
from kelpie_sim.errors import UnknownOperation
from kelpie_sim.executors import NoRay
from kelpie_sim.journal import BadJournal
from kelpie_sim.scenario import UnknownScenario

# What the caller got wrong, told in a line.
_WRONG_USAGE = (UnknownScenario, UnknownOperation, NoSeedFile, NoRay, BadJournal, Usage)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    # A scenario module may lie beside the caller, as with `python -m`.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return int(options.command(options))
    except _WRONG_USAGE as error:
        print(f"kelpie-sim: {error}", file=sys.stderr)
        return USAGE_EXIT_CODE


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="kelpie-sim", description="Run programs in a seeded, simulated world.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for part in (search, explore, single, seeds, laws, proofs):
        part.add(commands)
    return parser

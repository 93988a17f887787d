"""check: hold a recorded history to a law."""

import argparse
from pathlib import Path

from kelpie_sim.check.laws import LAWS, holds, judge
from kelpie_sim.commands.options import Commands, Usage


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    check = commands.add_parser("check", help="hold the history that a failure left behind to a law")
    check.add_argument("file", type=Path, metavar="FILE", help="a history as JSON lines: .kelpie-sim/*.history.jsonl")
    check.add_argument("--law", required=True, choices=LAWS, help="what it is held to")
    check.set_defaults(command=check_command)


def check_command(options: argparse.Namespace) -> int:
    """Say whether the law holds; exit code 1 if it does not, or if nobody could find out."""
    try:
        judgement = judge(options.law, options.file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Usage(str(error)) from error
    holding = holds(judgement)
    print(f"{options.law}: an order of the operations explains every answer" if holding else judgement)
    return int(not holding)

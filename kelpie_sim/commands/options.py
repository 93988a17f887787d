"""Arguments that several commands share."""

import argparse
import os
import re
from collections.abc import Callable
from typing import Any

from kelpie_sim import campaign
from kelpie_sim.strategies import PORTFOLIO, check_name

Command = Callable[[argparse.Namespace], int]
# What argparse keeps to itself; only its method add_parser is used.
Commands = Any

USAGE_EXIT_CODE = 2
INTERRUPT_EXIT_CODE = 130
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Usage(ValueError):
    """The arguments do not say what to do. The message says what is missing."""


def module_options() -> argparse.ArgumentParser:
    """Return the option that says where scenarios are."""
    module = argparse.ArgumentParser(add_help=False)
    module.add_argument("--scenarios", metavar="MODULE", default=campaign.SCENARIOS_MODULE, help="it holds SCENARIOS")
    return module


def many_options() -> argparse.ArgumentParser:
    """Return the options of commands that run many seeds."""
    many = argparse.ArgumentParser(add_help=False, parents=[module_options()])
    many.add_argument("--scenario", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    many.add_argument("--seeds", type=positive, metavar="N", help="how many per scenario")
    many.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, metavar="N", help="how many processes")
    many.add_argument("--base-seed", default=campaign.BASE_SEED, metavar="TEXT", help="what the seeds are drawn from")
    return many


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def strategy(text: str) -> str:
    """Return the name of a strategy that there is; an empty one means the scenario's own."""
    try:
        check_name(text or PORTFOLIO)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def seconds(text: str) -> float:
    """Return a span of time in seconds: 90, 45s, 10m, 8h, 2d."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if match is None or not float(match[1]):
        raise argparse.ArgumentTypeError("a span of time like 90, 45s, 10m, 8h or 2d")
    return float(match[1]) * _SECONDS[match[2]]

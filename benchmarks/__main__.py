"""`make bench`: run the subjects, print each figure with its bound and its peer, and say which bounds do not hold.

A subject is a module of this package with a function `figures()` that yields figures as they are measured.
Exit code 1 when a bound does not hold.
"""

import argparse
import importlib
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from benchmarks.figure import Figure

SUBJECTS = (
    "engine",
    "zoo",
    "shrinking",
    "shrinking_ablations",
    "stack",
    "disk",
    "checkers",
    "ladder",
    "service",
    "kills",
)
TABLE_WIDTH = 160


def main() -> int:
    """Run the subjects named on the command line, or all, and return the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure speed, as ratios within one run.")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}; none means all")
    subjects = parser.parse_args().subjects or SUBJECTS
    if unknown := [subject for subject in subjects if subject not in SUBJECTS]:
        parser.error(f"there is no subject {unknown[0]!r}")
    console = Console(width=None if sys.stdout.isatty() else TABLE_WIDTH)
    failed: list[Figure] = []
    for subject in subjects:
        print(f"{subject}: measuring", file=sys.stderr, flush=True)
        found = list(_figures(subject))
        console.print(_table(subject, found))
        failed += [figure for figure in found if not figure.holds]
    for figure in failed:
        console.print(f"not reached: {figure.name} is {figure.value:g} {figure.unit}, and its bound is {figure.bound}")
    return int(bool(failed))


def _figures(subject: str) -> Iterator[Figure]:
    found: Iterator[Figure] = importlib.import_module(f"benchmarks.{subject}").figures()
    return found


def _table(subject: str, figures: list[Figure]) -> Table:
    table = Table(title=subject, title_justify="left")
    for column, justify in (("figure", "left"), ("value", "right"), ("bound", "right"), ("", "left"), ("peer", "left")):
        table.add_column(column, justify="right" if justify == "right" else "left")
    for figure in figures:
        verdict = "" if not figure.bound else "holds" if figure.holds else "NOT REACHED"
        table.add_row(figure.name, f"{figure.value:,.4g} {figure.unit}", figure.bound, verdict, figure.against)
    return table


if __name__ == "__main__":
    sys.exit(main())

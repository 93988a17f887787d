"""`python -m kelpie_sim`, and the command `kelpie-sim`."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    # Imported late: a spawned worker imports this module too, and has no use for the command line.
    from kelpie_sim.cli import main as run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())

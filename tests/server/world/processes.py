"""The processes that a test has started and not yet reaped. Who runs tools adopts orphans, of other tests too."""

import os
from collections.abc import Collection
from pathlib import Path


def children(others: Collection[int] = ()) -> list[int]:
    """Return the children of this process but for those that were there before."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in found if int(pid) not in others]

"""What the standard library does in the order of addresses, made to follow the order of the program.

Sets of tasks and futures are safe as they are, because those hash by number. `as_completed` also puts bare coroutines
into a set; here they become tasks first, in the order given, each once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

from kelpie_sim.guards.active import current
from kelpie_sim.guards.patches import Patch


def _in_order(awaitables: Any) -> Any:
    """Return tasks and futures, without doubles; what is no iterable of awaitables is left to the original to
    refuse."""
    if current() is None or asyncio.isfuture(awaitables) or asyncio.iscoroutine(awaitables):
        return awaitables
    return [asyncio.ensure_future(awaitable) for awaitable in dict.fromkeys(awaitables)]


def order_patches() -> list[Patch]:
    """Return the patches of asyncio."""
    real = asyncio.as_completed

    def as_completed(fs: Any, *, timeout: float | None = None) -> Any:
        return real(_in_order(fs), timeout=timeout)

    def as_completed_lazily(fs: Any, *, timeout: float | None = None) -> Iterator[Any]:
        # Up to 3.12 the original is a generator: nothing starts before the first result is asked for.
        yield from real(_in_order(fs), timeout=timeout)

    replacement = as_completed if sys.version_info >= (3, 13) else as_completed_lazily
    return [
        Patch(owner=asyncio, name="as_completed", replacement=replacement),
        Patch(owner=asyncio.tasks, name="as_completed", replacement=replacement),
    ]

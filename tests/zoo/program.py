"""What a program of the zoo is, and the two things they all do."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

import attrs

Main = Callable[[], Coroutine[object, object, None]]


@attrs.frozen(kw_only=True)
class Program:
    """A small asyncio program with one bug that only some orders of events show."""

    name: str
    main: Main
    """Raises AssertionError, or never ends, when the bug shows."""
    fixed: Main | None = None
    """The same program with the bug mended."""
    tasks: int
    events: int
    """Scheduling points of all tasks together, roughly: how large the space of orders is."""
    bug: str
    """What is wrong, in one line."""


async def point() -> None:
    """Let anybody else run: what stands before each access to what is shared."""
    await asyncio.sleep(0)


async def together(*parts: Awaitable[object]) -> None:
    """Run all parts to their ends; raise what the first that fails raises."""
    await asyncio.gather(*parts)

"""A world in pieces: it runs when it is told to, guarded, and stands still in between."""

import asyncio
import gc
import time

import pytest

from kelpie_sim.errors import Stalled
from kelpie_sim.properties.pieces import Pieces
from kelpie_sim.shrink.line import Line
from tests.sim.toy import QUIET


@pytest.fixture
def pieces():
    """Return a world in pieces that is ended with the test, whatever came of it."""
    made = Pieces(QUIET, 1, lambda world: Line(world.streams))
    yield made
    made.close(failed=True)


def test_time_stands_still_between_pieces(pieces):
    """Virtual time goes on where it stood; outside, the clocks are the real ones."""

    async def sleep() -> float:
        await asyncio.sleep(5)
        return time.monotonic()

    first, second = (pieces.until(pieces.start(sleep(), f"sleep-{number}")) for number in range(2))
    assert first + 5 == second
    assert 10_000_000_000 == pieces.world.now_ns
    assert second != time.monotonic()


def test_task_runs_on_in_the_next_piece(pieces):
    """What has not ended by the end of a piece goes on in the next one."""
    events: list[str] = []

    async def work(name: str, seconds: float) -> str:
        await asyncio.sleep(seconds)
        events.append(name)
        return name

    long = pieces.start(work("long", 3), "long")
    assert "short" == pieces.until(pieces.start(work("short", 1), "short"))
    assert ["short"] == events
    assert "long" == pieces.until(long)


def test_errors_come_out(pieces):
    """What a task raises is raised, and a stall names who waits."""

    async def fail() -> None:
        raise KeyError("planted")

    with pytest.raises(KeyError, match="planted"):
        pieces.until(pieces.start(fail(), "fail"))
    with pytest.raises(Stalled, match="waiter waits in"):
        pieces.until(pieces.start(asyncio.Event().wait(), "waiter"))


def test_end_tells_what_nobody_saw():
    """An error in a task that nobody awaited is raised at the end."""
    pieces = Pieces(QUIET, 1, lambda world: Line(world.streams))

    async def fail() -> None:
        raise KeyError("unseen")

    pieces.start(fail(), "fail")
    with pytest.raises(KeyError, match="unseen"):
        pieces.close(failed=False)


def test_garbage_waits_for_the_end():
    """No collection comes between the pieces, where it would depend on the heap; it is on again at the end."""
    pieces = Pieces(QUIET, 1, lambda world: Line(world.streams))
    assert False is gc.isenabled()
    pieces.close(failed=False)
    assert gc.isenabled() is True
    gc.disable()
    pieces.close(failed=False)
    assert False is gc.isenabled()
    gc.enable()


def test_what_runs_at_the_end_is_cancelled():
    """Clean-up of what is left runs, as at the end of any run."""
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    pieces = Pieces(QUIET, 1, lambda world: Line(world.streams))
    pieces.start(wait(), "wait")
    pieces.close(failed=False)
    assert ["cleaned up"] == ended

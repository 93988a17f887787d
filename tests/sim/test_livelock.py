"""Programs that run on and on."""

import asyncio

import pytest

from kelpie_sim.errors import StepLimit
from kelpie_sim.livelock import LAST_STEPS, next_look_at
from kelpie_sim.loop import SimLoop
from kelpie_sim.strategies import Fifo
from kelpie_sim.trace import Trace


def stopped(limit, main, keep=False):
    """Run a program that never ends up to a limit of steps, and return the lines of the error."""
    loop = SimLoop(Fifo(), Trace(keep), step_limit=limit)
    with pytest.raises(StepLimit) as caught:
        loop.run_until_complete(main)
    loop.finish()
    return str(caught.value).splitlines()


async def spinning():
    """Never wait, never end."""
    while True:  # noqa: ASYNC110  # It is what the test is about.
        await asyncio.sleep(0)


async def crowd():
    """Two that spin, among many that wait."""
    waiting = [asyncio.create_task(asyncio.sleep(100), name=f"waiting {number}") for number in range(10)]
    spinners = [asyncio.create_task(spinning(), name=f"spinner {number}") for number in range(2)]
    await asyncio.gather(*waiting, *spinners)


@pytest.mark.parametrize("limit", [1_100, 4_096, 5_000, 20_000])
def test_limit_names_who_took_the_last_steps(limit):
    """The error tells how many of the last steps each of the busiest took, and where it waits."""
    first, *busiest = stopped(limit, crowd())
    assert f"the run took more than {limit} steps" == first.partition(",")[0]
    half = f"{LAST_STEPS // 2} of the last {LAST_STEPS}"
    assert [f"  {half}: spinner {number} waits in spinning (test_livelock.py" for number in range(2)] == sorted(
        line.partition(".py:")[0] + ".py" for line in busiest
    )


def test_short_run_counts_all_its_steps():
    """A limit below the number of counted steps counts every step."""
    lines = stopped(10, spinning())
    assert "  10 of the last 10: 1:spinning waits in spinning" == lines[1].partition(" (")[0]


def test_callbacks_are_named_too():
    """A callback that schedules itself for ever is told by its name."""

    async def main():
        loop = asyncio.get_running_loop()

        def again():
            loop.call_soon(again)

        again()
        await asyncio.Event().wait()

    lines = stopped(100, main())
    assert "  99 of the last 100: callback test_callbacks_are_named_too.<locals>.main.<locals>.again" == lines[1]


def test_task_that_has_ended_is_told_so():
    """Who took many of the last steps may be over by now."""

    async def busy():
        for _ in range(80):
            await asyncio.sleep(0)

    async def main():
        await asyncio.create_task(busy(), name="busy")
        await spinning()

    assert "  81 of the last 100: busy has ended" == stopped(100, main())[1]


def test_error_is_the_same_with_a_kept_trace():
    """Keeping the trace does not change what the error says."""
    assert stopped(3_000, crowd()) == stopped(3_000, crowd(), keep=True)


@pytest.mark.parametrize(
    ("steps", "limit", "expected"),
    [(0, 10_000_000, 4_096), (4_096, 10_000_000, 8_192), (0, 4_096 + LAST_STEPS - 1, 4_096), (0, LAST_STEPS, 1)],
)
def test_looks_are_far_apart_until_the_limit_is_near(steps, limit, expected):
    """The next look is some thousand steps away, or where the last steps before the limit begin."""
    assert expected == next_look_at(steps, limit)

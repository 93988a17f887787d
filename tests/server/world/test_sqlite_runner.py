"""The runners: order, groups, errors to the right caller, and the end."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence

import pytest

from kelpie_core.errors import StoreError
from kelpie_server.world.sqlite_runner import InlineRunner, Runner, ThreadRunner

Group = Callable[[Sequence[int]], list[Exception | None]]


def with_runner(make: Callable[[], Runner], body: Callable[[Runner], Awaitable[None]]) -> None:
    """Run a body with a runner that is stopped at the end; an answer that never comes is a failure, not a halt."""

    async def main() -> None:
        runner = make()
        async with asyncio.timeout(10):
            await body(runner)
            await runner.stop(lambda: None)

    asyncio.run(main())


both = pytest.mark.parametrize("make", [ThreadRunner, InlineRunner])


@both
def test_a_call_gives_what_the_job_gives(make: Callable[[], Runner]) -> None:
    """A call returns what its job returns and raises what it raises, and the runner goes on."""

    async def body(runner: Runner) -> None:
        assert await runner.call(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await runner.call(lambda: 1 // 0)
        assert await runner.call(lambda: 8) == 8

    with_runner(make, body)


@both
def test_a_member_hears_its_own_outcome(make: Callable[[], Runner]) -> None:
    """Each member of a group gets the error that the group has for it, and only that."""

    def group(members: Sequence[int]) -> list[Exception | None]:
        return [ValueError(str(member)) if member % 2 else None for member in members]

    async def body(runner: Runner) -> None:
        joined = [runner.join(group, member) for member in range(4)]
        outcomes = await asyncio.gather(*joined, return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["None", "1", "None", "3"]

    with_runner(make, body)


@both
def test_after_the_end_all_is_refused(make: Callable[[], Runner]) -> None:
    """A stopped runner refuses calls and members; stopping it again does nothing."""
    lasts: list[str] = []

    async def body(runner: Runner) -> None:
        await runner.stop(lambda: lasts.append("one"))
        await runner.stop(lambda: lasts.append("two"))
        with pytest.raises(StoreError, match="closed"):
            await runner.call(lambda: 7)
        with pytest.raises(StoreError, match="closed"):
            await runner.join(lambda members: [None], 7)

    with_runner(make, body)
    assert lasts == ["one"]


@both
def test_a_failing_last_job_ends_it_all_the_same(make: Callable[[], Runner]) -> None:
    """What the last job raises comes out of stop, and the runner has ended."""

    async def body(runner: Runner) -> None:
        with pytest.raises(ZeroDivisionError):
            await runner.stop(lambda: [1 // 0].clear())
        with pytest.raises(StoreError, match="closed"):
            await runner.call(lambda: 7)

    with_runner(make, body)


def test_jobs_run_on_one_thread() -> None:
    """All jobs run on the same thread, which is not the caller's and is gone after the end."""
    threads: list[threading.Thread] = []

    async def body(runner: Runner) -> None:
        for _ in range(3):
            threads.append(await runner.call(threading.current_thread))

    with_runner(ThreadRunner, body)
    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()
    assert threads[0].is_alive() is False


def test_what_waits_is_taken_together() -> None:
    """While a job runs, members pile up: they make one group, after the calls that came between them."""
    story: list[object] = []
    gate = threading.Event()

    def group(members: Sequence[int]) -> list[Exception | None]:
        story.append(list(members))
        return [None] * len(members)

    async def body(runner: Runner) -> None:
        first = asyncio.ensure_future(runner.call(gate.wait))
        await asyncio.sleep(0)
        rest = [
            asyncio.ensure_future(job)
            for job in (runner.join(group, 1), runner.call(lambda: story.append("call")), runner.join(group, 2))
        ]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, *rest)

    with_runner(ThreadRunner, body)
    assert story == ["call", [1, 2]]


def test_the_last_job_comes_last() -> None:
    """Stop waits for everything that was asked for before, members of groups included."""
    story: list[object] = []
    gate = threading.Event()

    def group(members: Sequence[int]) -> list[Exception | None]:
        story.extend(members)
        return [None] * len(members)

    async def body(runner: Runner) -> None:
        jobs = [asyncio.ensure_future(runner.call(gate.wait)), asyncio.ensure_future(runner.join(group, 1))]
        stopped = asyncio.ensure_future(runner.stop(lambda: story.append("last")))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(stopped, *jobs)

    with_runner(ThreadRunner, body)
    assert story == [1, "last"]


def test_a_cancelled_caller_stops_nothing() -> None:
    """The job of a caller that was cancelled runs all the same, and those behind it get their answers."""
    story: list[str] = []
    gate = threading.Event()

    async def body(runner: Runner) -> None:
        first = asyncio.ensure_future(runner.call(gate.wait))
        cancelled = asyncio.ensure_future(runner.call(lambda: story.append("cancelled")))
        await asyncio.sleep(0)
        cancelled.cancel()
        gate.set()
        assert await runner.call(lambda: "answer") == "answer"
        await first
        with pytest.raises(asyncio.CancelledError):
            await cancelled

    with_runner(ThreadRunner, body)
    assert story == ["cancelled"]


def test_a_group_that_breaks_reaches_all_its_members() -> None:
    """A group that raises instead of answering fails each of its members, and the thread lives on."""

    def group(members: Sequence[int]) -> list[Exception | None]:
        raise SystemExit("broken")

    async def body(runner: Runner) -> None:
        for _ in range(2):
            with pytest.raises(SystemExit):
                await runner.join(group, 1)
        assert await runner.call(lambda: 7) == 7

    with_runner(ThreadRunner, body)


def test_a_loop_that_is_gone_hurts_nobody() -> None:
    """An answer for a loop that was closed meanwhile is dropped; callers on other loops are served."""
    runner = ThreadRunner()
    gate = threading.Event()

    async def leave() -> None:
        asyncio.ensure_future(runner.call(gate.wait))  # noqa: RUF006 it is to be left behind
        await asyncio.sleep(0)

    async def stay() -> None:
        gate.set()
        async with asyncio.timeout(10):
            assert await runner.call(lambda: 7) == 7
            await runner.stop(lambda: None)

    asyncio.run(leave())
    asyncio.run(stay())

"""Tasks, futures and handles of the simulated loop."""

import asyncio
import contextvars

from kelpie_sim.loop import SimLoop
from kelpie_sim.run import run
from kelpie_sim.seed import Streams
from kelpie_sim.strategies import Fifo
from kelpie_sim.tasks import STEP_TYPE, SimHandle, SimTask, SimTimer, callback_of, hosted_call_soon
from kelpie_sim.trace import Trace
from tests.sim.programs import World, napping


def test_tasks_hash_by_number():
    """Tasks are numbered from 1 by age, and hash by that."""

    async def main():
        tasks = [asyncio.create_task(napping(0)) for _ in range(5)]
        await asyncio.gather(*tasks)
        return [hash(task) for task in tasks]

    assert [2, 3, 4, 5, 6] == World().run(main())


def test_futures_hash_by_number():
    """Futures get their number when they are first hashed, and keep it."""

    async def main():
        futures = [asyncio.get_running_loop().create_future() for _ in range(3)]
        return [hash(future) for future in reversed(futures)], [hash(future) for future in futures]

    assert ([2, 3, 4], [4, 3, 2]) == World().run(main())


def test_tasks_are_named_by_number_and_coroutine():
    """Names do not go on counting from one run to the next; a given name is kept."""

    async def main():
        current = asyncio.current_task()
        assert current is not None
        return current.get_name(), asyncio.create_task(napping(0), name="own").get_name()

    assert [("1:main", "own")] * 2 == [World().run(main()) for _ in range(2)]


def test_tasks_and_handles_are_asyncio_s():
    """What checks for asyncio's own classes finds them."""
    handle = SimHandle(print, (), contextvars.Context())
    timer = SimTimer(1.5, print, (), contextvars.Context())
    assert (True, True, True) == (
        issubclass(SimTask, asyncio.Task), isinstance(handle, asyncio.Handle), isinstance(timer, asyncio.TimerHandle),
    )  # fmt: skip


def test_handle_tells_its_state_without_address():
    """A handle shows what it will call, and whether it was cancelled."""
    handle = SimHandle(print, (), contextvars.Context())
    before = (repr(handle), handle.cancelled())
    handle.cancel()
    assert (("<SimHandle print>", False), ("<SimHandle cancelled>", True)) == (
        before,
        (repr(handle), handle.cancelled()),
    )


def test_timer_tells_its_instant():
    """A timer knows when it is due, before and after it is cancelled."""
    timer = SimTimer(1.5, print, (), contextvars.Context())
    timer.cancel()
    assert (1.5, True, "<SimTimer cancelled>") == (timer.when(), timer.cancelled(), repr(timer))


def test_steps_that_tasks_ask_for_need_no_handle():
    """A task's own step joins the line bare; what a program schedules joins it as a handle that can be cancelled."""
    joined = []

    class Watched(Fifo):
        def __init__(self):
            super().__init__()
            self.add = self._joins

        def _joins(self, ready):
            joined.append((type(ready).__name__, type(callback_of(ready)) is STEP_TYPE))
            self.ready.append(ready)

    async def main():
        handle = asyncio.get_running_loop().call_soon(print)
        await asyncio.sleep(0)
        handle.cancel()
        return handle.cancelled()

    assert run(SimLoop(Watched(), Trace()), Streams(1), main()) is True
    assert [("tuple", True), ("BlankHandle", False), ("tuple", True), ("BlankHandle", False)] == joined


def test_call_soon_of_a_loop_with_hosts_asks_who_may():
    """What is not admitted gets its handle, and never a place in the line; its context is known by then."""
    line, asked = list[object](), list[tuple[object, ...]]()

    def admits(*question):
        asked.append(question)
        return question[1] != ("no",)

    call_soon, context = hosted_call_soon(line.append, admits), contextvars.Context()
    yes = call_soon(print, "yes", context=context)
    no = call_soon(print, "no", context=context)
    assert ([yes], [(print, ("yes",), context), (print, ("no",), context)]) == (line, asked)
    assert (False, print) == (no.cancelled(), callback_of(no))

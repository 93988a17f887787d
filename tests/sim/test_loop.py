"""The event loop on virtual time."""

import asyncio
import contextvars
import math
import sys
from datetime import UTC, datetime

import pytest

from kelpie_sim.errors import Stalled, StepLimit, TimeLimit, Unsupported
from kelpie_sim.loop import SimLoop
from kelpie_sim.run import run
from kelpie_sim.seed import Streams
from kelpie_sim.strategies import Fifo
from kelpie_sim.trace import Trace
from tests.sim.programs import World, napping


def bare_loop(**limits):
    """Return a first-come-first-served loop."""
    return SimLoop(Fifo(), Trace(), **limits)


def completed(loop, main):
    """Run a coroutine without guards, and close the loop."""
    try:
        return loop.run_until_complete(main)
    finally:
        loop.finish()


async def spinning():
    """Never wait, never end."""
    while True:  # noqa: ASYNC110  # It is what the test is about.
        await asyncio.sleep(0)


def test_time_moves_straight_to_the_next_timer():
    """A day of sleep takes four steps and exactly a day."""
    loop = bare_loop()
    completed(loop, asyncio.sleep(86_400))
    assert (86_400 * 10**9, 86_400.0, 4) == (loop.time_ns, loop.time(), loop.steps)


def test_wall_clock_starts_where_it_is_told():
    """The wall clock is the start plus the virtual time."""
    loop = bare_loop(start=datetime(2030, 5, 6, tzinfo=UTC))
    completed(loop, asyncio.sleep(1.5))
    assert round(datetime(2030, 5, 6, tzinfo=UTC).timestamp() * 10**9) + 1_500_000_000 == loop.wall_ns()


def test_fired_timer_finds_its_instant_reached():
    """Whatever the float, a timer that fires sees time() at its instant or later: no timer is ever early."""
    loop, early = bare_loop(), list[object]()

    def fire(when):
        if loop.time() < when:
            early.append(when)

    async def main():
        for number in range(1, 3000):
            loop.call_at(number * 0.1234567891 / 7, fire, number * 0.1234567891 / 7)
            loop.call_later(number * math.pi / 1000, fire, number * math.pi / 1000)
        await asyncio.sleep(100)
        return loop.time()

    assert (100.0, []) == (completed(loop, main()), early)


def test_code_that_checks_its_own_deadline_ends():
    """Arming a timer until the deadline has passed arms it once."""
    loop, armed = bare_loop(), list[object]()

    async def main():
        done = asyncio.Event()
        await asyncio.sleep(0.1)
        deadline = loop.time() + 1 / 3

        def check():
            armed.append(loop.time_ns)
            if loop.time() >= deadline:
                done.set()
            else:
                loop.call_at(deadline, check)

        check()
        await done.wait()

    completed(loop, main())
    assert 2 == len(armed)


def test_timer_of_the_past_or_present_is_ready_at_once():
    """A timer that is due already runs without time moving."""
    loop, ran = bare_loop(), list[object]()

    async def main():
        await asyncio.sleep(1)
        loop.call_at(0.5, ran.append, "past")
        loop.call_later(0, ran.append, "now")
        loop.call_later(-1, ran.append, "before")
        await asyncio.sleep(0)

    completed(loop, main())
    assert (["past", "now", "before"], 10**9) == (ran, loop.time_ns)


def test_timer_at_infinity_never_fires():
    """Waiting for ever is allowed, and counts as waiting for nothing."""
    loop = bare_loop()
    with pytest.raises(Stalled):
        completed(loop, asyncio.sleep(math.inf))
    assert 0 == loop.time_ns


def test_timer_at_no_number_is_refused():
    """There is no instant that is not a number."""
    loop = bare_loop()
    with pytest.raises(ValueError, match="NaN"):
        loop.call_at(math.nan, print)
    loop.finish()


def test_cancelled_timer_moves_no_time():
    """When all that is left are cancelled timers, time stands still."""
    loop = bare_loop()

    async def main():
        loop.call_later(50, print).cancel()
        loop.call_soon(print).cancel()
        await asyncio.sleep(1)

    completed(loop, main())
    assert (10**9, 4) == (loop.time_ns, loop.steps)


def test_stall_names_who_waits_where():
    """Nothing left to run is an error with a line per waiting task."""

    async def inner(queue):
        await queue.get()

    async def main():
        queue: asyncio.Queue[int] = asyncio.Queue()
        task = asyncio.create_task(inner(queue), name="reader")
        await asyncio.sleep(1)
        await task

    with pytest.raises(Stalled) as caught:
        completed(bare_loop(), main())
    assert ["1:main waits in main (test_loop.py:", "reader waits in inner (test_loop.py:"] == [
        line.partition(".py:")[0] + ".py:" for line in caught.value.waiting
    ]


def test_step_limit_ends_a_livelock():
    """A program that never ends is stopped after so many steps exactly."""
    loop = bare_loop(step_limit=1000)
    with pytest.raises(StepLimit, match="more than 1000 steps"):
        completed(loop, spinning())
    assert 1001 == loop.steps


def test_step_limit_lets_a_run_of_that_length_pass():
    """The limit itself is allowed."""
    loop = bare_loop(step_limit=4)
    completed(loop, asyncio.sleep(1))
    assert 4 == loop.steps


def test_time_limit_ends_a_run():
    """Time does not move past the limit."""
    loop = bare_loop(time_limit_ns=10**9)
    with pytest.raises(TimeLimit):
        completed(loop, asyncio.sleep(1.1))
    assert 0 == loop.time_ns


def test_spinning_program_sees_time_pass():
    """Code that polls without waiting meets its timeout in the end, as on a real machine."""
    loop = bare_loop()

    async def main():
        async with asyncio.timeout(0.05):
            await spinning()

    with pytest.raises(TimeoutError):
        completed(loop, main())
    assert 0.05 <= loop.time() < 0.06


def test_exception_nobody_awaits_is_not_lost():
    """Errors of forgotten tasks and of callbacks are reported in a fixed order, once."""

    async def failing(name):
        raise ValueError(name)

    async def main():
        for name in ("one", "two"):
            loop.create_task(failing(name), name=name)
        loop.call_soon(int, "three")
        await asyncio.sleep(1)

    loop = bare_loop()
    completed(loop, main())
    lost = [(one.source, type(one.exception)) for one in loop.lost_exceptions()]
    assert [("callback", ValueError), ("one", ValueError), ("two", ValueError)] == lost


def test_exception_that_was_seen_is_not_reported():
    """Awaited or asked for, an exception is no longer lost."""

    async def main():
        results = await asyncio.gather(asyncio.sleep("x"), return_exceptions=True)  # type: ignore[call-overload]
        return [type(result) for result in results]

    loop = bare_loop()
    assert ([TypeError], ()) == (completed(loop, main()), loop.lost_exceptions())


def test_own_exception_handler_is_asked():
    """A program that sets a handler gets its errors itself."""
    loop, seen = bare_loop(), list[object]()
    loop.set_exception_handler(lambda loop, context: seen.append(str(context["exception"])))

    async def main():
        loop.call_soon(int, "x")
        await asyncio.sleep(0)

    completed(loop, main())
    assert (["invalid literal for int() with base 10: 'x'"], ()) == (seen, loop.lost_exceptions())


def test_unsupported_call_in_a_callback_ends_the_run():
    """What cannot be simulated is never just reported."""
    loop = bare_loop()

    async def main():
        loop.call_soon(loop.add_reader, 0, print)
        await asyncio.sleep(1)

    with pytest.raises(Unsupported, match=r"loop\.add_reader"):
        completed(loop, main())


def test_interrupt_ends_the_run():
    """A keyboard interrupt and a SystemExit outside of a host come through."""

    async def leaving():
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        completed(bare_loop(), leaving())


def test_executor_job_is_one_step():
    """A blocking job runs inline; it sees no running loop, and its result or error comes back."""

    def job(number):
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return 10 // number

    async def main():
        loop = asyncio.get_running_loop()
        cancelled = loop.run_in_executor(None, job, 1)
        cancelled.cancel()
        results = await asyncio.gather(*(loop.run_in_executor(None, job, n) for n in (2, 0)), return_exceptions=True)
        return results[0], type(results[1]), await asyncio.to_thread(job, 5)

    loop = bare_loop()
    assert (5, ZeroDivisionError, 2) == completed(loop, main())


def test_closed_loop_takes_nothing():
    """After the end scheduling is an error, as asyncio has it."""
    loop = bare_loop()
    loop.close()
    for schedule in (loop.call_soon, lambda call: loop.call_later(1, call), lambda call: loop.call_at(1, call)):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            schedule(print)


def test_stop_returns_between_steps():
    """stop() ends run_forever, and the rest waits for the next call."""
    loop, ran = bare_loop(), list[object]()
    loop.call_soon(loop.stop)
    loop.call_soon(ran.append, 1)
    loop.run_forever()
    before = list(ran)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.finish()
    assert ([], [1]) == (before, ran)


def test_stop_with_nothing_to_do_returns():
    """A loop that is stopped before it starts does not stall."""
    loop = bare_loop()
    loop.stop()
    loop.run_forever()
    loop.finish()
    assert 0 == loop.steps


def test_only_the_standard_task_factories_are_taken():
    """A factory of unknown tasks would bring back hashing by address."""
    loop = bare_loop()
    loop.set_task_factory(None)
    with pytest.raises(Unsupported, match=r"loop\.set_task_factory"):
        loop.set_task_factory(lambda loop, coro, context=None: None)
    assert (None, ["loop.set_task_factory"]) == (loop.get_task_factory(), loop.refusals)
    loop.finish()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks_run_at_once():
    """With asyncio.eager_task_factory a task takes its first step when it is made, and hashes by number."""

    async def child(number):
        order.append(number)
        await asyncio.sleep(1)
        return number

    async def main():
        loop.set_task_factory(vars(asyncio)["eager_task_factory"])
        tasks = [asyncio.create_task(child(number)) for number in range(3)]
        order.append("made")
        return [hash(task) for task in tasks], await asyncio.gather(*tasks)

    loop, order = bare_loop(), list[object]()
    assert (([2, 3, 4], [0, 1, 2]), [0, 1, 2, "made"]) == (completed(loop, main()), order)


def test_standard_runner_works():
    """asyncio.Runner accepts the loop as it would any other."""
    with asyncio.Runner(loop_factory=bare_loop) as runner:
        assert 3 == runner.run(napping(3))


def test_dropped_generator_is_closed_by_a_task():
    """An async generator that nobody holds any more is closed by the loop, in its own step."""
    told = list[object]()

    async def counting():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(1)
            told.append(loop.time_ns)

    async def main():
        await anext(counting())
        told.append("dropped")
        await asyncio.sleep(5)

    loop = bare_loop()
    completed(loop, main())
    assert ["dropped", 10**9] == told


def test_error_in_a_closing_generator_is_reported():
    """What a generator raises while the loop closes it is not lost."""

    async def failing():
        try:
            yield 1
        finally:
            raise ValueError("planned")

    async def main():
        generator = failing()
        await anext(generator)
        await loop.shutdown_asyncgens()

    loop = bare_loop()
    completed(loop, main())
    assert [("error while closing an async generator", "planned")] == [
        (lost.message, str(lost.exception)) for lost in loop.lost_exceptions()
    ]


def test_steps_and_births_are_in_the_trace():
    """The kept trace names each task that was born or stepped, and when."""
    streams, trace = Streams(1), Trace(keep=True)
    run(SimLoop(Fifo(), trace), streams, asyncio.sleep(1, "x"))
    assert [
        "0.000000000 task 1: born '1:sleep'",
        "0.000000000 task 1: step",
        "1.000000000 task 0: step",
        "1.000000000 task 1: step",
        "1.000000000 task 0: step",
    ] == trace.lines()[:-1]


def test_records_carry_the_running_task():
    """A record is stamped with the task that made it, and with 0 outside of one."""

    async def main():
        world.trace.record("inside")
        world.loop.call_soon(world.trace.record, "callback")
        await asyncio.sleep(1)

    world = World(keep=True)
    world.run(main())
    lines = [line for line in world.trace.lines() if "inside" in line or "callback" in line]
    assert ["0.000000000 task 1: inside", "0.000000000 task 0: callback"] == lines


def test_context_is_the_callers_unless_given():
    """Callbacks see the context variables of their making, or those of the context they were given."""
    variable = contextvars.ContextVar("variable", default="unset")
    loop, seen = bare_loop(), list[object]()

    async def main():
        variable.set("mine")
        loop.call_soon(lambda: seen.append(variable.get()))
        loop.call_soon(lambda: seen.append(variable.get()), context=contextvars.Context())
        await asyncio.sleep(0)

    completed(loop, main())
    assert ["mine", "unset"] == seen

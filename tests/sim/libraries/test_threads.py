"""Blocking jobs as steps of the loop, with and without calls back into it."""

import asyncio
from functools import partial
from typing import Any

import pytest

from kelpie_sim.errors import Unsupported
from kelpie_sim.libraries import threads
from kelpie_sim.libraries.threads import Job
from tests.sim.programs import World


def test_job_is_one_step():
    """A job that calls nobody runs from beginning to end with no other step in between, and without a running loop."""
    world = World()
    seen: list[object] = []

    async def beside():
        for number in range(5):
            seen.append(number)
            await asyncio.sleep(0)

    def work():
        seen.append("begin")
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        seen.append("end")
        return "done"

    async def main():
        other = asyncio.ensure_future(beside())
        result = await Job(world.loop, work).result
        await other
        return result

    assert "done" == world.run(main())
    assert seen.index("end") == seen.index("begin") + 1


def test_error_of_a_job_is_its_result():
    """What a job raises is raised where it is awaited; a StopIteration, which no coroutine can take, is wrapped."""
    world = World()

    def fail(error):
        raise error

    async def main():
        with pytest.raises(ValueError, match="planned"):
            await Job(world.loop, lambda: fail(ValueError("planned"))).result
        with pytest.raises(RuntimeError, match="StopIteration"):
            await Job(world.loop, lambda: fail(StopIteration())).result

    world.run(main())


def test_job_waits_for_the_loop():
    """Jobs that call back wait while the loop, and other jobs, run on; they end in any order."""
    world, seen = World(), []

    def work(number, seconds):
        job: Any = Job.current
        seen.append(f"begin {number}")
        seen.append(job.wait_for(world.loop.create_task(asyncio.sleep(seconds, f"slept {number}"))))
        assert job is Job.current
        return number

    async def main():
        jobs = [Job(world.loop, partial(work, n, 3 - n)).result for n in range(3)]
        return await asyncio.gather(*jobs), world.loop.time()

    assert ([0, 1, 2], 3.0) == world.run(main())
    assert ["slept 2", "slept 1", "slept 0"] == seen[3:]


def test_job_whose_waiter_is_gone_does_not_run():
    """A job that nobody awaits any more when its turn comes is left out."""
    world, seen = World(), []

    async def main():
        Job(world.loop, lambda: seen.append("ran")).result.cancel()
        await asyncio.sleep(1)

    world.run(main())
    assert [] == seen


def test_crash_ends_a_waiting_job():
    """A job that waits for the loop when its host loses power never goes on."""
    world, seen = World(), []
    host = world.host("server")

    def work():
        job: Any = Job.current
        job.wait_for(world.loop.create_task(asyncio.sleep(1)))
        seen.append("went on")

    async def serve():
        await Job(world.loop, work).result

    async def main():
        host.start(serve)
        await asyncio.sleep(0.5)
        host.crash()
        await asyncio.sleep(5)

    world.run(main())
    assert [] == seen


def test_job_sleeps_in_virtual_time():
    """A job that sleeps lets the others run meanwhile, and knows beforehand that it can."""
    world, seen = World(), []

    def work(number, microseconds):
        job: Any = Job.current
        job.sleep_us(microseconds)
        seen.append((number, job.waits, world.loop.time()))

    async def main():
        await asyncio.gather(*(Job(world.loop, partial(work, n, us)).result for n, us in ((1, 2_500_000), (2, 1_000))))

    world.run(main())
    assert [(2, True, 0.001), (1, True, 2.5)] == seen


def test_without_greenlets_no_job_waits(monkeypatch):
    """Without the package for stacks of their own a job says that it cannot wait."""
    monkeypatch.setattr(threads, "greenlet", None)
    world = World()

    async def main():
        return await Job(world.loop, lambda: Job.current is not None and Job.current.waits).result

    assert False is world.run(main())


def test_without_greenlets_calls_back_are_refused(monkeypatch):
    """Without the package for stacks of their own, jobs run, and a call back into the loop is refused by name."""
    monkeypatch.setattr(threads, "greenlet", None)
    world = World()

    def work():
        job: Any = Job.current
        job.wait_for(world.loop.create_task(asyncio.sleep(1)))

    async def main():
        assert 7 == await Job(world.loop, lambda: 7).result
        with pytest.raises(Unsupported, match="greenlet"):
            await Job(world.loop, work).result

    world.run(main())

"""One run: the ladder of determinism, and what is left when it is over."""

import asyncio
import gc
import json
import os
import pathlib
import subprocess
import sys
import weakref

import pytest

from kelpie_sim.errors import InvariantBroken, NonDeterminism, SimulationError, Stalled
from kelpie_sim.run import run
from kelpie_sim.tape import Tape
from tests.sim.programs import PROGRAMS, World, digests, simulated

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("name", PROGRAMS)
def test_same_seed_in_same_process_runs_alike(name):
    """A second run in the same process sees the same and has the same digest, whatever ran in between."""
    first = simulated(PROGRAMS[name], 7)
    simulated(PROGRAMS[name], 8)
    assert simulated(PROGRAMS[name], 7) == first


@pytest.mark.parametrize("name", PROGRAMS)
def test_shaken_heap_changes_nothing(name):
    """Objects at other addresses do not change the run."""
    assert digests(7, jitter=3)[name] == digests(7)[name]


def test_fresh_processes_run_alike():
    """Other processes, with other hash seeds and another heap, see the same and have the same digests."""
    children = [_child(7, jitter, hash_seed) for hash_seed, jitter in (("0", 0), ("77", 5), ("random", 11))]
    outputs = [json.loads(child.communicate()[0]) for child in children]
    assert [digests(7)] * 3 == outputs


def _child(seed: int, jitter: int, hash_seed: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sim.programs", str(seed), str(jitter)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_seeds_differ(name):
    """Ten seeds give ten different runs."""
    assert len({simulated(PROGRAMS[name], seed)[1] for seed in range(10)}) == 10


@pytest.mark.parametrize("name", PROGRAMS)
def test_kept_trace_has_the_same_digest(name):
    """Keeping the lines of a trace does not change its digest."""
    assert simulated(PROGRAMS[name], 7, keep=True) == simulated(PROGRAMS[name], 7)


@pytest.mark.parametrize("name", PROGRAMS)
def test_tape_alone_replays_the_run(name):
    """The tape of a run gives the same run under any seed."""
    world = World(7)
    result = world.run(PROGRAMS[name]())
    replayed = simulated(PROGRAMS[name], 999, tape=Tape.replaying(world.streams.tape.to_json()))
    assert replayed == (result, world.trace.digest())


def test_tape_of_another_program_is_noticed():
    """A tape that does not fit the program raises NonDeterminism."""
    world = World(7)
    world.run(PROGRAMS["waits"]())
    with pytest.raises(NonDeterminism, match="stream 'schedule', choice"):
        simulated(PROGRAMS["cancelled_group"], 7, tape=Tape.replaying(world.streams.tape))


def test_empty_tape_replays_in_order():
    """A replay of nothing takes choice 0 throughout, and ends."""
    assert (
        simulated(PROGRAMS["jobs"], tape=Tape.replaying(Tape()))[0]
        == simulated(PROGRAMS["jobs"], 5, tape=Tape.replaying(Tape()))[0]
    )


def test_tasks_that_are_left_are_cancelled():
    """When main returns, the tasks that still run are cancelled and may clean up, as under asyncio.run."""
    told = list[object]()

    async def worker():
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1)
            told.append("cleaned up")

    async def main():
        task = asyncio.create_task(worker())
        await asyncio.sleep(1)
        return task

    task = World().run(main())
    assert (["cleaned up"], True) == (told, task.cancelled())


def test_error_while_shutting_down_is_not_lost():
    """An exception raised in answer to the final cancellation is reported."""

    async def worker():
        try:
            await asyncio.sleep(1000)
        finally:
            raise ValueError("planned")

    async def main():
        world.loop.create_task(worker(), name="worker")
        await asyncio.sleep(1)

    world = World()
    world.run(main())
    assert [("worker", "error while shutting down")] == [
        (lost.source, lost.message) for lost in world.loop.lost_exceptions()
    ]


def test_failed_run_runs_no_code_afterwards():
    """When the run fails, what waits is closed before the guards go, and nothing of it reaches the trace."""
    seen = list[object]()

    async def waiting():
        try:
            await asyncio.Event().wait()
        finally:
            world.trace.record("too late")
            seen.append("closed")

    async def main():
        task = asyncio.create_task(waiting())
        await task

    world = World()
    with pytest.raises(Stalled):
        world.run(main())
    digest = world.trace.digest()
    gc.collect()
    assert (["closed"], 1, digest) == (seen, world.trace.count, world.trace.digest())


def test_hook_ends_the_run():
    """An invariant that breaks after a step ends the run with its own error."""

    def hook():
        if world.loop.time_ns >= 2_000_000_000:
            raise InvariantBroken("two seconds")

    async def main():
        for _ in range(5):
            await asyncio.sleep(1)

    world = World()
    world.loop.after_step.append(hook)
    with pytest.raises(InvariantBroken, match="two seconds"):
        world.run(main())
    assert 2_000_000_000 == world.loop.time_ns


def test_runs_do_not_nest():
    """A run inside a run is refused, and the outer one goes on."""

    async def inner():
        return 1

    async def main():
        other = World()
        with pytest.raises(SimulationError, match="do not nest"):
            run(other.loop, other.streams, inner())
        other.loop.close()
        return "went on"

    assert "went on" == World().run(main())


def test_kept_trace_does_not_keep_the_loop():
    """When a run is over, its loop goes without a garbage collection, even if the trace stays."""

    def trace_and_loop():
        world = World()
        world.run(PROGRAMS["waits"]())
        return world.trace, weakref.ref(world.loop)

    gc.disable()
    trace, loop = trace_and_loop()
    gc.enable()
    assert (None, 32) == (loop(), len(trace.digest()))


def test_many_runs_leave_nothing_behind():
    """The objects of a run go when they are collected: ten runs more keep no more than a few."""
    for name in PROGRAMS:
        simulated(PROGRAMS[name])
    gc.collect()
    before = len(gc.get_objects())
    for seed in range(10):
        for name in PROGRAMS:
            simulated(PROGRAMS[name], seed)
    gc.collect()
    assert len(gc.get_objects()) - before < 200


async def failing():
    """Fail after a while, in a task that others wait for."""

    async def part():
        await asyncio.sleep(1)
        raise AssertionError("planned")

    await asyncio.gather(part(), part(), return_exceptions=False)


def test_failed_run_is_gone_with_its_error():
    """An error holds its frames; once it is let go of, the run goes without any garbage collection."""
    world = World()
    gc.disable()
    try:
        with pytest.raises(AssertionError) as caught:
            world.run(failing())
        loop = weakref.ref(world.loop)
        del world, caught
        assert loop() is None
    finally:
        gc.enable()


def test_error_that_ends_the_loop_is_no_reason_to_complain_of_the_task(monkeypatch):
    """When a hook ends the run in the program's last step, the program's own error counts as seen."""

    async def main():
        raise ValueError("planned")

    def hook():
        raise InvariantBroken("planned")

    world, complaints = World(), list[object]()
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    world.loop.after_step.append(hook)
    with pytest.raises(InvariantBroken):
        world.run(main())
    assert ([], ()) == (complaints, world.loop.lost_exceptions())

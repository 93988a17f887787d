"""The loops that are measured, and the process that measures one: `python -m benchmarks.loops LOOP SUBJECT`.

Each is imported only when it is asked for: a peer shall not pay for what we load.

Kelpie runs as it does in a campaign: seeded choice among the ready, tape and trace, all guards (in place for the
batch), and the digest at the end. async-solipsism, which knows one order only, runs by asyncio.Runner, which does for
it what `kelpie_sim.run` does for us: it cancels what is left, closes async generators and the loop. simloop and simloom
run one seed by their own functions for that; both collect garbage in each run, so the heap is frozen first, for all.

The subject is a workload, for which the CPU seconds are printed; or PROGRAM:SEEDS, a program of tests/zoo, for which
the CPU seconds of so many seeds are printed, and how many showed the bug.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.workloads import WORKLOADS, Main, echo, measured_s

Runner = Callable[[Main, int], object]

# Those of shared/engine.md: two sorts of race, two that a random walk cannot find, many tasks, a deadlock.
DEADLOCKS = ("Stalled", "SimulationDeadlockError", "SimDeadlockError")
ZOO = ("lost_update", "rare_overlap", "starvation", "uneven_lengths", "narrow_window_20", "deadlock01")


def kelpie(stack: ExitStack) -> Runner:
    """Return what runs a program in our world with a seed."""
    from kelpie_sim.guards import batch
    from kelpie_sim.loop import SimLoop
    from kelpie_sim.run import run
    from kelpie_sim.seed import Streams
    from kelpie_sim.strategies.line import SCHEDULE_STREAM, RandomPick
    from kelpie_sim.trace import Trace
    from kelpie_sim.world.network import Network

    stack.enter_context(batch())

    def runner(main: Main, seed: int) -> object:
        streams, trace = Streams(seed), Trace()
        loop = SimLoop(RandomPick(streams.stream(SCHEDULE_STREAM)), trace)
        if main is echo:
            Network(loop, streams)
        try:
            return run(loop, streams, main())
        finally:
            trace.digest()

    return runner


def async_solipsism(stack: ExitStack) -> Runner:
    """Return what runs a program on async-solipsism; the seed is of no use to it."""
    new_loop = importlib.import_module("async_solipsism").EventLoop

    def runner(main: Main, seed: int) -> object:
        with asyncio.Runner(loop_factory=new_loop) as asyncio_runner:
            return asyncio_runner.run(main())

    return runner


def simloop(stack: ExitStack) -> Runner:
    """Return what runs a program on simloop; a failure of the program is raised."""
    explore = importlib.import_module("simloop").explore

    def runner(main: Main, seed: int) -> None:
        report = explore(main, (seed,))
        if report is not None:
            raise AssertionError(report.seed)

    return runner


def simloom(stack: ExitStack) -> Runner:
    """Return what runs a program on simloom; a failure of the program is raised."""
    run = importlib.import_module("simloom").run
    return lambda main, seed: run(main, seed=seed)


LOOPS: dict[str, Callable[[ExitStack], Runner]] = {
    "kelpie": kelpie,
    "async_solipsism": async_solipsism,
    "simloop": simloop,
    "simloom": simloom,
}


def searched(runner: Runner, name: str, seeds: int) -> tuple[float, int]:
    """Return the CPU seconds of so many seeds of a program, and how many showed the bug."""
    main = {program.name: program.main for program in importlib.import_module("tests.zoo").PROGRAMS}[name]
    for seed in range(10):
        _shows_bug(runner, main, seed)
    start_s = time.process_time()
    found = sum(_shows_bug(runner, main, seed) for seed in range(seeds))
    return time.process_time() - start_s, found


def _shows_bug(runner: Runner, main: Main, seed: int) -> bool:
    try:
        runner(main, seed)
    except Exception as error:
        # Each has an error of its own for a deadlock.
        if isinstance(error, AssertionError) or type(error).__name__ in DEADLOCKS:
            return True
        raise
    return False


def pin_to_last_core() -> None:
    """Keep this process on one core, where the system allows it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


if __name__ == "__main__":
    pin_to_last_core()
    logging.disable(logging.CRITICAL)
    loop, subject = sys.argv[1:]
    with ExitStack() as stack:
        runner = LOOPS[loop](stack)
        gc.collect()
        gc.freeze()
        name, _, seeds = subject.partition(":")
        found = searched(runner, name, int(seeds)) if seeds else measured_s(runner, WORKLOADS[name])
        print(json.dumps(found))

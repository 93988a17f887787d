"""Where the batches of a campaign run: here, in processes of this machine, or on a Ray cluster.

An executor takes batches as it has room for them, so a campaign without end is possible, and gives each back with its
row in whatever order they come. Closing the iterator drops what has not begun.
"""

import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import TYPE_CHECKING

from kelpie_sim.batch import Batch, run_batch
from kelpie_sim.tally import Row

if TYPE_CHECKING:
    from ray import ObjectRef

Results = Generator[tuple[Batch, Row], None, None]
Executor = Callable[[Iterator[Batch]], Results]

# Batches under way per process: one runs, one waits, so that none idles.
AHEAD = 2


class NoRay(ValueError):
    """Ray was asked for and is not installed."""


def in_process(batches: Iterator[Batch]) -> Results:
    """Run one batch after the other in this process."""
    for batch in batches:
        yield batch, run_batch(batch)


def in_processes(jobs: int) -> Executor:
    """Return what runs batches in so many processes of this machine; one needs none but this."""
    return in_process if jobs == 1 else _Pool(jobs).run


class _Pool:
    def __init__(self, jobs: int) -> None:
        self._jobs = jobs

    def run(self, batches: Iterator[Batch]) -> Results:
        # Spawned, not forked: a worker starts clean, and the pool's own threads are not copied in mid-air.
        context = get_context("spawn")
        with ProcessPoolExecutor(self._jobs, mp_context=context, initializer=_leave_interrupts) as pool:
            try:
                yield from self._flow(pool, batches)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _flow(self, pool: ProcessPoolExecutor, batches: Iterator[Batch]) -> Results:
        under_way: dict[Future[Row], Batch] = {}
        while True:
            while len(under_way) < AHEAD * self._jobs and (batch := next(batches, None)) is not None:
                under_way[pool.submit(run_batch, batch)] = batch
            if not under_way:
                return
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in [future for future in under_way if future in done]:
                yield under_way.pop(future), future.result()


def _leave_interrupts() -> None:
    """Let Ctrl-C reach only the campaign, which then ends its processes in good order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def on_ray(address: str = "") -> Executor:
    """Return what runs batches on the Ray cluster at an address, or on one that it starts here if there is none.

    The machines need this package and the scenarios' module on the caller's paths. Raise NoRay without the extra.
    """
    try:
        import ray
    except ImportError as error:
        raise NoRay("a campaign on Ray needs the extra kelpie[ray]") from error

    def run(batches: Iterator[Batch]) -> Results:
        paths = os.pathsep.join(path for path in sys.path if path)
        ray.init(
            address=address or None,
            runtime_env={"env_vars": {"PYTHONPATH": paths}},
            include_dashboard=False,
            log_to_driver=False,
            ignore_reinit_error=True,
        )
        try:
            yield from _flow_on_ray(batches)
        finally:
            ray.shutdown()

    return run


def _flow_on_ray(batches: Iterator[Batch]) -> Results:
    import ray

    work = ray.remote(run_batch)
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    room = AHEAD * max(1, int(resources.get("CPU", 1)))
    under_way: dict[ObjectRef[Row], Batch] = {}
    while True:
        while len(under_way) < room and (batch := next(batches, None)) is not None:
            under_way[work.remote(batch)] = batch
        if not under_way:
            return
        (done, *_), _ = ray.wait(list(under_way), num_returns=1)
        yield under_way.pop(done), ray.get(done)

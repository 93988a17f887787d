"""The same batches, here, in processes, and on a real Ray."""

import itertools
import sys
from collections.abc import Iterator

import attrs
import pytest

from kelpie_sim.batch import Batch
from kelpie_sim.campaign import seeds_of
from kelpie_sim.executors import Executor, NoRay, in_process, in_processes, on_ray
from kelpie_sim.tally import Row

FIRST = 4


def batches(count: int) -> Iterator[Batch]:
    seeds = seeds_of("kelpie", "count-unlocked", 3 * count)
    for number in range(count):
        own = seeds[3 * number : 3 * number + 3]
        yield Batch(module="tests.sim.toy_failing", scenario="count-unlocked", seeds=own, first=3 * number)


def rows(executor: Executor, count: int) -> list[tuple[int, Row]]:
    """Return what comes back, in the order of the batches."""
    results = executor(batches(count))
    return sorted(((batch.first, attrs.evolve(row, seconds=0)) for batch, row in results), key=lambda pair: pair[0])


def test_one_process_is_this_one():
    """A single job needs no other process."""
    assert in_processes(1) is in_process


def test_processes_give_what_one_gives():
    """Batches run in two processes give the rows that they give here."""
    assert rows(in_processes(2), 6) == rows(in_process, 6)


@pytest.mark.parametrize("executor", [in_process, in_processes(2)])
def test_batches_are_taken_as_there_is_room(executor):
    """Of a source without end only as many are taken as are under way when the caller stops."""
    taken = itertools.count()

    def source() -> Iterator[Batch]:
        for batch in itertools.cycle(batches(2)):
            next(taken)
            yield batch

    results = executor(source())
    for _ in range(FIRST):
        next(results)
    results.close()
    assert next(taken) <= FIRST + 4


def test_ray_gives_what_one_process_gives():
    """Batches run on a Ray cluster, started here, give the rows that they give here."""
    pytest.importorskip("ray")
    assert rows(on_ray(), 4) == rows(in_process, 4)


def test_want_of_ray_is_told(monkeypatch):
    """Without the extra the error names it."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(NoRay, match=r"kelpie\[ray\]"):
        on_ray()

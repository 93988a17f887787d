"""The determinism ladder."""

from contextlib import contextmanager

import attrs
import pytest

from kelpie_sim import determinism
from kelpie_sim.determinism import RUNGS, Divergence, Rung, Work, answer, climb, digests_of, padded_heap
from kelpie_sim.errors import SimulationError
from kelpie_sim.simulation import simulate
from tests.sim import toy


def test_ladder_has_all_its_rungs():
    """Same process, fresh process, three hash seeds, padded heap."""
    assert [rung.name for rung in RUNGS] == ["again", "fresh", "hash 1", "hash 22", "hash 4444", "padded heap"]


def test_programs_that_use_sets_of_tasks_do_not_diverge():
    """TaskGroup, wait, as_completed and faults give the same digests on every rung."""
    ladder = climb(toy.SETS, "tests.sim.toy", range(5), jobs=2)
    assert (ladder.seeds, ladder.divergences) == (5, ())


def test_order_of_a_set_of_texts_is_caught_and_named():
    """A program that iterates a set of texts diverges under another hash seed, at the record that tells."""
    ladder = climb(toy.LEAKING, "tests.sim.toy_failing", (7,), jobs=2)
    by_hash = [each for each in ladder.divergences if each.rung.startswith("hash")]
    assert by_hash
    for divergence in by_hash:
        assert (divergence.scenario, divergence.seed) == ("leaking", 7)
        assert "seen" in divergence.here
        assert "seen" in divergence.there
        assert divergence.here != divergence.there


def test_order_of_addresses_is_caught():
    """A program that iterates a set of objects diverges when the heap is another one."""
    ladder = climb(toy.LEAKING_ADDRESSES, "tests.sim.toy_failing", range(5), jobs=2)
    assert "padded heap" in {each.rung for each in ladder.divergences}


def test_progress_and_batches():
    """Progress is told per batch of seeds."""
    seen: list[tuple[int, int]] = []
    climb(toy.QUIET, "tests.sim.toy_quiet", range(1), progress=lambda done, found: seen.append((done, found)))
    assert seen == [(1, 0)]


def test_failing_process_is_told():
    """A fresh process that cannot do the work is an error with its own words."""
    with pytest.raises(SimulationError, match=r"the process of rung 'fresh' failed:(.|\n)*no_such_module"):
        climb(toy.QUIET, "no_such_module", (1,))


def test_work_travels_as_text():
    """Work is equal after its trip to another process."""
    work = Work(module="m", scenario="s", seeds=(1, 2), padded=True, keep_trace=True)
    assert Work.from_json(work.to_json()) == work


def test_answer_has_the_digests():
    """The process answers with a digest per seed."""
    first, second = digests_of(toy.MAIL, (1, 2))
    assert answer(Work(module="tests.sim.toy", scenario="mail", seeds=(1, 2))) == f'["{first}", "{second}"]'


def test_heap_is_padded_for_each_seed_when_asked(monkeypatch):
    """Only padded work fills the heap, anew for each seed."""
    padded: list[int] = []

    @contextmanager
    def counting():
        padded.append(1)
        yield

    monkeypatch.setattr(determinism, "padded_heap", counting)
    work = Work(module="tests.sim.toy", scenario="mail", seeds=(1, 2))
    assert answer(work) == answer(attrs.evolve(work, padded=True))
    assert padded == [1, 1]


def test_prints_of_the_program_stay_out_of_the_answer(capsys):
    """What a program prints goes to stderr, for stdout is the answer's."""
    answer(Work(module="tests.sim.toy_quiet", scenario="chatty", seeds=(1,)))
    out, err = capsys.readouterr()
    assert (out, err) == ("", "hello\n")


def test_answer_has_the_trace_if_asked():
    """With the trace kept the answer is its lines."""
    work = Work(module="tests.sim.toy", scenario="count-once", seeds=(1,), keep_trace=True)
    assert answer(work).count('", "') + 1 == len(simulate(toy.COUNT_ONCE, 1, keep_trace=True).trace)


def test_padding_is_gone_afterwards():
    """The holes are there while a seed runs only."""
    with padded_heap() as padding:
        assert padding is None


def test_divergence_without_a_record():
    """A divergence may vanish once traces are kept."""
    assert Divergence(scenario="s", seed=1, rung=Rung("again").name, index=None).here == ""

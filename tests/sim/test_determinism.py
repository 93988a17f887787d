"""The determinism ladder."""

import json

import attrs
import pytest

from kelpie_sim import determinism
from kelpie_sim.determinism import RUNGS, Work, answer, climb, padded
from kelpie_sim.errors import SimulationError
from kelpie_sim.simulation import simulate
from tests.sim import toy


def answered(work: Work) -> list[dict[str, object]]:
    """Return what a process answers to work."""
    passes: list[dict[str, object]] = json.loads(answer(work))
    return passes


def test_ladder_has_all_its_rungs():
    """Fresh process, same process, other hash seeds, padded heap."""
    assert [rung.name for rung in RUNGS] == ["fresh", "again", "hash 22", "hash 4444", "padded heap"]
    assert {rung.hash_seed for rung in RUNGS} == {"1", "22", "4444", "random"}


def test_programs_that_use_sets_of_tasks_do_not_diverge():
    """TaskGroup, wait, as_completed and faults give the same digests on every rung."""
    ladder = climb(toy.SETS, "tests.sim.toy", range(5), jobs=2)
    assert (ladder.seeds, ladder.diverged, ladder.divergences) == (5, 0, ())


def test_order_of_a_set_of_texts_is_caught_and_named():
    """A program that iterates a set of texts diverges under another hash seed, at the record that tells."""
    ladder = climb(toy.LEAKING, "tests.sim.toy_failing", (7,), jobs=2)
    by_hash = [each for each in ladder.divergences if each.rung.startswith("hash")]
    assert [each.rung for each in by_hash] == ["hash 22", "hash 4444"]
    for divergence in by_hash:
        assert (divergence.scenario, divergence.seed) == ("leaking", 7)
        assert "seen" in divergence.here
        assert "seen" in divergence.there
        assert divergence.here != divergence.there


def test_order_of_addresses_is_caught():
    """A program that iterates a set of objects diverges when the heap is another one."""
    ladder = climb(toy.LEAKING_ADDRESSES, "tests.sim.toy_failing", range(5), jobs=2, explained_max=100)
    assert "padded heap" in {each.rung for each in ladder.divergences}


def test_only_the_first_divergences_are_explained():
    """All that diverge are counted; records are looked up for the first few only."""
    ladder = climb(toy.LEAKING, "tests.sim.toy_failing", (7, 8, 9), jobs=2, explained_max=2)
    assert (ladder.diverged, [(each.rung, each.seed) for each in ladder.divergences]) == (
        3,
        [("hash 22", 7), ("hash 22", 8)],
    )


def test_progress_is_told_per_batch(monkeypatch):
    """Progress is told per batch of seeds, with how many diverged so far."""
    monkeypatch.setattr(determinism, "BATCH_SEEDS_MAX", 1)
    seen: list[tuple[int, int]] = []
    climb(toy.QUIET, "tests.sim.toy_quiet", range(2), jobs=2, progress=lambda done, found: seen.append((done, found)))
    assert seen == [(1, 0), (2, 0)]


def test_failing_process_is_told():
    """A fresh process that cannot do the work is an error with its own words."""
    with pytest.raises(SimulationError, match=r"the process of rung 'again' failed:(.|\n)*no_such_module"):
        climb(toy.QUIET, "no_such_module", (1,))


def test_work_travels_as_text():
    """Work is equal after its trip to another process."""
    work = Work(module="m", scenario="s", seeds=(1, 2), passes=2, padded=True, kept=(1,))
    assert Work.from_json(work.to_json()) == work


def test_answer_has_the_digests_of_each_pass():
    """The process answers with a digest per seed and pass."""
    digests = [simulate(toy.MAIL, seed).digest for seed in (1, 2)]
    work = Work(module="tests.sim.toy", scenario="mail", seeds=(1, 2), passes=2)
    assert answered(work) == [{"digests": digests, "lines": {}}] * 2


def test_answer_has_the_traces_that_were_asked_for():
    """The lines of a seed's trace come along if it is to be kept."""
    (one,) = answered(Work(module="tests.sim.toy", scenario="mail", seeds=(1, 2), kept=(2,)))
    assert one["lines"] == {"2": list(simulate(toy.MAIL, 2, keep_trace=True).trace)}


def test_padding_changes_no_digest_but_the_heap():
    """A padded scenario is the same run, while each of its steps moves the heap about."""
    outcome = simulate(padded(toy.MAIL), 3)
    assert outcome == simulate(toy.MAIL, 3)
    hooks: list[object] = []

    async def peek(world):
        hooks.extend(world.loop.after_step)

    simulate(padded(attrs.evolve(toy.MAIL, run=peek)), 3)
    assert len(hooks) == 1


def test_heap_is_padded_when_asked(monkeypatch):
    """Only padded work fills the heap."""
    filled: list[str] = []

    def counting(scenario):
        filled.append(scenario.name)
        return scenario

    monkeypatch.setattr(determinism, "padded", counting)
    work = Work(module="tests.sim.toy", scenario="mail", seeds=(1, 2))
    assert answer(work) == answer(attrs.evolve(work, padded=True))
    assert filled == ["mail"]


def test_prints_of_the_program_stay_out_of_the_answer(capsys):
    """What a program prints goes to stderr, for stdout is the answer's."""
    answer(Work(module="tests.sim.toy_quiet", scenario="chatty", seeds=(1,)))
    out, err = capsys.readouterr()
    assert (out, err) == ("", "hello\n")

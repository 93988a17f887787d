"""Linearizability: known good and known bad histories, and agreement with an oracle."""

import random

import attrs
import pytest

from kelpie_sim.check.history import History
from kelpie_sim.check.linearizability import (
    Linearizable,
    NotLinearizable,
    Unknown,
    check_linearizable,
    require_linearizable,
)
from kelpie_sim.check.models import cas_register, counter, key_value, mutex, register
from kelpie_sim.errors import InvariantBroken, Undecided
from kelpie_sim.trace import Trace
from tests.sim.check import oracle
from tests.sim.check.made import MODELS, op, random_history, sequence

REGISTER = register(0)


def holds(*operations, model=REGISTER):
    return isinstance(check_linearizable(operations, model), Linearizable)


def test_nothing_is_linearizable():
    """An empty history is right."""
    assert Linearizable(order=()) == check_linearizable((), REGISTER)


def test_overlapping_operations_may_take_effect_in_either_order():
    """A read during a write may see the old value or the new one; after it, only the new one."""
    write = op("write", 1, at=(0, 3))
    assert [True, True] == [holds(write, op("read", to=value, by="b", at=(1, 2))) for value in (0, 1)]
    assert [False, True] == [holds(write, op("read", to=value, by="b", at=(4, 5))) for value in (0, 1)]


def test_reads_do_not_go_back():
    """Once a read has seen a new value, no later read sees the old one: the write has one instant."""
    write = op("write", 1, at=(0, 9))
    early, late = op("read", to=1, by="b", at=(1, 2)), op("read", to=0, by="c", at=(3, 4))
    assert not holds(write, early, late)
    assert holds(write, attrs.evolve(early, end=5), late)


def test_unknown_outcome_may_take_effect_late_or_never():
    """A write that nobody heard of may be seen at once, much later, or not at all; never taken back."""
    lost = op("write", 1, by="b", at=(0, None))
    before, after = op("read", to=0, at=(1, 2)), op("read", to=1, at=(3, 4))
    assert holds(lost, before)
    assert holds(lost, before, after)
    assert not holds(lost, attrs.evolve(after, start=1, end=2), attrs.evolve(before, start=3, end=4))


def test_unknown_outcome_takes_no_effect_before_it_was_asked_for():
    """A value cannot be seen before anybody wrote it."""
    assert not holds(op("read", to=1, at=(0, 1)), op("write", 1, by="b", at=(2, None)))


def test_unknown_outcome_takes_effect_once():
    """Each operation of unknown outcome counts at most once."""
    lost = [op("add", 1, by=f"p{start}", at=(start, None)) for start in range(2)]
    reads = [op("read", to=value, at=(4 + 2 * value, 5 + 2 * value)) for value in range(4)]
    assert holds(*lost, *reads[:3], model=counter())
    assert not holds(*lost, *reads, model=counter())


def test_failed_operation_did_not_happen():
    """What certainly failed is never seen."""
    failed = attrs.evolve(op("write", 1, at=(0, 1)), outcome="fail")
    assert holds(failed, op("read", to=0, at=(2, 3)))
    assert not holds(failed, op("read", to=1, at=(2, 3)))


def test_split_brain_is_found():
    """Two holders of one lock are found, even though each saw nothing wrong."""
    a, b = op("acquire", by="a", at=(0, 1)), op("acquire", by="b", at=(2, 3))
    assert not holds(a, b, model=mutex())
    assert holds(a, op("release", by="a", at=(1, 5)), attrs.evolve(b, end=6), model=mutex())


def test_order_is_a_witness():
    """The order that is returned is legal and true to real time."""
    history = (op("write", 1, at=(0, 5)), op("read", to=0, by="b", at=(1, 2)), op("read", to=1, by="b", at=(3, 4)))
    assert Linearizable(order=(1, 0, 3)) == check_linearizable(history, REGISTER)


def test_counterexample_is_the_shortest_prefix():
    """What comes after the first answer that nothing explains is left out, and answers that came later are not told."""
    steps = sequence(("write", 1, None), ("read", 0), ("write", 2, None), ("read", 7))
    slow = op("write", 5, by="b", at=(-1, 100))
    judgement = check_linearizable((*steps, slow), REGISTER)
    assert isinstance(judgement, NotLinearizable)
    assert [("write", "info"), ("write", "ok"), ("read", "ok")] == [(o.name, o.outcome) for o in judgement.prefix]
    assert (steps[1],) == judgement.stuck


def test_counterexample_is_told_in_words():
    """The story says what explains a part, what the state is then, and which answers do not fit."""
    write, read = op("write", 1, at=(0, 1)), op("read", to=0, by="b", at=(2, 3))
    expected = """\
register: no order explains the first 2 answers
  the longest that explains its part has 1 operations, from 0
    1. a: write(value=1) ok value=None; then it is 1
  and none of these can come next:
    b: read() ok value=0"""
    assert expected == str(check_linearizable((write, read), REGISTER))


def test_long_counterexample_is_cut_at_its_start():
    """Only the last operations before the wrong answer are told."""
    steps = sequence(*(("write", number, None) for number in range(50)), ("read", 3))
    lines = str(check_linearizable(steps, REGISTER)).splitlines()
    assert "    ... 38 more" == lines[2]
    assert "    50. a: write(value=49) ok value=None; then it is 49" == lines[-3]


def test_part_is_named():
    """Of a partitioned history only the wrong part is told, with its key."""
    good = [attrs.evolve(each, arguments={"key": "good", **each.arguments}) for each in sequence(("put", 1, None))]
    bad = attrs.evolve(op("get", to=2, at=(5, 6)), arguments={"key": "bad"})
    judgement = check_linearizable((*good, bad), key_value())
    assert "key-value store, part 'bad': no order explains the first 1 answers" == str(judgement).splitlines()[0]


def test_budget_that_runs_out_is_no_pass():
    """A search that gives up says so, and whoever required an answer gets an error."""
    steps = sequence(*(("write", number, None) for number in range(50)))
    assert Unknown(model="register", part=None, steps=49) == check_linearizable(steps, REGISTER, steps_max=49)
    with pytest.raises(Undecided, match="linearizable register: undecided after 49 steps of the model"):
        require_linearizable(steps, REGISTER, steps_max=49)
    assert holds(*steps)


def test_budget_is_shared_by_the_parts():
    """Many parts have no larger budget than one."""
    steps = [
        attrs.evolve(each, arguments={"key": each.index % 4, **each.arguments})
        for each in sequence(*(("put", number, None) for number in range(8)))
    ]
    assert isinstance(check_linearizable(steps, key_value(), steps_max=7), Unknown)
    assert isinstance(check_linearizable(steps, key_value(), steps_max=8), Linearizable)


def test_requirement_raises_a_broken_law():
    """A scenario that requires linearizability fails with the counterexample."""
    with pytest.raises(InvariantBroken, match=r"linearizable register: no order explains the first 1 answers"):
        require_linearizable((op("read", to=9, at=(0, 1)),), REGISTER)
    assert Linearizable(order=(0,)) == require_linearizable((op("read", to=0, at=(0, 1)),), REGISTER)


def test_recorded_history_is_judged_by_places_not_times():
    """Of two operations at one virtual instant, the one answered before the other was asked came first."""
    history = History(lambda: 7, Trace())
    history.invoke("a", "write", value=1).ok()
    history.invoke("b", "read").ok(value=0)
    assert not holds(*history.operations())


def test_many_equal_unknown_outcomes_cost_little():
    """Thirty lost additions of one are not tried in every combination."""
    lost = [op("add", 1, by=f"p{start}", at=(start, None)) for start in range(30)]
    read = op("read", to=100, at=(60, 61))
    assert isinstance(check_linearizable((*lost, read), counter(), steps_max=100), NotLinearizable)


def test_same_state_may_be_reached_at_another_cost():
    """A state reached by spending some unanswered operations is searched again when others were spent."""
    lost = [op("add", number, by=f"p{number}", at=(number, None)) for number in (1, 2, 3)]
    # Three is one and two, or three; only what spent the three still has the one left.
    assert holds(*lost, op("read", to=3, at=(4, 5)), op("read", to=4, at=(6, 7)), model=counter())
    assert not holds(*lost, op("read", to=3, at=(4, 5)), op("read", to=8, at=(6, 7)), model=counter())


def test_only_what_could_come_next_is_told():
    """An operation that was asked after a wrong answer is no candidate for its place."""
    refused = op("cas", 0, 1, to=False, by="b", at=(0, 10))
    first, second = op("read", to=1, at=(1, 2)), op("read", to=1, at=(3, 4))
    judgement = check_linearizable((refused, first, second), cas_register(0))
    assert isinstance(judgement, NotLinearizable)
    assert (3, (refused, first)) == (len(judgement.prefix), judgement.stuck)


def test_equal_calls_of_two_processes_are_not_the_same():
    """Of two unanswered tries to take a lock, the later one may be the one that got it."""
    tries = [op("acquire", by="a", at=(0, None)), op("acquire", by="b", at=(1, None))]
    assert holds(*tries, op("release", by="b", at=(2, 3)), model=mutex())


def test_orders_that_lead_to_the_same_state_are_searched_once():
    """Ten writes at once have millions of orders, and a thousand sets of them with ten states each."""
    writes = [op("write", number, by=f"p{number}", at=(number, 20 + number)) for number in range(1, 11)]
    read = op("read", to=99, at=(50, 51))
    assert isinstance(check_linearizable((*writes, read), REGISTER, steps_max=60_000), NotLinearizable)


@pytest.mark.parametrize("name", tuple(MODELS))
def test_checker_agrees_with_the_oracle(name):
    """On random small histories the checker says what trying every order says; witness and counterexample are true."""
    model, names = MODELS[name]
    answers = {True: 0, False: 0}
    for seed in range(500):
        # Every other history has many open operations, which the search treats by rules of their own.
        history = random_history(random.Random(f"{name}/{seed}"), names, lost=0.25 if seed % 2 else 0.6)
        expected = oracle.is_linearizable(history, model)
        judgement = check_linearizable(history, model)
        assert expected == isinstance(judgement, Linearizable), f"seed {seed}"
        answers[expected] += 1
        if isinstance(judgement, Linearizable):
            by_index = {operation.index: operation for operation in history}
            assert oracle.is_witness([by_index[index] for index in judgement.order], model, history), f"seed {seed}"
        elif isinstance(judgement, NotLinearizable):
            shorter = _without_last_answer(judgement.prefix)
            assert [False, True] == [oracle.is_linearizable(each, model) for each in (judgement.prefix, shorter)]
    assert min(answers.values()) > 50


def _without_last_answer(prefix):
    last = max((each for each in prefix if each.outcome == "ok"), key=lambda each: each.end)
    return [attrs.evolve(each, outcome="info", end=None) if each is last else each for each in prefix]

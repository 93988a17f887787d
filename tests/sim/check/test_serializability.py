"""Serializability: each anomaly by its name, and agreement with an oracle."""

import random

import attrs
import pytest

from kelpie_sim.check.linearizability import Unknown
from kelpie_sim.check.operations import Operation
from kelpie_sim.check.serializability import NotSerializable, Serializable, check_serializable, require_serializable
from kelpie_sim.errors import InvariantBroken, Undecided
from tests.sim.check import oracle
from tests.sim.check.made import random_transactions
from tests.sim.check.test_transactions import transaction


def judged(kind, *histories, strict=False, steps_max=1_000):
    """Judge transactions, given by their steps, one after the other in real time."""
    made = [
        each if isinstance(each, Operation) else transaction(*each, index=index) for index, each in enumerate(histories)
    ]
    return check_serializable(made, kind, strict=strict, steps_max=steps_max)


def append(key, value):
    """Return an append step."""
    return ("append", key, value)


def saw(key, *values):
    """Return a read of a list."""
    return ("read", key, values)


GOOD = (
    (),
    ((append("x", 1),), (saw("x", 1),), (saw("x"),)),
    ((append("x", 1), append("x", 2)), (saw("x", 1, 2), append("y", 1)), (saw("y"), saw("x"))),
)
LISTS = {
    "G0": (
        (append("x", 1), append("y", 1)),
        (append("x", 2), append("y", 2)),
        (saw("x", 1, 2), saw("y", 2, 1)),
    ),
    "G1a aborted read": (transaction(append("x", 1), outcome="fail", index=0), (saw("x", 1),)),
    "G1b intermediate read": ((append("x", 1), append("x", 2)), (saw("x", 1),)),
    "G1c": ((append("x", 1), saw("y", 1)), (append("y", 1), saw("x", 1))),
    "lost update": ((saw("x"), append("x", 1)), (saw("x"), append("x", 2))),
    "G-single": ((append("x", 1), append("y", 1)), (saw("x", 1), saw("y"))),
    "G2": ((saw("x"), append("y", 1)), (saw("y"), append("x", 1))),
    "internal": ((saw("x", 1), append("x", 1)),),
    "garbage read": ((saw("x", 7),),),
    "duplicate": ((append("x", 1),), (saw("x", 1, 1),)),
    "incompatible order": ((append("x", 1),), (append("x", 2),), (saw("x", 1),), (saw("x", 2, 1),)),
}  # fmt: skip
REGISTERS = {
    "G1a aborted read": (transaction(("write", "x", 1), outcome="fail", index=0), (("read", "x", 1),)),
    "G1b intermediate read": ((("write", "x", 1), ("write", "x", 2)), (("read", "x", 1),)),
    "G1c": ((("write", "x", 1), ("read", "y", 1)), (("write", "y", 1), ("read", "x", 1))),
    "lost update": ((("read", "x", None), ("write", "x", 1)), (("read", "x", None), ("write", "x", 2))),
    "G-single": ((("write", "x", 1), ("write", "y", 1)), (("read", "x", 1), ("read", "y", None))),
    "G2": ((("read", "x", None), ("write", "y", 1)), (("read", "y", None), ("write", "x", 1))),
    "internal": ((("read", "x", None), ("read", "x", 1)), (("write", "x", 1),)),
    "garbage read": ((("read", "x", 7),),),
}


@pytest.mark.parametrize("histories", GOOD)
def test_serial_histories_pass(histories):
    """A history with a serial order passes, though its real time may be another."""
    assert isinstance(judged("list", *histories), Serializable)


@pytest.mark.parametrize(
    ("kind", "name", "histories"),
    [("list", name, each) for name, each in LISTS.items()]
    + [("register", name, each) for name, each in REGISTERS.items()],
)
def test_anomalies_have_their_names(kind, name, histories):
    """Each anomaly of the literature is found and called by its name, also under strictness."""
    judgement = judged(kind, *histories)
    assert isinstance(judgement, NotSerializable)
    assert name == judgement.names[0]
    assert not isinstance(judged(kind, *histories, strict=True), Serializable)


@pytest.mark.parametrize(
    ("name", "histories"),
    [
        ("G-single-realtime", ((append("x", 1),), (saw("x"),))),
        ("G0-realtime", ((append("x", 1),), (append("x", 2),), (saw("x", 2, 1),))),
        ("G1c-realtime", ((saw("x", 1),), (append("x", 1),))),
    ],
)
def test_real_time_counts_under_strictness_only(name, histories):
    """An order against real time is serializable, and not strictly so."""
    assert isinstance(judged("list", *histories), Serializable)
    judgement = judged("list", *histories, strict=True)
    assert isinstance(judgement, NotSerializable)
    assert (name,) == judgement.names


def test_order_is_a_witness():
    """The order that is returned gives each transaction its answers."""
    assert Serializable(order=(2, 0, 1)) == judged("list", *GOOD[1])


def test_anomaly_is_told_in_words():
    """The story names the transactions and says why each comes before the next."""
    expected = """\
lost update
  lost update
    rw  T0 read 'x' as (), and T1 wrote 2 after that
    rw  T1 read 'x' as (), and T0 wrote 1 after that"""
    assert expected == str(judged("list", *LISTS["lost update"]))


# Nothing in these tells who wrote x first: only a search does.
BLIND = (
    (("write", "x", 1), ("write", "y", 1)),
    (("write", "x", 2), ("write", "y", 2)),
    (("read", "x", 1), ("read", "y", 1)),
    (("read", "x", 2),),
    (("read", "x", 1),),
)
TORN = (*BLIND[:2], (("read", "x", 1), ("read", "y", 2)))


def test_blind_writes_are_searched():
    """Where reads tell no order of writes, an order is searched for; if there is none that is said."""
    assert isinstance(judged("register", *BLIND), Serializable)
    judgement = judged("register", *TORN)
    assert isinstance(judgement, NotSerializable)
    assert ("no serial order",) == judgement.names
    assert (0, 1, 2) == judgement.anomalies[0].transactions


def test_search_that_gives_up_is_no_pass():
    """A budget that runs out is Unknown, and an error for whoever required an answer."""
    assert isinstance(judged("register", *TORN, steps_max=2), Unknown)
    made = [transaction(*steps, index=index) for index, steps in enumerate(TORN)]
    with pytest.raises(Undecided, match="serializable registers: store of registers: undecided after 2 steps"):
        require_serializable(made, "register", steps_max=2)


def test_requirement_raises_a_broken_law():
    """A scenario that requires serializability fails with the anomalies."""
    made = [transaction(*steps, index=index) for index, steps in enumerate(LISTS["G2"])]
    with pytest.raises(InvariantBroken, match=r"strictly serializable lists: G2, G-single-realtime\n"):
        require_serializable(made, "list", strict=True)
    assert Serializable(order=()) == require_serializable((), "list")


def test_unknown_outcome_excuses_nothing_that_was_seen():
    """A transaction of unknown outcome that somebody saw is judged like any other."""
    lost = transaction(append("x", 1), append("y", 1), outcome="info", index=0)
    assert isinstance(judged("list", lost, (saw("x", 1), saw("y", 1))), Serializable)
    assert isinstance(judged("list", lost, (saw("x"), saw("y"))), Serializable)
    assert not isinstance(judged("list", lost, (saw("x", 1), saw("y"))), Serializable)


def test_long_histories_are_judged_at_once():
    """Three thousand transactions on a list take no search, and one wrong read among them is found."""
    made = [transaction(saw("x", *range(index)), append("x", index), index=index) for index in range(1_000)]
    assert isinstance(check_serializable(made, "list", strict=True), Serializable)
    wrong = attrs.evolve(made[500], result={"steps": (saw("x", *range(499)), append("x", 500))})
    judgement = check_serializable([*made[:500], wrong, *made[501:]], "list", strict=True)
    assert isinstance(judgement, NotSerializable)
    assert "lost update" == judgement.names[0]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("kind", ["list", "register"])
def test_checker_agrees_with_the_oracle(kind, strict):
    """On random small histories the checker says what trying every serial order says."""
    answers = {True: 0, False: 0}
    for seed in range(1_000):
        history = random_transactions(random.Random(f"{kind}/{seed}"), kind)
        expected = oracle.is_serializable(history, "append" if kind == "list" else "write", strict=strict)
        judgement = check_serializable(history, kind, strict=strict)
        assert not isinstance(judgement, Unknown), f"seed {seed}"
        assert expected == isinstance(judgement, Serializable), f"seed {seed}"
        answers[expected] += 1
    assert min(answers.values()) > 100

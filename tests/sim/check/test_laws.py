"""Laws by name, over histories from a file."""

import pytest

from kelpie_sim.check.history import History
from kelpie_sim.check.laws import LAWS, holds, judge
from kelpie_sim.check.linearizability import Unknown
from kelpie_sim.check.operations import Operation, to_jsonl
from kelpie_sim.trace import Trace
from tests.sim.check.made import op, sequence
from tests.sim.check.test_transactions import transaction

# What the second client saw of the first one's transaction was older than what it was told before.
OLD_READ = (transaction(("append", "x", 1), index=0), transaction(("read", "x", ()), index=1))
OLD_REGISTER = (transaction(("write", "x", 1), index=0), transaction(("read", "x", None), index=1))
TORN = (
    transaction(("append", "x", 1), ("append", "y", 1), index=0),
    transaction(("read", "x", (1,)), ("read", "y", ()), index=1),
)
TORN_REGISTERS = (
    transaction(("write", "x", 1), ("write", "y", 1), index=0),
    transaction(("read", "x", 1), ("read", "y", None), index=1),
)


def keyed(name, to):
    """Return an operation on a key."""
    return Operation(index=0, process="a", name=name, arguments={"key": "k"}, result={"value": to}, start=0, end=1)


CASES = {
    "register": (sequence(("write", 1, None), ("read", 1)), (op("read", to=1, at=(0, 1)),)),
    "cas-register": ((op("cas", None, 1, to=True, at=(0, 1)),), (op("cas", 3, 1, to=True, at=(0, 1)),)),
    "counter": (sequence(("add", 2, None), ("read", 2)), (op("read", to=1, at=(0, 1)),)),
    "queue": (sequence(("put", 2, None), ("get", 2)), (op("get", to=1, at=(0, 1)),)),
    "set": (sequence(("add", 2, None), ("contains", 2, True)), (op("contains", 2, to=True, at=(0, 1)),)),
    "lock": (sequence(("acquire", None), ("release", None)), (op("release", at=(0, 1)),)),
    "key-value": ((keyed("get", None),), (keyed("get", 1),)),
    "lists": (OLD_READ, TORN),
    "strict-lists": ((), OLD_READ),
    "registers": (OLD_REGISTER, TORN_REGISTERS),
    "strict-registers": ((), OLD_REGISTER),
}


@pytest.mark.parametrize("name", tuple(LAWS))
def test_each_law_tells_right_from_wrong(name):
    """A history is judged alike, live and read back from its JSON lines."""
    good, bad = CASES[name]
    assert [True, False] == [holds(judge(name, each)) for each in (good, bad)]
    assert [True, False] == [holds(judge(name, to_jsonl(each))) for each in (good, bad)]


def test_giving_up_does_not_hold():
    """A search without an answer is no pass."""
    assert not holds(Unknown(model="register", part=None, steps=1))


def test_unknown_law_is_named():
    """A law that does not exist is refused with those that do."""
    with pytest.raises(ValueError, match=r"there is no law 'order'; there are register, cas-register, counter, queue"):
        judge("order", ())


def test_recorded_history_is_judged_from_its_text():
    """What a run recorded goes through its file into the checker."""
    history = History(lambda: 0, Trace())
    history.invoke("a", "write", value=[1, 2]).ok()
    history.invoke("b", "read").ok(value=[1, 2])
    assert holds(judge("register", history.to_jsonl()))

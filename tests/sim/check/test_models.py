"""The sequential models."""

import attrs
import pytest

from kelpie_sim.check import models
from kelpie_sim.check.linearizability import Linearizable, check_linearizable
from tests.sim.check.made import op, sequence

REGISTER = models.register(0)
CAS = models.cas_register(0)

GOOD = (
    (REGISTER, (("read", 0), ("write", 1, None), ("read", 1))),
    (CAS, (("cas", 0, 1, True), ("cas", 0, 2, False), ("read", 1))),
    (models.counter(), (("add", 2, None), ("add", -1, None), ("read", 1))),
    (models.queue(), (("get", None), ("put", 1, None), ("put", 2, None), ("get", 1), ("get", 2))),
    (models.unique_set(), (("add", 1, None), ("contains", 1, True), ("remove", 1, None), ("contains", 1, False))),
    (models.mutex(), (("acquire", None), ("try_acquire", False), ("release", None), ("try_acquire", True))),
)
BAD = (
    (REGISTER, (("write", 1, None), ("read", 0))),
    (CAS, (("cas", 0, 1, True), ("cas", 0, 2, True))),
    (CAS, (("cas", 0, 1, False),)),
    (models.counter(), (("add", 2, None), ("read", 1))),
    (models.queue(), (("put", 1, None), ("put", 2, None), ("get", 2))),
    (models.queue(), (("put", 1, None), ("get", None))),
    (models.queue(), (("put", 1, None), ("get", 1), ("get", 1))),
    (models.unique_set(), (("add", 1, None), ("remove", 1, None), ("contains", 1, True))),
    (models.mutex(), (("acquire", None), ("acquire", None))),
    (models.mutex(), (("release", None),)),
    (models.mutex(), (("acquire", None), ("try_acquire", True))),
)


@pytest.mark.parametrize(("model", "steps"), GOOD)
def test_right_answers_are_legal(model, steps):
    """What the thing does by itself is legal in its model."""
    assert Linearizable(order=tuple(range(0, 2 * len(steps), 2))) == check_linearizable(sequence(*steps), model)


@pytest.mark.parametrize(("model", "steps"), BAD)
def test_wrong_answers_are_illegal(model, steps):
    """An answer that the thing would not give is found."""
    assert not isinstance(check_linearizable(sequence(*steps), model), Linearizable)


def test_set_is_read_whole():
    """The values of a set may come in any order, and each of them once."""
    added = (op("add", 1, at=(0, 1)), op("add", 2, at=(2, 3)))

    def read(*values):
        last = attrs.evolve(op("read", at=(4, 5)), result={"values": values})
        return isinstance(check_linearizable((*added, last), models.unique_set()), Linearizable)

    assert [True, True, False, False] == [read(1, 2), read(2, 1), read(1), read(1, 2, 2)]


def test_lock_is_released_by_its_holder_only():
    """A release by somebody else is illegal."""
    held = op("acquire", by="a", at=(0, 1))
    assert not isinstance(check_linearizable((held, op("release", by="b", at=(2, 3))), models.mutex()), Linearizable)


def keyed(name, key, *arguments, to=None, place):
    """Return an operation on a key."""
    made = op("write", *arguments, at=(2 * place, 2 * place + 1))
    return attrs.evolve(made, name=name, arguments={"key": key, **made.arguments}, result={"value": to})


@pytest.mark.parametrize(
    ("read", "legal"),
    [
        (keyed("get", "x", to=1, place=1), True),
        (keyed("get", "y", to=1, place=1), False),
        (keyed("get", "y", to=None, place=1), True),
        (keyed("get", "x", to=None, place=3), True),
        (keyed("get", "x", to=1, place=3), False),
    ],
)
def test_keys_are_registers_of_their_own(read, legal):
    """What is written to one key is not read at another; a deleted key is absent."""
    steps = (keyed("put", "x", 1, place=0), keyed("delete", "x", place=2), read)
    assert legal == isinstance(check_linearizable(steps, models.key_value()), Linearizable)


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (op("erase", at=(0, 1)), r"a register has no operation 'erase'; it has read, write"),
        (attrs.evolve(op("read", at=(0, 1)), result={}), r"operation 0 \(a: read\(\) ok\) of a register lacks value"),
        (op("write", at=(0, 1)), r"operation 0 \(a: write\(\) ok value=None\) of a register lacks value"),
    ],
)
def test_unknown_operation_is_the_callers_mistake(operation, text):
    """An operation that the model does not know is refused, by name."""
    with pytest.raises(ValueError, match=text):
        check_linearizable((operation,), REGISTER)


def test_model_without_shapes_refuses_nothing():
    """A model of one's own may leave the shapes to its step."""
    latch = models.Model(name="latch", initial=False, step=lambda state, operation: (not state, True))
    assert Linearizable(order=(0,)) == check_linearizable((op("set", at=(0, 1)),), latch)
    assert not isinstance(check_linearizable(sequence(("set", None), ("set", None)), latch), Linearizable)

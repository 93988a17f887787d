"""What a thing that clients share is allowed to do, one operation at a time: the sequential side of linearizability.

A model is a start and a step: `step(state, operation)` says whether the operation may have this answer in this state,
and what the state is afterwards. States are immutable and can be hashed. An operation without a known answer
(`operation.happened` is false) is legal in every state in which it could have taken effect.

`partition` names the part of the world an operation touches. Parts are checked one by one, which is sound since
linearizability is local, and turns one search over everything into many small ones: A. Horn and D. Kroening, "Faster
linearizability checking via P-compositionality", FORTE 2015.

The ready models, with their operations as (arguments) -> answers:

    register        read() -> value     write(value)
    cas_register    the same, and cas(expected, value) -> swapped
    counter         add(value)          read() -> value
    queue           put(value)          get() -> value, None when it is empty
    unique_set      add(value)          remove(value)       contains(value) -> present      read() -> values
    mutex           acquire()           try_acquire() -> acquired       release()
    key_value       get(key) -> value, None when absent     put(key, value)     delete(key)
                    cas(key, expected, value) -> swapped
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

import attrs

from kelpie_sim.check.operations import Operation

State = TypeVar("State", bound=Hashable)
Answer = tuple[bool, State]

OneValue = Hashable


def whole(operation: Operation) -> Hashable:
    """Return the same part for each operation: the model cannot be partitioned."""
    return None


@attrs.frozen(kw_only=True)
class Shape:
    """What an operation of a model is called with, and what a known answer holds."""

    arguments: tuple[str, ...] = ()
    result: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Model(Generic[State]):
    """A shared thing, told by its start and its step."""

    name: str
    initial: State
    step: Callable[[State, Operation], tuple[bool, State]]
    partition: Callable[[Operation], Hashable] = whole
    shapes: Mapping[str, Shape] | None = None
    """The operations it knows; None leaves it to the step to refuse others."""
    by_process: bool = False
    """Whether the step asks who calls, so that equal calls of two processes are not the same."""

    def check_shape(self, operation: Operation) -> None:
        """Raise ValueError for an operation that the model does not know, or one that lacks a value."""
        if self.shapes is None:
            return
        shape = self.shapes.get(operation.name)
        if shape is None:
            known = ", ".join(sorted(self.shapes))
            raise ValueError(f"a {self.name} has no operation {operation.name!r}; it has {known}")
        missing = [name for name in shape.arguments if name not in operation.arguments]
        if operation.happened:
            missing += [name for name in shape.result if name not in operation.result]
        if missing:
            raise ValueError(f"operation {operation.index} ({operation}) of a {self.name} lacks {', '.join(missing)}")


def register(initial: OneValue = None) -> Model[OneValue]:
    """Return a register: a read sees the last write."""
    return Model(name="register", initial=initial, step=_register_step, shapes=_pick("read", "write"))


def cas_register(initial: OneValue = None) -> Model[OneValue]:
    """Return a register that can also be written on condition of what it holds."""
    return Model(name="compare-and-set register", initial=initial, step=_register_step, shapes=_REGISTER)


def _register_step(state: OneValue, operation: Operation) -> Answer[OneValue]:
    known = operation.outcome == "ok"
    if operation.name in ("read", "get"):
        return not known or operation.result["value"] == state, state
    arguments = operation.arguments
    if operation.name in ("write", "put"):
        return True, arguments["value"]
    if operation.name == "delete":
        return True, None
    swaps = arguments["expected"] == state
    return not known or operation.result["swapped"] == swaps, arguments["value"] if swaps else state


_REGISTER = {
    "read": Shape(result=("value",)),
    "write": Shape(arguments=("value",)),
    "cas": Shape(arguments=("expected", "value"), result=("swapped",)),
}


def _pick(*names: str) -> dict[str, Shape]:
    return {name: _REGISTER[name] for name in names}


def counter(initial: int = 0) -> Model[int]:
    """Return a counter: a read sees the sum of all that was added."""
    shapes = {"add": Shape(arguments=("value",)), "read": Shape(result=("value",))}
    return Model(name="counter", initial=initial, step=_counter_step, shapes=shapes)


def _counter_step(state: int, operation: Operation) -> Answer[int]:
    if operation.name == "read":
        return operation.outcome != "ok" or operation.result["value"] == state, state
    added = operation.arguments["value"]
    assert isinstance(added, int), f"a counter counts in whole numbers, not by {added!r}"
    return True, state + added


def queue() -> Model[tuple[OneValue, ...]]:
    """Return a queue: what was put first is got first; getting from an empty one gives None at once."""
    shapes = {"put": Shape(arguments=("value",)), "get": Shape(result=("value",))}
    return Model(name="queue", initial=(), step=_queue_step, shapes=shapes)


def _queue_step(state: tuple[OneValue, ...], operation: Operation) -> Answer[tuple[OneValue, ...]]:
    if operation.name == "put":
        return True, (*state, operation.arguments["value"])
    first = state[0] if state else None
    return operation.outcome != "ok" or operation.result["value"] == first, state[1:]


def unique_set() -> Model[frozenset[OneValue]]:
    """Return a set: what was added and not removed is in it; to add or remove twice is no error."""
    value = Shape(arguments=("value",))
    shapes = {
        "add": value,
        "remove": value,
        "contains": Shape(arguments=("value",), result=("present",)),
        "read": Shape(result=("values",)),
    }
    return Model(name="set", initial=frozenset(), step=_set_step, shapes=shapes)


def _set_step(state: frozenset[OneValue], operation: Operation) -> Answer[frozenset[OneValue]]:
    known = operation.outcome == "ok"
    if operation.name == "read":
        # A tuple or a set: in what order they came says nothing, but a value told twice is wrong.
        values = operation.result["values"] if known else state
        assert isinstance(values, tuple | frozenset), f"a set is read as many values, not {values!r}"
        return len(values) == len(state) and frozenset(values) == state, state
    value = operation.arguments["value"]
    if operation.name == "contains":
        return not known or operation.result["present"] == (value in state), state
    return True, state | {value} if operation.name == "add" else state - {value}


def mutex() -> Model[str | None]:
    """Return a lock: one process holds it at a time, and only the holder releases it."""
    shapes = {"acquire": Shape(), "try_acquire": Shape(result=("acquired",)), "release": Shape()}
    return Model(name="lock", initial=None, step=_mutex_step, shapes=shapes, by_process=True)


def _mutex_step(state: str | None, operation: Operation) -> Answer[str | None]:
    process = operation.process
    if operation.name == "release":
        return state == process, None
    if operation.name == "acquire":
        return state is None, process
    free = state is None
    return operation.outcome != "ok" or operation.result["acquired"] == free, process if free else state


def key_value() -> Model[OneValue]:
    """Return a store of keys: each is a register of its own, None while it is absent."""
    shapes = {
        "get": Shape(arguments=("key",), result=("value",)),
        "put": Shape(arguments=("key", "value")),
        "delete": Shape(arguments=("key",)),
        "cas": Shape(arguments=("key", "expected", "value"), result=("swapped",)),
    }
    return Model(name="key-value store", initial=None, step=_register_step, partition=_key, shapes=shapes)


def _key(operation: Operation) -> Hashable:
    return operation.arguments["key"]

"""The oracle of the checkers: every order there is, one after the other. Right by its simplicity, and hopelessly
slow.

It shares nothing with the checkers but the models' steps.
"""

from collections.abc import Hashable, Iterator, Sequence
from itertools import combinations, permutations
from typing import TypeVar

from kelpie_sim.check.models import Model
from kelpie_sim.check.operations import Operation

State = TypeVar("State", bound=Hashable)


def is_linearizable(operations: Sequence[Operation], model: Model[State]) -> bool:
    """Say whether some order of what happened, and of any of what may have, is legal and true to real time."""
    return any(_legal(order, model) for order in _orders(operations))


def is_witness(order: Sequence[Operation], model: Model[State], operations: Sequence[Operation]) -> bool:
    """Say whether an order holds all that happened, is true to real time and legal."""
    sure = {operation.index for operation in operations if operation.outcome == "ok"}
    return sure <= {operation.index for operation in order} and _true_to_time(order) and _legal(order, model)


def _orders(operations: Sequence[Operation]) -> Iterator[tuple[Operation, ...]]:
    sure = [operation for operation in operations if operation.outcome == "ok"]
    perhaps = [operation for operation in operations if operation.outcome == "info"]
    for count in range(len(perhaps) + 1):
        for chosen in combinations(perhaps, count):
            for order in permutations([*sure, *chosen]):
                if _true_to_time(order):
                    yield order


def _true_to_time(order: Sequence[Operation]) -> bool:
    latest = -1
    for operation in order:
        latest = max(latest, operation.start)
        if operation.end is not None and operation.end < latest:
            return False
    return True


def _legal(order: Sequence[Operation], model: Model[State]) -> bool:
    # Each part of the model has its own state; nothing is partitioned before.
    now: dict[Hashable, State] = {}
    for operation in order:
        part = model.partition(operation)
        legal, now[part] = model.step(now.get(part, model.initial), operation)
        if not legal:
            return False
    return True


def is_serializable(operations: Sequence[Operation], write: str, *, strict: bool) -> bool:
    """Say whether some serial order of the transactions gives each of them its answers."""
    return any(_gives_answers(order, write) for order in _serial_orders(operations, strict=strict))


def _serial_orders(operations: Sequence[Operation], *, strict: bool) -> Iterator[tuple[Operation, ...]]:
    sure = [operation for operation in operations if operation.outcome == "ok"]
    perhaps = [operation for operation in operations if operation.outcome == "info"]
    for count in range(len(perhaps) + 1):
        for chosen in combinations(perhaps, count):
            for order in permutations([*sure, *chosen]):
                if not strict or _true_to_time(order):
                    yield order


def _gives_answers(order: Sequence[Operation], write: str) -> bool:
    store: dict[object, object] = {}
    for transaction in order:
        steps = (transaction.result if transaction.outcome == "ok" else transaction.arguments)["steps"]
        assert isinstance(steps, tuple)
        for name, key, *values in steps:
            if name == "append":
                store[key] = (*_list(store, key), *values)
            elif name == write:
                store[key] = values[0]
            elif values and values[0] != (_list(store, key) if write == "append" else store.get(key)):
                return False
    return True


def _list(store: dict[object, object], key: object) -> tuple[object, ...]:
    value = store.get(key, ())
    assert isinstance(value, tuple)
    return value

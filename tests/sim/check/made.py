"""Histories made by hand, and random small ones, for the tests of checkers and their benches."""

import random
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Literal

import attrs

from kelpie_sim.check import models
from kelpie_sim.check.operations import Operation

Names = Mapping[str, tuple[Callable[[random.Random], dict[str, object]], Callable[[random.Random], dict[str, object]]]]


def op(name: str, *arguments: object, to: object = None, by: str = "a", at: tuple[int, int | None]) -> Operation:
    """Return an operation on one value: `op("read", to=3, at=(0, 1))`; without an end its outcome is unknown."""
    start, end = at
    return Operation(
        index=start,
        process=by,
        name=name,
        arguments=dict(zip(_ARGUMENTS.get(name, ("value",)), arguments, strict=False)),
        outcome="info" if end is None else "ok",
        result={} if end is None else {_RESULTS.get(name, "value"): to},
        start=start,
        end=end,
    )


_ARGUMENTS = {
    "cas": ("expected", "value"),
    "put_key": ("key", "value"),
}
_RESULTS = {"cas": "swapped", "contains": "present", "try_acquire": "acquired"}


def sequence(*steps: tuple[object, ...], by: str = "a") -> tuple[Operation, ...]:
    """Return operations one after the other: name, arguments, and the answer last."""
    return tuple(
        op(str(name), *arguments, to=answer, by=by, at=(2 * place, 2 * place + 1))
        for place, (name, *arguments, answer) in enumerate(steps)
    )


def random_history(
    draw: random.Random, names: Names, *, most: int = 5, processes: int = 3, lost: float = 0.25
) -> tuple[Operation, ...]:
    """Return a few operations of concurrent processes with random answers; the lost ones stay open, or fail."""
    left, place = draw.randint(1, most), 0
    open_now: dict[int, tuple[str, int]] = {}
    found: list[Operation] = []
    while left or open_now:
        process = draw.randrange(processes)
        if process in open_now:
            name, start = open_now.pop(process)
            outcome: Literal["ok", "fail", "info"] = "ok"
            if draw.random() < lost:
                outcome = "info" if draw.random() < 0.8 else "fail"
            found.append(
                Operation(
                    index=len(found),
                    process=str(process),
                    name=name,
                    arguments=names[name][0](draw),
                    outcome=outcome,
                    result=names[name][1](draw) if outcome == "ok" else {},
                    start=start,
                    end=None if outcome == "info" else place,
                )
            )
        elif left:
            left -= 1
            open_now[process] = (draw.choice(tuple(names)), place)
        else:
            continue
        place += 1
    return tuple(found)


def value(*choices: Hashable) -> Callable[[random.Random], dict[str, object]]:
    """Return a drawer of one value."""
    return lambda draw: {"value": draw.choice(choices)}


def fields(**choices: Iterable[Hashable]) -> Callable[[random.Random], dict[str, object]]:
    """Return a drawer of several values."""
    fixed = {name: tuple(each) for name, each in choices.items()}
    return lambda draw: {name: draw.choice(each) for name, each in fixed.items()}


REGISTER_NAMES: Names = {"read": (fields(), value(0, 1, 2)), "write": (value(1, 2), fields())}
CAS_NAMES: Names = {**REGISTER_NAMES, "cas": (fields(expected=(0, 1), value=(1, 2)), fields(swapped=(True, False)))}
COUNTER_NAMES: Names = {"read": (fields(), value(0, 1, 2, 3)), "add": (value(1, 2), fields())}
QUEUE_NAMES: Names = {"put": (value(1, 2), fields()), "get": (fields(), value(1, 2, None))}
SET_NAMES: Names = {
    "add": (value(1, 2), fields()),
    "remove": (value(1, 2), fields()),
    "contains": (value(1, 2), fields(present=(True, False))),
    "read": (fields(), fields(values=((), (1,), (2,), (1, 2)))),
}
MUTEX_NAMES: Names = {
    "acquire": (fields(), fields()),
    "try_acquire": (fields(), fields(acquired=(True, False))),
    "release": (fields(), fields()),
}
KEY_NAMES: Names = {
    "get": (fields(key=("x", "y")), value(None, 1)),
    "put": (fields(key=("x", "y"), value=(1, 2)), fields()),
    "delete": (fields(key=("x", "y")), fields()),
    "cas": (fields(key=("x", "y"), expected=(None, 1), value=(1, 2)), fields(swapped=(True, False))),
}

MODELS: dict[str, tuple[models.Model[Any], Names]] = {
    "register": (models.register(0), REGISTER_NAMES),
    "cas_register": (models.cas_register(0), CAS_NAMES),
    "counter": (models.counter(), COUNTER_NAMES),
    "queue": (models.queue(), QUEUE_NAMES),
    "unique_set": (models.unique_set(), SET_NAMES),
    "mutex": (models.mutex(), MUTEX_NAMES),
    "key_value": (models.key_value(), KEY_NAMES),
}
"""The ready models, each with what random histories of it are made of."""


def random_transactions(draw: random.Random, kind: Literal["list", "register"]) -> tuple[Operation, ...]:
    """Return a few concurrent transactions on two keys with random answers; some stay open or fail."""
    schedule = random_history(draw, {"transaction": (fields(), fields())}, most=4)
    asked = {each.index: _random_steps(draw, kind, each.index) for each in schedule}
    answered = {index: _random_answers(draw, kind, steps, asked) for index, steps in asked.items()}
    if draw.random() < 0.7:
        _answer_truly(draw, kind, [each.index for each in schedule], answered)
    return tuple(
        attrs.evolve(
            each,
            arguments={"steps": asked[each.index]},
            result={"steps": answered[each.index]} if each.outcome == "ok" else {},
        )
        for each in schedule
    )


Steps = tuple[tuple[Hashable, ...], ...]


def _random_steps(draw: random.Random, kind: str, index: int) -> Steps:
    write = "append" if kind == "list" else "write"
    return tuple(
        ("read", draw.choice("xy")) if draw.random() < 0.5 else (write, draw.choice("xy"), 10 * index + number + 1)
        for number in range(draw.randint(1, 3))
    )


def _random_answers(draw: random.Random, kind: str, steps: Steps, asked: dict[int, Steps]) -> Steps:
    def seen(key: Hashable) -> Hashable:
        values = [step[2] for each in asked.values() for step in each if step[0] != "read" and step[1] == key]
        if kind == "register":
            return draw.choice([None, *values])
        return tuple(draw.sample(values, draw.randint(0, min(2, len(values)))))

    return tuple((*step, seen(step[1])) if step[0] == "read" else step for step in steps)


def _answer_truly(draw: random.Random, kind: str, order: list[int], answered: dict[int, Steps]) -> None:
    """Put the answers of a serial order in place of those drawn, all but a few."""
    store: dict[Hashable, Hashable] = {}
    draw.shuffle(order)
    for index in order:
        steps: list[tuple[Hashable, ...]] = []
        for step in answered[index]:
            if step[0] == "read":
                true = store.get(step[1], () if kind == "list" else None)
                steps.append((*step[:2], true) if draw.random() < 0.9 else step)
                continue
            before = store.get(step[1], ())
            assert isinstance(before, tuple | int)
            store[step[1]] = (*before, step[2]) if kind == "list" and isinstance(before, tuple) else step[2]
            steps.append(step)
        answered[index] = tuple(steps)

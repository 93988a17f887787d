"""The checkers of histories: how quick they are, and that they never disagree with trying every order.

500,000 random small histories are judged, which takes a minute; `KELPIE_CHECKERS_HISTORIES=20000` judges a share.
"""

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks.figure import Figure
from kelpie_sim.check.linearizability import Linearizable, Unknown, check_linearizable
from kelpie_sim.check.models import key_value
from kelpie_sim.check.operations import Operation
from kelpie_sim.check.serializability import Serializable, check_serializable
from kelpie_sim.check.transactions import WRITE_OF, Kind
from tests.sim.check import oracle
from tests.sim.check.made import MODELS, random_history, random_transactions

HISTORIES = "KELPIE_CHECKERS_HISTORIES"
HISTORIES_ALL = 500_000
CLIENTS = 10
REPETITIONS = 3


def figures() -> Iterator[Figure]:
    """Yield the speeds, then the agreement."""
    for count in (1_000, 10_000):
        yield _speed(f"linearizability, {count:,} operations on one register", register_history(count, keys=1), 20_000)
        keyed = register_history(count, keys=count // 50)
        yield _speed(f"linearizability, {count:,} operations on {count // 50} keys", keyed, 20_000)
        yield _transaction_speed(count)
    yield from agreement(int(os.environ.get(HISTORIES, HISTORIES_ALL)))


def register_history(count: int, *, keys: int, seed: int = 1) -> tuple[Operation, ...]:
    """Return a linearizable history of clients that read, write and swap; one operation in fifty stays unanswered."""
    draw = random.Random(seed)
    state: dict[object, object] = {}
    found: list[Operation] = []
    busy: dict[int, tuple[int, str, dict[str, object], dict[str, object]]] = {}
    place = index = 0
    while index < count or busy:
        client = draw.randrange(CLIENTS)
        if client in busy:
            start, name, arguments, result = busy.pop(client)
            lost = draw.random() < 0.02 and name == "put"
            found.append(
                Operation(
                    index=len(found), process=f"{client}/{start}", name=name, arguments=arguments, start=start,
                    end=None if lost else place, outcome="info" if lost else "ok", result={} if lost else result,
                )
            )  # fmt: skip
        elif index < count:
            index += 1
            name, arguments, result = _operation(draw, state, draw.randrange(keys), index)
            busy[client] = (place, name, arguments, result)
        place += 1
    return tuple(found)


def _operation(
    draw: random.Random, state: dict[object, object], key: int, value: int
) -> tuple[str, dict[str, object], dict[str, object]]:
    """Return an operation that takes effect at once, with its answer."""
    now, choice = state.get(key), draw.random()
    if choice < 0.5:
        return "get", {"key": key}, {"value": now}
    if choice < 0.8:
        state[key] = value
        return "put", {"key": key, "value": value}, {}
    expected = now if draw.random() < 0.5 else -1
    if expected == now:
        state[key] = value
    return "cas", {"key": key, "expected": expected, "value": value}, {"swapped": expected == now}


def _timed(work: Callable[[], object]) -> float:
    """Return the least CPU seconds of a few repetitions."""
    found: list[float] = []
    for _ in range(REPETITIONS):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def _speed(name: str, history: Sequence[Operation], floor: float) -> Figure:
    judgement = check_linearizable(history, key_value())
    assert isinstance(judgement, Linearizable), str(judgement)
    seconds = _timed(lambda: check_linearizable(history, key_value()))
    return Figure(name=name, value=len(history) / seconds, unit="operations/s", floor=floor)


def _transaction_speed(count: int) -> Figure:
    history = transaction_history(count)
    judgement = check_serializable(history, "list", strict=True)
    assert isinstance(judgement, Serializable), str(judgement)
    seconds = _timed(lambda: check_serializable(history, "list", strict=True))
    name = f"strict serializability, {count:,} transactions on {count // 50} lists"
    return Figure(name=name, value=count / seconds, unit="transactions/s", floor=5_000)


def transaction_history(count: int, *, seed: int = 1) -> tuple[Operation, ...]:
    """Return a serial history of transactions of three steps each, on lists."""
    draw = random.Random(seed)
    lists: dict[int, tuple[int, ...]] = {}
    found: list[Operation] = []
    for index in range(count):
        steps: list[tuple[object, ...]] = []
        for step in range(3):
            key, value = draw.randrange(max(1, count // 50)), 3 * index + step
            if draw.random() < 0.5:
                steps.append(("read", key, lists.get(key, ())))
            else:
                lists[key] = (*lists.get(key, ()), value)
                steps.append(("append", key, value))
        found.append(
            Operation(
                index=index, process="a", name="transaction", start=2 * index, end=2 * index + 1,
                result={"steps": tuple(steps)},
            )
        )  # fmt: skip
    return tuple(found)


def agreement(count: int) -> Iterator[Figure]:
    """Judge so many random small histories, half of each sort, and yield how often checker and oracle disagree."""
    names = tuple(MODELS)
    for what, judge in (("linearizability", _linearizable_differs), ("serializability", _serializable_differs)):
        started = time.process_time()
        right = differing = 0
        for seed in range(count // 2):
            expected, differs = judge(seed, names)
            right += expected
            differing += differs
        share = 100 * right / (count // 2)
        told = f"{count // 2:,} histories, {share:.0f} % of them right, {time.process_time() - started:.0f} s"
        yield Figure(
            name=f"{what}: disagreements with every order tried", value=differing, unit="", ceiling=0, against=told
        )


def _linearizable_differs(seed: int, names: Sequence[str]) -> tuple[bool, bool]:
    model, drawn = MODELS[names[seed % len(names)]]
    history = random_history(random.Random(seed), drawn, lost=0.25 if seed % 3 else 0.6)
    expected, judgement = oracle.is_linearizable(history, model), check_linearizable(history, model)
    return expected, isinstance(judgement, Unknown) or expected != isinstance(judgement, Linearizable)


def _serializable_differs(seed: int, names: Sequence[str]) -> tuple[bool, bool]:
    strict = seed % 4 >= 2
    kind: Kind = "list" if seed % 2 else "register"
    history = random_transactions(random.Random(seed), kind)
    expected = oracle.is_serializable(history, WRITE_OF[kind], strict=strict)
    judgement = check_serializable(history, kind, strict=strict)
    return expected, isinstance(judgement, Unknown) or expected != isinstance(judgement, Serializable)

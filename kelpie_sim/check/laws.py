"""The laws that a recorded history can be held to, by name: what a command line and a report need.

Those of single operations are linearizability on a ready model; those of transactions are serializability, strict or
not, on lists or registers.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from kelpie_sim.check import models
from kelpie_sim.check.linearizability import Linearizable, NotLinearizable, Unknown, check_linearizable
from kelpie_sim.check.operations import Operation, from_jsonl
from kelpie_sim.check.serializability import NotSerializable, Serializable, check_serializable
from kelpie_sim.check.transactions import Kind

Judgement = Linearizable | Serializable | NotLinearizable | NotSerializable | Unknown
Law = Callable[[Iterable[Operation]], Judgement]


def _transactions(operations: Iterable[Operation], *, kind: Kind, strict: bool) -> Judgement:
    return check_serializable(operations, kind, strict=strict)


LAWS: Mapping[str, Law] = {
    "register": partial(check_linearizable, model=models.register()),
    "cas-register": partial(check_linearizable, model=models.cas_register()),
    "counter": partial(check_linearizable, model=models.counter()),
    "queue": partial(check_linearizable, model=models.queue()),
    "set": partial(check_linearizable, model=models.unique_set()),
    "lock": partial(check_linearizable, model=models.mutex()),
    "key-value": partial(check_linearizable, model=models.key_value()),
    "lists": partial(_transactions, kind="list", strict=False),
    "strict-lists": partial(_transactions, kind="list", strict=True),
    "registers": partial(_transactions, kind="register", strict=False),
    "strict-registers": partial(_transactions, kind="register", strict=True),
}


def judge(name: str, history: str | Iterable[Operation]) -> Judgement:
    """Hold a history, live or as JSON lines, to the law of this name.

    Raise ValueError for a law that there is not, a text that is no history, or operations that the law does not know.
    """
    if name not in LAWS:
        raise ValueError(f"there is no law {name!r}; there are {', '.join(LAWS)}")
    return LAWS[name](from_jsonl(history) if isinstance(history, str) else history)


def holds(judgement: Judgement) -> bool:
    """Say whether the law certainly holds; a search that gave up proves nothing."""
    return isinstance(judgement, Linearizable | Serializable)

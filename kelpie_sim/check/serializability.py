"""Could the transactions have run one after the other?

Like Elle: cycles in the graph of dependencies are anomalies, each with the name that the literature gives to its kind:

    G0              only writes over writes                     (dirty write)
    G1a, G1b, G1c   reads of failed, half-done, or circular writes
    lost update     two read one version, and both overwrite it
    G-single        exactly one read of what was overwritten    (read skew)
    G2              several                                     (write skew)
    ...-realtime    only wrong because one was answered before the other was asked (strict serializability)

Beside cycles: an answer that contradicts its own transaction (internal), reads of what nobody wrote, elements read
twice, lists that do not continue each other.

Laws: who says Serializable has an order that was replayed and gave each answer. Where the graph knows too little
(registers), an order is searched for as linearizability.py does, and giving up is Unknown, never a pass.
"""

import heapq
from collections.abc import Hashable, Iterable, Sequence

import attrs

from kelpie_sim.check.cycles import Edge, shortest_cycle
from kelpie_sim.check.dependencies import Anomaly, Dependencies
from kelpie_sim.check.linearizability import Linearizable, Unknown, check_linearizable
from kelpie_sim.check.models import Model
from kelpie_sim.check.operations import Operation
from kelpie_sim.check.transactions import Kind, Transaction, transactions_of
from kelpie_sim.errors import InvariantBroken, Undecided

STEPS_MAX = 200_000
TRANSACTION = "transaction"
NO_ORDER = "no serial order"

# Where a cycle starts, and over what it may go on; from the gravest to the least.
_SEARCHES = (
    ("ww", ("ww",)),
    ("wr", ("ww", "wr")),
    ("rw", ("ww", "wr")),
    ("rw", ("ww", "wr", "rw")),
)

Store = tuple[tuple[Hashable, Hashable], ...]


@attrs.frozen(kw_only=True)
class Serializable:
    """The history is right, and `order` is one order (of indexes) that gives each answer."""

    order: tuple[int, ...]


@attrs.frozen(kw_only=True)
class NotSerializable:
    """What no serial order could have shown: of each name, one."""

    anomalies: tuple[Anomaly, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of what was found."""
        return tuple(anomaly.name for anomaly in self.anomalies)

    def __str__(self) -> str:
        return "\n".join((", ".join(self.names), *(f"  {line}" for line in self._lines())))

    def _lines(self) -> list[str]:
        return [line for anomaly in self.anomalies for line in str(anomaly).splitlines()]


Judgement = Serializable | NotSerializable | Unknown


def check_serializable(
    operations: Iterable[Operation],
    kind: Kind,
    *,
    strict: bool = False,
    name: str = TRANSACTION,
    steps_max: int = STEPS_MAX,
) -> Judgement:
    """Return whether the operations of this name, transactions on lists or on registers, are (strictly) serializable.

    Raise ValueError for an operation that is no transaction, or a value that was written twice.
    """
    operations = tuple(operations)
    transactions = transactions_of(operations, kind, name=name)
    known = Dependencies(transactions, kind, strict=strict)
    # An aborted read leads to a transaction that did not take effect, so there is nothing to sort.
    order = [] if known.anomalies else _sorted(known)
    cyclic = len(order) < len(known.effective)
    anomalies: dict[str, Anomaly] = {}
    for anomaly in (*known.anomalies, *(_cycles(known, transactions, strict=strict) if cyclic else ())):
        anomalies.setdefault(anomaly.name, anomaly)
    if anomalies:
        return NotSerializable(anomalies=tuple(anomalies.values()))
    if _replays(order, kind):
        return Serializable(order=tuple(each.index for each in order))
    return _searched(operations, known.effective, kind, strict=strict, steps_max=steps_max)


def require_serializable(
    operations: Iterable[Operation],
    kind: Kind,
    *,
    strict: bool = False,
    name: str = TRANSACTION,
    steps_max: int = STEPS_MAX,
) -> Serializable:
    """Return an order that explains the transactions; raise InvariantBroken if there is none, Undecided if nobody
    knows."""
    judgement = check_serializable(operations, kind, strict=strict, name=name, steps_max=steps_max)
    if isinstance(judgement, Serializable):
        return judgement
    law = "strictly serializable" if strict else "serializable"
    raise (Undecided if isinstance(judgement, Unknown) else InvariantBroken)(f"{law} {kind}s: {judgement}")


# --- cycles


def _cycles(known: Dependencies, transactions: Sequence[Transaction], *, strict: bool) -> Iterable[Anomaly]:
    by_index = {each.index: each for each in transactions}
    for extra in ((), ("rt",)) if strict else ((),):
        for first, rest in _SEARCHES:
            cycle = shortest_cycle(known.graph, first, (*rest, *extra))
            if cycle:
                members = tuple(by_index[edge.source] for edge in cycle)
                yield _anomaly(cycle, members)


def _anomaly(cycle: tuple[Edge, ...], members: tuple[Transaction, ...]) -> Anomaly:
    story = tuple(f"{edge.kind}  {edge.why}" for edge in cycle)
    return Anomaly(name=_name(cycle, members), transactions=tuple(each.index for each in members), story=story)


def _name(cycle: tuple[Edge, ...], members: tuple[Transaction, ...]) -> str:
    kinds = [edge.kind for edge in cycle]
    overwrites = kinds.count("rw")
    if overwrites:
        name = "G-single" if overwrites == 1 else "G2"
        if len(members) == 2 and "rt" not in kinds and _is_lost_update(*members):
            name = "lost update"
    else:
        name = "G1c" if "wr" in kinds else "G0"
    return f"{name}-realtime" if "rt" in kinds else name


def _is_lost_update(one: Transaction, other: Transaction) -> bool:
    keys = [key for key in one.writes if key in other.writes and key in one.reads and key in other.reads]
    return any(one.reads[key] == other.reads[key] for key in keys)


# --- orders


def _sorted(known: Dependencies) -> list[Transaction]:
    """Return the transactions in an order that keeps all edges; of those that are free, the first answered first.

    Those on a cycle, and all that follow one, are left out.
    """
    waits = {each.index: 0 for each in known.effective}
    out: dict[int, list[int]] = {}
    for edge in known.graph.edges():
        waits[edge.target] += 1
        out.setdefault(edge.source, []).append(edge.target)
    by_index = {each.index: each for each in known.effective}
    free = [_rank(each) for each in known.effective if not waits[each.index]]
    heapq.heapify(free)
    order: list[Transaction] = []
    while free:
        index = heapq.heappop(free)[1]
        order.append(by_index[index])
        for target in out.get(index, ()):
            waits[target] -= 1
            if not waits[target]:
                heapq.heappush(free, _rank(by_index[target]))
    return order


def _rank(transaction: Transaction) -> tuple[int, int]:
    return (transaction.start if transaction.end is None else transaction.end, transaction.index)


def _replays(order: Sequence[Transaction], kind: Kind) -> bool:
    """Say whether running the transactions in this order gives each its answers."""
    store: dict[Hashable, Hashable] = {}
    for transaction in order:
        absent = () if kind == "list" else None
        if any(store.get(key, absent) != value for key, value in transaction.reads.items()):
            return False
        _write(store, transaction, kind)
    return True


def _write(store: dict[Hashable, Hashable], transaction: Transaction, kind: Kind) -> None:
    for key, values in transaction.writes.items():
        if kind == "register":
            store[key] = values[-1]
        else:
            before = store.get(key, ())
            assert isinstance(before, tuple), "a list is kept as a tuple"
            store[key] = (*before, *values)


def _searched(
    operations: Sequence[Operation], effective: Sequence[Transaction], kind: Kind, *, strict: bool, steps_max: int
) -> Judgement:
    """Search for an order as if each transaction were one operation on one store, in real time or out of it."""
    by_index = {each.index: each for each in effective}
    asked = [operation for operation in operations if operation.index in by_index]
    if not strict:
        # All at once: each starts before any ends.
        asked = [
            attrs.evolve(operation, start=place, end=len(asked) + place if operation.happened else None)
            for place, operation in enumerate(sorted(asked, key=lambda operation: _rank(by_index[operation.index])))
        ]

    def step(state: Store, operation: Operation) -> tuple[bool, Store]:
        transaction, store = by_index[operation.index], dict(state)
        absent = () if kind == "list" else None
        legal = all(store.get(key, absent) == value for key, value in transaction.reads.items())
        _write(store, transaction, kind)
        return legal, tuple(sorted(store.items(), key=repr))

    model: Model[Store] = Model(name=f"store of {kind}s", initial=(), step=step, by_process=True)
    judgement = check_linearizable(asked, model, steps_max=steps_max)
    if isinstance(judgement, Linearizable):
        return Serializable(order=judgement.order)
    if isinstance(judgement, Unknown):
        return judgement
    story = tuple(str(judgement).splitlines())
    return NotSerializable(anomalies=(Anomaly(name=NO_ORDER, transactions=tuple(by_index), story=story),))

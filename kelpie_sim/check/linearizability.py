"""Is there an order of the operations, true to real time, in which each answer is right?

The search is that of J. Wing and C. Gong, "Testing and verifying concurrent objects", JPDC 1993: take an operation that
nothing still unexplained had finished before, step the model, go on; when stuck, take the last one back. It remembers
which sets of operations in which state it has been in, as G. Lowe does in "Testing for linearizability", CCPE 2017, and
judges the parts of a partitioned history one by one, as Porcupine does.

An operation whose outcome nobody knows may take effect at any time after it was asked for, or never. Such operations
are tried last, only where they change the state, of equal ones only the oldest, and never where the search has been
with fewer of them spent: so many of them cost little.

Laws: the answer is Linearizable, NotLinearizable or Unknown, three classes, so that nobody takes a search that gave up
for a good history. Its budget counts steps of the model and no seconds: equal histories have equal answers everywhere.
"""

from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise
from typing import Generic, TypeVar

import attrs

from kelpie_sim.check.models import Model
from kelpie_sim.check.operations import Operation
from kelpie_sim.errors import InvariantBroken, Undecided

State = TypeVar("State", bound=Hashable)

STEPS_MAX = 2_000_000
TOLD_MAX = 12


@attrs.frozen(kw_only=True)
class Linearizable:
    """The history is right, and `order` is one order (of indexes) that explains it."""

    order: tuple[int, ...]


@attrs.frozen(kw_only=True)
class Unknown:
    """The budget ran out: nobody knows. This is never a pass."""

    model: str
    part: Hashable
    steps: int

    def __str__(self) -> str:
        return f"{_subject(self.model, self.part)}: undecided after {self.steps} steps of the model"


@attrs.frozen(kw_only=True)
class NotLinearizable:
    """No order explains the history. Holds the shortest prefix of which that is true."""

    model: str
    part: Hashable
    prefix: tuple[Operation, ...]
    """What had been asked by then; an operation that was answered later stands here without its answer."""
    order: tuple[Operation, ...]
    """The longest order found that is right as far as it goes."""
    states: tuple[str, ...]
    """The state before the order, and after each operation in it."""
    stuck: tuple[Operation, ...]
    """What would have to come next, and cannot."""

    def __str__(self) -> str:
        answers = sum(operation.happened for operation in self.prefix)
        lines = [f"{_subject(self.model, self.part)}: no order explains the first {answers} answers"]
        told = list(zip(self.order, self.states[1:], strict=True))
        lines.append(f"  the longest that explains its part has {len(told)} operations, from {self.states[0]}")
        if len(told) > TOLD_MAX:
            lines.append(f"    ... {len(told) - TOLD_MAX} more")
        for number, (operation, state) in list(enumerate(told, 1))[-TOLD_MAX:]:
            lines.append(f"    {number}. {operation}; then it is {state}")
        lines.append("  and none of these can come next:")
        lines += [f"    {operation}" for operation in self.stuck]
        return "\n".join(lines)


Judgement = Linearizable | NotLinearizable | Unknown


def check_linearizable(
    operations: Iterable[Operation], model: Model[State], *, steps_max: int = STEPS_MAX
) -> Judgement:
    """Return whether the operations, all on one thing, are linearizable.

    Raise ValueError for an operation that the model does not know.
    """
    parts: dict[Hashable, list[Operation]] = {}
    for operation in operations:
        model.check_shape(operation)
        if operation.may_have_happened:
            parts.setdefault(model.partition(operation), []).append(operation)
    points: list[tuple[int, int]] = []
    for part, found in parts.items():
        search = _Search(found, model, steps_max)
        if search.run() is None:
            return Unknown(model=model.name, part=part, steps=search.steps)
        if search.stuck_at is not None:
            return _counterexample(part, found, model, search.stuck_at, steps_max)
        steps_max -= search.steps
        points += _points(search.order())
    # Parts do not touch each other, so any order true to real time that keeps each part's own explains them all.
    return Linearizable(order=tuple(index for _, index in sorted(points, key=lambda point: point[0])))


def require_linearizable(
    operations: Iterable[Operation], model: Model[State], *, steps_max: int = STEPS_MAX
) -> Linearizable:
    """Return the order that explains the operations; raise InvariantBroken if there is none, Undecided if nobody
    knows."""
    judgement = check_linearizable(operations, model, steps_max=steps_max)
    if isinstance(judgement, Linearizable):
        return judgement
    raise (Undecided if isinstance(judgement, Unknown) else InvariantBroken)(f"linearizable {judgement}")


def _subject(model: str, part: Hashable) -> str:
    return model if part is None else f"{model}, part {part!r}"


def _points(order: Iterable[Operation]) -> Iterable[tuple[int, int]]:
    """Yield for each operation the earliest place at which it can have taken effect, and its index."""
    point = 0
    for operation in order:
        point = max(point, operation.start)
        yield point, operation.index


# What was answered and taken, and the state, with the sets of unanswered operations taken to get there.
_Seen = dict[tuple[int, int, State], list[int]]
# A node, or -1 - number of an unanswered operation; the answer it was tried at; the state and what was taken before.
_Taken = tuple[int, int, State, int, int, int]


class _Search(Generic[State]):
    """One search. `stuck_at` is the place of the answer that no order got past, None if there is an order.

    Nodes are integers: 0 to n-1 the invocations of answered operations by age, n to 2n-1 their answers, 2n the head of
    the list of what is not explained yet, 2n+1 its end. What is taken is `low` (all below it) with a window of bits
    above, so that a long history costs no more per step than a short one.
    """

    def __init__(self, operations: Iterable[Operation], model: Model[State], steps_max: int) -> None:
        by_start = sorted(operations, key=lambda operation: operation.start)
        self._answered = [operation for operation in by_start if operation.happened]
        self._pending = [operation for operation in by_start if not operation.happened]
        self._twins = _twins(self._pending, model.by_process)
        self._model = model
        self._steps_left = steps_max
        self._path: list[Operation] = []
        self._best: list[Operation] | None = None
        self.steps = 0
        self.stuck_at: int | None = None

    def run(self, *, keep_best: bool = False) -> bool | None:
        """Return whether there is an order, or None when the budget ran out."""
        if keep_best:
            self._best = []
        count = len(self._answered)
        places = sorted(
            [(operation.start, node) for node, operation in enumerate(self._answered)]
            + [(_end(operation), count + node) for node, operation in enumerate(self._answered)]
        )
        chain = [2 * count, *(node for _, node in places), 2 * count + 1]
        after, before = [0] * len(chain), [0] * len(chain)
        for node, following in pairwise(chain):
            after[node], before[following] = following, node
        return self._walk(count, after, before)

    def _walk(self, count: int, after: list[int], before: list[int]) -> bool | None:
        """Search; this is the hot path, so it keeps everything in locals."""
        step, answered, path = self._model.step, self._answered, self._path
        left, budget = count, self._steps_left
        state, low, window, loose = self._model.initial, 0, 0, 0
        seen: _Seen[State] = {}
        stack: list[_Taken[State]] = []
        node, pending_from = after[2 * count], 0
        while left and budget > 0:
            if node < count:
                budget -= 1
                legal, new = step(state, answered[node])
                if not legal:
                    node = after[node]
                    continue
                low_new, window_new = low, window | 1 << (node - low)
                while window_new & 1:
                    low_new, window_new = low_new + 1, window_new >> 1
                key = (low_new, window_new, new)
                known = seen.get(key, ())
                if known and _covered(known, loose):
                    node = after[node]
                    continue
                stack.append((node, 0, state, low, window, loose))
                path.append(answered[node])
                low, window, left = low_new, window_new, left - 1
                _lift(node, after, before)
                _lift(node + count, after, before)
            else:
                # Nothing asked before this answer fits. Perhaps something took effect that nobody heard of.
                place = _end(answered[node - count])
                last = stack[-1] if stack and stack[-1][0] < 0 else None
                number, new = self._pending_step(pending_from, place, (low, window, loose, state), last, seen)
                budget -= 1
                if number < 0:
                    self._note_stuck(place)
                    if not stack:
                        break
                    was, answer, state, low, window, loose = stack.pop()
                    path.pop()
                    node, pending_from = (answer, -was) if was < 0 else (after[was], 0)
                    if was >= 0:
                        _unlift(was + count, after, before)
                        _unlift(was, after, before)
                        left += 1
                    continue
                stack.append((-1 - number, node, state, low, window, loose))
                path.append(self._pending[number])
                loose |= 1 << number
                key = (low, window, new)
            seen.setdefault(key, []).append(loose)
            state = new
            node, pending_from = after[2 * count], 0
        self.steps = self._steps_left - budget
        if left and budget <= 0:
            return None
        self.stuck_at = self.stuck_at if left else None
        return not left

    def _pending_step(
        self,
        first: int,
        place: int,
        here: tuple[int, int, int, State],
        last: _Taken[State] | None,
        seen: _Seen[State],
    ) -> tuple[int, State]:
        """Return the number of the next unanswered operation worth taking, -1 for none, and the state after it.

        `last` is what was taken just before, if that was unanswered too: what does the same without it is left to the
        search that goes on without it.
        """
        low, window, loose, state = here
        step, pending = self._model.step, self._pending
        for number in range(first, len(pending)):
            operation, twin = pending[number], self._twins[number]
            if operation.start > place:
                break
            if loose >> number & 1 or (twin >= 0 and not loose >> twin & 1):
                continue
            legal, new = step(state, operation)
            if not legal or new == state or _covered(seen.get((low, window, new), ()), loose | 1 << number):
                continue
            if last is None or step(last[2], operation) != (True, new):
                return number, new
        return -1, state

    def _note_stuck(self, place: int) -> None:
        if self.stuck_at is None or place > self.stuck_at:
            self.stuck_at = place
        if self._best is not None and len(self._path) > len(self._best):
            self._best = list(self._path)

    def order(self) -> list[Operation]:
        """Return the order that was found."""
        return self._path

    def best(self) -> list[Operation]:
        """Return the longest order found on the way, if it was to be kept."""
        return self._best or []


def _end(operation: Operation) -> int:
    assert operation.end is not None, f"operation {operation.index} is answered, but not at any place"
    return operation.end


def _covered(known: Sequence[int], loose: int) -> bool:
    """Say whether a search was here with the same unanswered operations taken, or fewer: it could do all that this one
    can."""
    return any(mask & loose == mask for mask in known)


def _lift(node: int, after: list[int], before: list[int]) -> None:
    after[before[node]], before[after[node]] = after[node], before[node]


def _unlift(node: int, after: list[int], before: list[int]) -> None:
    after[before[node]] = before[after[node]] = node


def _twins(pending: list[Operation], by_process: bool) -> list[int]:
    """Return for each unanswered operation the number of the last older one that does the same, or -1."""
    last: dict[object, int] = {}
    twins: list[int] = []
    for number, operation in enumerate(pending):
        who = operation.process if by_process else ""
        key = (who, operation.name, tuple(sorted(operation.arguments.items(), key=lambda item: item[0])))
        twins.append(last.get(key, -1))
        last[key] = number
    return twins


def _counterexample(
    part: Hashable, operations: list[Operation], model: Model[State], stuck_at: int, steps_max: int
) -> NotLinearizable:
    """Return the shortest prefix that has no order, found by halving: a prefix of a linearizable history is one too."""
    ends = sorted(_end(operation) for operation in operations if operation.happened)
    low, high = ends.index(stuck_at), len(ends) - 1
    while low < high:
        middle = (low + high) // 2
        # A prefix too hard to judge counts as explained: then the one told is bad all the same, only not the shortest.
        if _Search(_prefix(operations, ends[middle]), model, steps_max).run() is False:
            high = middle
        else:
            low = middle + 1
    prefix = _prefix(operations, ends[high])
    search = _Search(prefix, model, steps_max)
    search.run(keep_best=True)
    order = search.best()
    states = [model.initial]
    for operation in order:
        states.append(model.step(states[-1], operation)[1])
    return NotLinearizable(
        model=model.name,
        part=part,
        prefix=tuple(prefix),
        order=tuple(order),
        states=tuple(repr(state) for state in states),
        stuck=_candidates(prefix, order),
    )


def _prefix(operations: list[Operation], place: int) -> list[Operation]:
    """Return what was asked up to a place; what was answered later is without answer."""
    asked = sorted((each for each in operations if each.start <= place), key=lambda operation: operation.start)
    return [operation if _known_by(operation, place) else _unanswered(operation) for operation in asked]


def _known_by(operation: Operation, place: int) -> bool:
    return operation.end is not None and operation.end <= place


def _unanswered(operation: Operation) -> Operation:
    return attrs.evolve(operation, outcome="info", result={}, error="not answered yet", end=None)


def _candidates(prefix: list[Operation], order: list[Operation]) -> tuple[Operation, ...]:
    """Return the answered operations outside the order that nothing else outside it had finished before."""
    explained = {operation.index for operation in order}
    left = [operation for operation in prefix if operation.happened and operation.index not in explained]
    first_end = min((_end(operation) for operation in left), default=0)
    return tuple(operation for operation in left if operation.start < first_end)

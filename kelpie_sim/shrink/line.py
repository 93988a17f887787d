"""The line of those that are ready, watched: who ran when, and who went before whom.

Choice 0 of the order takes the first in line, which is asyncio's own order. Any other is an *overtaking*. Overtakings
that a person would tell in one sentence make one *deviation*: while one step is held, or one task goes on without a
break.

Steps have labels that mean the same in another run of the same program: whose step it is, by descent, and which of its
steps. So a step can be told to wait for another one in a run of another length, which no index into a tape can do.
"""

from __future__ import annotations

from collections import Counter, deque

import attrs

from kelpie_sim.seed import Streams, overtake
from kelpie_sim.strategies import SCHEDULE_STREAM
from kelpie_sim.strategies.owners import NOBODY, Kin, owner_of
from kelpie_sim.tasks import Ready, callback_of

Label = tuple[int | str, int]
"""Whose step, and which of theirs."""

# What nobody ever waits for.
_FREE: Label = ("", 0)


@attrs.frozen
class Hold:
    """A step that waits, although it is first in line, until another one is done; None: while others are ready."""

    who: Label
    until: Label | None


@attrs.frozen
class Rush:
    """Somebody who goes before all others, from one of their steps on."""

    who: Label


@attrs.frozen
class Turns:
    """Steps that are taken in this order when they are ready together, as soon as one of them is first in line."""

    order: tuple[Label, ...]


Plan = tuple[Hold | Rush | Turns, ...]


@attrs.frozen
class Overtaking:
    """A step that went before the first in line."""

    position: int
    """How many steps were taken before."""
    held: Label
    taken: Label


class Line:
    """A strategy that follows the tape, and notes what comes of it."""

    name = "watched"

    def __init__(self, streams: Streams) -> None:
        self.ready: deque[Ready] = deque()
        self.order: list[Label] = []
        self.starts: list[Label] = []
        """The first steps, as they joined the line."""
        self.overtakings: list[Overtaking] = []
        self._channel = streams.tape.channel(SCHEDULE_STREAM)
        self._kin = Kin()
        self._labels: dict[int, Label] = {}
        self._steps: Counter[int | str] = Counter()

    def add(self, handle: Ready) -> None:
        """Join the end of the line."""
        serial = owner_of(handle)
        whose = _callback_name(handle) if serial == NOBODY else self._kin.key(serial)
        step = self._steps[whose] = self._steps[whose] + 1
        self._labels[id(handle)] = (whose, step)
        if step == 1:
            self.starts.append((whose, step))
        self.ready.append(handle)

    def take(self) -> Ready:
        """Take the one whose turn it is."""
        line = self.ready
        index = self.choose() if len(line) > 1 else 0
        if index:
            self.note(line[0], line[index])
        handle = overtake(line, index)
        self.order.append(self._labels.pop(id(handle)))
        return handle

    def choose(self) -> int:
        """Return the place in line of who goes next, and put it on the tape."""
        return self._channel.scripted(len(self.ready))

    def note(self, first: Ready, taken: Ready) -> None:
        """Note that one goes before the first in line."""
        self.overtakings.append(Overtaking(len(self.order), self.label(first), self.label(taken)))

    def label(self, handle: Ready) -> Label:
        """Return the label of one who waits in line."""
        return self._labels[id(handle)]

    def holds(self) -> tuple[Hold, ...]:
        """Return, for each step that was overtaken, the step before it; in the order in which they were taken."""
        held = {overtaking.held for overtaking in self.overtakings}
        return tuple(Hold(label, self.order[index - 1]) for index, label in enumerate(self.order) if label in held)


class PlannedLine(Line):
    """First come, first served, but for some holds and rushes; who is held goes when nobody else is ready."""

    name = "planned"

    def __init__(self, streams: Streams, plan: Plan) -> None:
        super().__init__(streams)
        self._until = {each.who: each.until for each in plan if isinstance(each, Hold)}
        self._rushing = {each.who[0]: each.who[1] for each in plan if isinstance(each, Rush)}
        self._turns = {who: at for each in plan if isinstance(each, Turns) for at, who in enumerate(each.order)}
        self._waited_for: set[Label | None] = {None, *self._until.values()}

    def take(self) -> Ready:
        """Take the one whose turn it is, and let go who waited for it."""
        handle = super().take()
        self._waited_for.discard(self.order[-1])
        return handle

    def choose(self) -> int:
        """Return the place of the first who rushes, else of the first who is not held, or whose turn it is instead;
        and put it on the tape."""
        labels = [self._labels[id(handle)] for handle in self.ready]
        index = next((at for at, label in enumerate(labels) if self._rushes(label)), None)
        if index is None:
            index = next((at for at, label in enumerate(labels) if self._is_free(label)), 0)
            if labels[index] in self._turns:
                index = min(range(len(labels)), key=lambda at: self._turns.get(labels[at], len(self._turns)))
        self._channel.record(len(labels), index)
        return index

    def _rushes(self, label: Label) -> bool:
        since = self._rushing.get(label[0])
        return since is not None and label[1] >= since

    def _is_free(self, label: Label) -> bool:
        return self._until.get(label, _FREE) not in self._waited_for


def deviations(overtakings: list[Overtaking]) -> list[list[Overtaking]]:
    """Return the overtakings in groups of one sentence each: one step waits, or one task goes on without a break."""
    groups: list[list[Overtaking]] = []
    waiting: dict[Label, list[Overtaking]] = {}
    rush: list[Overtaking] = []
    for each in overtakings:
        goes_on = bool(rush) and _goes_on(rush[-1], each)
        group = waiting.get(each.held)
        if group is None and goes_on:
            group = rush
            waiting.pop(rush[0].held, None)
        elif group is None:
            groups.append(group := [])
            waiting[each.held] = group
        rush = group if not group or (goes_on and group is rush) else []
        group.append(each)
    return groups


def _goes_on(before: Overtaking, each: Overtaking) -> bool:
    return (before.position + 1, before.taken[0]) == (each.position, each.taken[0])


def _callback_name(handle: Ready) -> str:
    callback = callback_of(handle)
    return getattr(callback, "__qualname__", type(callback).__name__)

"""A failing run in words: who went before whom, which faults struck, what the clients were told, and the finding.

The run is replayed once by its tape, with a strategy that notes the names of those who overtake. A run that was shrunk
has few such sentences; any failing run can be told, at greater length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from kelpie_sim.errors import NonDeterminism
from kelpie_sim.faults import NS_PER_SECOND
from kelpie_sim.outcome import Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.shrink.line import Line, deviations
from kelpie_sim.simulation import World, simulate
from kelpie_sim.strategies.owners import owner_of
from kelpie_sim.tape import Tape
from kelpie_sim.tasks import Ready, SimTask, callback_of


@attrs.frozen(kw_only=True)
class Deviation:
    """A departure from asyncio's own order."""

    time_ns: int
    text: str

    @property
    def line(self) -> str:
        """The deviation as a line of a story."""
        return f"{self.time_ns / NS_PER_SECOND:.6f} s  order: {self.text}"


@attrs.frozen(kw_only=True)
class Story:
    """A failing run, told. `outcome` is the run again, its trace kept."""

    outcome: Outcome
    deviations: tuple[Deviation, ...]
    lines: tuple[str, ...]
    """Operations, faults, deviations, and what the scenario itself told, in the order of events; then the finding."""

    @property
    def text(self) -> str:
        """The lines, numbered."""
        return "\n".join(f"{number:>3}. {line}" for number, line in enumerate(self.lines, 1))


NAMES_MAX = 3


@attrs.frozen
class _Told:
    """What a person wants to know of an overtaking."""

    time_ns: int
    after_lines: int
    held: str
    taken: str


class TellingLine(Line):
    """A line that notes names and moments too. It follows the tape, or the given picks: {which pick: place in line}."""

    def __init__(self, world: World, picks: Mapping[int, int] | None = None) -> None:
        super().__init__(world.streams)
        self._world = world
        self._picks = picks
        self._told: list[_Told] = []
        self._names: dict[int, str] = {}

    def choose(self) -> int:
        """Return the place in line of who goes next, and put it on the tape."""
        if self._picks is None:
            return super().choose()
        bound = len(self.ready)
        choice = self._picks.get(len(self._channel), 0) % bound
        self._channel.record(bound, choice)
        return choice

    def take(self) -> Ready:
        """Take the one whose turn it is, and learn its name: a task is often named after its birth."""
        handle = super().take()
        owner = getattr(callback_of(handle), "__self__", None)
        if isinstance(owner, SimTask):
            self._names[owner.serial] = owner.get_name()
        return handle

    def note(self, first: Ready, taken: Ready) -> None:
        """Note that one goes before the first in line."""
        super().note(first, taken)
        world = self._world
        self._told.append(_Told(world.now_ns, len(world.lines), self._who(first), self._who(taken)))

    def _who(self, handle: Ready) -> str:
        """Return whose step it is, in words."""
        callback = callback_of(handle)
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, SimTask):
            return f"task {owner.get_name()}"
        task = self._names.get(owner_of(handle))
        if task is None:
            return f"callback {getattr(callback, '__qualname__', type(callback).__name__)}"
        return f"the wake-up of task {task}"

    def sentences(self) -> tuple[Deviation, ...]:
        """Return the deviations of the run, in the order in which they began."""
        return tuple(Deviation(time_ns=group[0].time_ns, text=_sentence(group)) for group in self._grouped())

    def merged(self, lines: Sequence[str]) -> tuple[str, ...]:
        """Return the lines that the world told, with each deviation where it began."""
        places = [(index + 1, 1, line) for index, line in enumerate(lines)]
        for group, deviation in zip(self._grouped(), self.sentences(), strict=True):
            places.append((group[0].after_lines, 2, deviation.line))
        return tuple(line for _, _, line in sorted(places, key=lambda place: place[:2]))

    def _grouped(self) -> list[list[_Told]]:
        told = {id(overtaking): one for overtaking, one in zip(self.overtakings, self._told, strict=True)}
        return [[told[id(overtaking)] for overtaking in group] for group in deviations(self.overtakings)]


def tell(scenario: Scenario, outcome: Outcome) -> Story:
    """Return the story of a failed run.

    Raise ValueError if it did not fail, NonDeterminism if the replay does not fail in the same way.
    """
    if outcome.finding is None:
        raise ValueError(f"seed {outcome.seed} of {outcome.scenario} did not fail: there is nothing to tell")
    lines: list[TellingLine] = []

    def line(world: World) -> TellingLine:
        lines.append(TellingLine(world))
        return lines[0]

    tape = Tape.replaying(outcome.tape)
    again = simulate(scenario, outcome.seed, tape=tape, keep_trace=True, strategy=line)
    if again.finding is None or again.finding.signature != outcome.finding.signature:
        raise NonDeterminism(f"seed {outcome.seed} of {outcome.scenario} does not fail in the same way again")
    end = f"{again.virtual_ns / NS_PER_SECOND:.6f} s  {again.finding.kind}: {again.finding.message}"
    return Story(outcome=again, deviations=lines[0].sentences(), lines=(*lines[0].merged(again.story), end))


def _sentence(group: list[_Told]) -> str:
    held, taken = _distinct(each.held for each in group), _distinct(each.taken for each in group)
    if len(group) == 1:
        return f"{taken[0]} goes before {held[0]}"
    if len(taken) == 1:
        return f"{taken[0]} goes {len(group)} steps before {_listed(held)}"
    return f"{held[0]} waits while {_listed(taken)} take {len(group)} steps"


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _listed(names: list[str]) -> str:
    if len(names) > NAMES_MAX:
        return f"{', '.join(names[:NAMES_MAX])} and {len(names) - NAMES_MAX} more"
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]

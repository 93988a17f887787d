"""Runs next to a failing one: the same choices but for one.

Of such runs one that goes well shows what made the difference. First each choice is taken back to the plainest outcome,
then the others are tried. The schedule comes first, and from its end: the later a choice that matters, the longer the
two runs are the same.
"""

from collections.abc import Iterator
from itertools import islice

from kelpie_sim.outcome import Outcome
from kelpie_sim.report.diff import RunDiff, closest
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import simulate
from kelpie_sim.tape import Tape

TRIES_MAX = 100
CHOICES_MAX = 4
SCHEDULE = "schedule"

# Stream, index within it, and the choice to make there.
Change = tuple[str, int, int]


def passing_neighbour(scenario: Scenario, failing: Outcome, tries: int = TRIES_MAX) -> RunDiff | None:
    """Return the diff of a failing run with the closest of its neighbours that went well, if one of `tries` did."""
    return closest(failing, neighbours(scenario, failing, tries))


def neighbours(scenario: Scenario, failing: Outcome, tries: int = TRIES_MAX) -> Iterator[Outcome]:
    """Yield runs that differ from a failing one in a single choice, at most `tries` of them, traces kept."""
    tape = Tape.from_json(failing.tape)
    for change in islice(changes(tape), tries):
        replayed = Tape.replaying(changed(tape, change), strict=False)
        yield simulate(scenario, failing.seed, tape=replayed, keep_trace=True)


def changes(tape: Tape) -> Iterator[Change]:
    """Yield the changes worth a try, the most telling first."""
    names = sorted(tape.names(), key=lambda name: (name != SCHEDULE, name))
    yield from _in_turns([_plainer(tape, name) for name in names])
    yield from _in_turns([_other(tape, name) for name in names])


def changed(tape: Tape, change: Change) -> Tape:
    """Return a tape with one choice changed."""
    name, index, choice = change
    edited = {each: tape.choices(each) for each in tape.names()}
    edited[name][index] = (edited[name][index][0], choice)
    return Tape.of(edited)


def _in_turns(sources: list[Iterator[Change]]) -> Iterator[Change]:
    """Yield from each source in its turn, until all are at their ends."""
    while sources:
        for source in list(sources):
            change = next(source, None)
            if change is None:
                sources.remove(source)
            else:
                yield change


def _plainer(tape: Tape, name: str) -> Iterator[Change]:
    for index, (_, choice) in reversed(list(enumerate(tape.choices(name)))):
        if choice:
            yield name, index, 0


def _other(tape: Tape, name: str) -> Iterator[Change]:
    for index, (bound, choice) in reversed(list(enumerate(tape.choices(name)))):
        yield from ((name, index, other) for other in range(1, min(bound, CHOICES_MAX)) if other != choice)

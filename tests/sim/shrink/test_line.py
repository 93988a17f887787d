"""The line: it follows tapes and plans as any strategy does, and notes who overtook whom."""

import asyncio

import pytest

from kelpie_sim.scenario import Scenario
from kelpie_sim.shrink.line import Hold, Line, Overtaking, PlannedLine, Rush, deviations
from kelpie_sim.simulation import World, simulate
from kelpie_sim.tape import Tape


async def race(world: World) -> None:
    """Two who take three steps each."""

    async def runner(name: str) -> None:
        for _ in range(3):
            world.story(name)
            await asyncio.sleep(0)

    await asyncio.gather(*(asyncio.create_task(runner(name), name=name) for name in "ab"))


RACE = Scenario(name="race", run=race)


def raced(make, tape: Tape | None = None) -> tuple[str, Line, Tape]:
    """Return who stepped when, the line, and the tape of a race."""
    tape = Tape.replaying(Tape(), strict=False) if tape is None else tape
    lines: list[Line] = []

    def line(world: World) -> Line:
        lines.append(make(world.streams))
        return lines[0]

    outcome = simulate(RACE, 1, tape=tape, strategy=line)
    return "".join(told[-1] for told in outcome.story), lines[0], tape


def label_of(line: Line, nth: int, step: int):
    """Return the label of a step of the nth racer."""
    children = [label for label in dict.fromkeys(whose for whose, _ in line.order) if isinstance(label, int)]
    return (children[1 + nth], step)


def test_empty_tape_is_first_come_first_served():
    """Without choices the order is asyncio's own, and nobody overtakes."""
    story, line, _ = raced(Line)
    assert "ababab" == story
    assert [] == line.overtakings
    assert () == line.holds()


@pytest.mark.parametrize("seed", range(5))
def test_recorded_run_is_followed(seed):
    """Along the tape of any run the line makes the same steps, and the same tape."""
    recorded = Tape()
    told = simulate(RACE, seed, tape=recorded).story
    story, line, tape = raced(Line, Tape.replaying(recorded))
    assert "".join(line[-1] for line in told) == story
    assert recorded == tape
    assert sum(1 for _, choice in tape.choices("schedule") if choice) == len(line.overtakings)


def test_hold_waits_until_another_step_is_done():
    """A held step goes as soon as the one that it waits for is done; the rest keeps its order."""
    _, plain, _ = raced(Line)
    held = Hold(label_of(plain, 0, 1), label_of(plain, 1, 2))
    story, line, _ = raced(lambda streams: PlannedLine(streams, (held,)))
    assert "bbabaa" == story
    assert {held.who} == {each.held for each in line.overtakings}


def test_hold_without_end_waits_for_all():
    """Held until nobody else is ready, a step goes last, and time does not move before it went."""
    _, plain, _ = raced(Line)
    story, *_ = raced(lambda streams: PlannedLine(streams, (Hold(label_of(plain, 0, 1), None),)))
    assert "bbbaaa" == story


def test_hold_for_what_never_comes_ends_too():
    """Who waits for a step that this run does not have goes when nobody else is ready."""
    _, plain, _ = raced(Line)
    story, *_ = raced(lambda streams: PlannedLine(streams, (Hold(label_of(plain, 0, 1), ("nobody", 9)),)))
    assert "bbbaaa" == story


def test_rush_goes_before_all():
    """Who rushes from some step on is never behind anybody from there on."""
    _, plain, _ = raced(Line)
    story, line, _ = raced(lambda streams: PlannedLine(streams, (Rush(label_of(plain, 1, 2)),)))
    assert "abbbaa" == story
    assert 1 == len(deviations(line.overtakings))


def test_planned_run_is_on_the_tape():
    """What a plan made of a run replays from its tape alone."""
    _, plain, _ = raced(Line)
    story, _, tape = raced(lambda streams: PlannedLine(streams, (Hold(label_of(plain, 0, 2), None),)))
    again = simulate(RACE, 99, tape=Tape.replaying(tape))
    assert story == "".join(told[-1] for told in again.story)


def test_run_is_told_as_holds():
    """The holds of a run, planned anew, make the same order."""
    _, plain, _ = raced(Line)
    story, line, _ = raced(lambda streams: PlannedLine(streams, (Hold(label_of(plain, 0, 1), None),)))
    assert story == raced(lambda streams: PlannedLine(streams, line.holds()))[0]


def overtaking(position: int, held: str, taken: str) -> Overtaking:
    """Return an overtaking between the first steps of two."""
    return Overtaking(position, (held, 1), (taken, 1))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([], []),
        ([(1, "a", "b")], [1]),
        ([(1, "a", "b"), (2, "a", "c"), (7, "a", "d")], [3]),
        ([(1, "a", "z"), (2, "b", "z"), (3, "c", "z")], [3]),
        ([(1, "a", "z"), (3, "b", "z")], [1, 1]),
        ([(1, "a", "y"), (2, "b", "z")], [1, 1]),
        ([(1, "a", "z"), (2, "b", "z"), (3, "a", "y")], [2, 1]),
        ([(1, "a", "y"), (2, "b", "z"), (3, "a", "x")], [2, 1]),
    ],
    ids=["none", "one", "one held by many", "one in a rush", "a break", "two pairs", "a rush is no hold", "mixed"],
)
def test_deviations_are_sentences(told, expected):
    """A step that waits, or a task that goes on without a break, is one deviation."""
    assert expected == [len(group) for group in deviations([overtaking(*each) for each in told])]

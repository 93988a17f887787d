"""Strategies of schedules and fault plans: what they draw, and what they shrink to."""

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from kelpie_sim.properties.drawing import (
    PICKS_FEW_MAX,
    PICKS_ROW_MIN,
    Schedule,
    described,
    drawn,
    fault_plans,
    schedules,
)
from tests.sim.toy import LetterLate, LetterLost

SOUND = settings(max_examples=200, database=None, derandomize=True)


def test_schedule_shrinks_to_none():
    """The plainest schedule is asyncio's own order, and seed 0."""
    assert Schedule() == find(schedules(), lambda schedule: True, settings=SOUND)


def test_few_deviations_are_left():
    """A schedule that must pass over somebody twice shrinks to two picks."""
    found = find(schedules(), lambda schedule: len(schedule.picks) >= 2, settings=SOUND)
    assert (0, [1, 1]) == (found.seed, list(found.picks.values()))


def test_long_rows_are_drawn():
    """Some schedules deviate many times in a row, which is what finds most bugs of order."""
    unshrunk = settings(SOUND, phases=[Phase.generate])
    found = find(schedules(), lambda schedule: len(schedule.picks) > PICKS_FEW_MAX, settings=unshrunk)
    assert len(found.picks) >= PICKS_ROW_MIN // 2


def test_faults_strike_once_and_surely():
    """A planned fault strikes exactly once, at the first operation unless drawn otherwise."""
    plan = find(fault_plans(LetterLost, LetterLate(seconds=2.0)), lambda plan: len(plan) >= 2, settings=SOUND)
    assert (LetterLost(max_triggers=1), LetterLost(max_triggers=1)) == plan


def test_given_fault_is_the_pattern():
    """What a given fault says is kept; operations are counted from those that it spares itself."""
    pattern = LetterLate(seconds=2.0, after=3, on="letter_send", probability=0.1)
    plan = find(fault_plans(pattern), lambda plan: any(fault.after == 8 for fault in plan), settings=SOUND)
    assert (LetterLate(seconds=2.0, after=8, on="letter_send", max_triggers=1),) == plan


def test_no_fault_is_a_plan():
    """The plainest plan is empty."""
    assert () == find(fault_plans(LetterLost), lambda plan: True, settings=SOUND)


def test_nothing_to_draw_from_is_refused():
    """A plan needs faults."""
    with pytest.raises(ValueError, match="a fault plan needs faults to draw from"):
        fault_plans()


def test_fault_in_words():
    """A fault is told by what differs from its kind's defaults."""
    assert "LetterLost()" == described(LetterLost())
    assert "LetterLate(after=2, max_triggers=1, seconds=2.0)" == described(
        LetterLate(after=2, seconds=2.0, max_triggers=1)
    )


@SOUND
@given(st.none())
def test_drawn_inside_a_test(nothing):
    """Inside a Hypothesis test values are drawn from strategies at any place."""
    assert drawn(st.just(7)) == 7


def test_drawn_outside_of_a_test_is_refused():
    """Elsewhere there is nothing to draw from."""
    with pytest.raises(InvalidArgument):
        drawn(st.just(7))

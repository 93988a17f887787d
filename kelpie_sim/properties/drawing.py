"""Strategies for what a world leaves open: who runs when, and what goes wrong.

Hypothesis shrinks best what is drawn at once and is small. So a schedule is asyncio's own order but for some picks,
and a fault plan is a short list of sure faults; both shrink to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import attrs
from hypothesis import strategies as st
from hypothesis.control import current_build_context

from kelpie_sim.faults import Fault

T = TypeVar("T")

SEED_MAX = 2**32 - 1
PLACE_MAX = 15
PICKS_FEW_MAX = 6
# Rows are long from the start, and shrink to zeros: what is drawn short finds little.
PICKS_ROW_MIN = 16
PICKS_ROW_MAX = 32
FAULTS_MAX = 3
AFTER_MAX = 16


@attrs.frozen
class Schedule:
    """Who runs when, and the seed of all other choices of a world, such as latencies."""

    seed: int = 0
    picks: Mapping[int, int] = attrs.field(factory=dict)
    """Which pick among several (from 0) takes which place in line; the others take the first."""


def schedules() -> st.SearchStrategy[Schedule]:
    """Return a strategy of schedules: a few picks anywhere, or many in a row; it shrinks to none, and to seed 0."""
    few = st.dictionaries(_moments(), st.integers(1, PLACE_MAX), max_size=PICKS_FEW_MAX)
    places = st.lists(st.integers(0, PLACE_MAX), min_size=PICKS_ROW_MIN, max_size=PICKS_ROW_MAX)
    return st.builds(Schedule, st.integers(0, SEED_MAX), st.one_of(few, st.builds(_in_a_row, _moments(), places)))


def _moments() -> st.SearchStrategy[int]:
    """Return numbers of picks: most runs have few, some have many."""
    return st.one_of(st.integers(0, 15), st.integers(0, 127), st.integers(0, 2_047))


def _in_a_row(start: int, places: Sequence[int]) -> dict[int, int]:
    return {start + index: place for index, place in enumerate(places) if place}


def fault_plans(
    *faults: Fault | type[Fault], faults_max: int = FAULTS_MAX, after_max: int = AFTER_MAX
) -> st.SearchStrategy[tuple[Fault, ...]]:
    """Return a strategy of lists of faults, each of which strikes once, at a drawn one of its matching operations.

    Each of the given faults, or kinds of them, may be drawn several times. The strategy shrinks to no fault, and to the
    first operations. Raise ValueError when no fault is given.
    """
    if not faults:
        raise ValueError("a fault plan needs faults to draw from")
    kinds = [fault() if isinstance(fault, type) else fault for fault in faults]
    return st.lists(st.builds(_sure, st.sampled_from(kinds), st.integers(0, after_max)), max_size=faults_max).map(tuple)


def _sure(fault: Fault, after: int) -> Fault:
    return attrs.evolve(fault, probability=1.0, after=fault.after + after, max_triggers=1)


def described(fault: Fault) -> str:
    """Return a fault as text, with what differs from its kind's defaults."""
    fields = attrs.fields(type(fault))
    told = (f"{field.name}={getattr(fault, field.name)!r}" for field in fields if _is_told(fault, field))
    return f"{fault.kind}({', '.join(told)})"


def _is_told(fault: Fault, field: attrs.Attribute[object]) -> bool:
    return bool(getattr(fault, field.name) != field.default)


def drawn(strategy: st.SearchStrategy[T]) -> T:
    """Draw a value inside a running Hypothesis test. Raise InvalidArgument (of Hypothesis) outside of one."""
    return current_build_context().data.draw(strategy)

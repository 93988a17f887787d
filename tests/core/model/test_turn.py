"""The turn's state and its usage."""

from hypothesis import given
from hypothesis import strategies as st

from kelpie_core.model.turn import Phase, Turn, Usage

USAGES = st.builds(
    Usage,
    prompt_tokens=st.integers(0, 99),
    completion_tokens=st.integers(0, 99),
    reasoning_tokens=st.integers(0, 99),
    cached_input_tokens=st.integers(0, 99),
)


def test_total_leaves_out_what_is_part_of_something() -> None:
    """Reasoning is part of the completion and cached input of the prompt: the total counts neither twice."""
    usage = Usage(prompt_tokens=10, completion_tokens=5, reasoning_tokens=3, cached_input_tokens=4)
    assert 15 == usage.total_tokens


def test_sum_adds_each_count() -> None:
    """Every count is added to its own."""
    one = Usage(prompt_tokens=1, completion_tokens=2, reasoning_tokens=3, cached_input_tokens=4)
    other = Usage(prompt_tokens=10, completion_tokens=20, reasoning_tokens=30, cached_input_tokens=40)
    both = Usage(prompt_tokens=11, completion_tokens=22, reasoning_tokens=33, cached_input_tokens=44)
    assert both == one.plus(other)


@given(one=USAGES, other=USAGES)
def test_sum_has_the_sum_of_totals(one: Usage, other: Usage) -> None:
    """Adding usages adds their totals, whichever comes first; nothing added changes nothing."""
    assert one.total_tokens + other.total_tokens == one.plus(other).total_tokens
    assert one.plus(other) == other.plus(one)
    assert one == one.plus(Usage())


def test_turn_begins_new() -> None:
    """A turn that was never moved waits for its input and has done nothing."""
    turn = Turn(steps_max=1, tool_calls_max=2, tokens_max=3)
    assert (Phase.NEW, 0, 0, 0, (), ()) == (
        turn.phase,
        turn.serial,
        turn.steps,
        turn.tool_calls,
        turn.pending,
        turn.returned,
    )

"""Counters of what must happen at least once."""

import pytest

from kelpie_sim.check.sometimes import Sometimes


def test_hits_are_counted_and_misses_stay_zero():
    """A name that nobody hits is in the counts, with 0."""
    sometimes = Sometimes(("retried", "recovered"))
    sometimes.hit("retried")
    sometimes.hit("retried")
    assert sometimes.counts() == {"retried": 2, "recovered": 0}


def test_undeclared_name_is_refused():
    """A name that no scenario declares could never be missed."""
    with pytest.raises(ValueError, match="declares no sometimes 'retired'; it declares retried"):
        Sometimes(("retried",)).hit("retired")

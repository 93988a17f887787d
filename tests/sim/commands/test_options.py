"""Arguments that several commands share."""

import argparse

import pytest

from kelpie_sim.commands.options import many_options, positive, seconds


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("45s", 45), ("10m", 600), ("8h", 28_800), ("2d", 172_800), ("1.5m", 90)]
)
def test_spans_of_time(text, expected):
    """A span is a number of seconds, or of the unit behind it."""
    assert expected == seconds(text)


@pytest.mark.parametrize("text", ["", "0", "0s", "-1", "5 m", "h", "10x", "1e3"])
def test_what_is_no_span_is_refused(text):
    """Anything else is refused with the forms that there are."""
    with pytest.raises(argparse.ArgumentTypeError, match="10m"):
        seconds(text)


@pytest.mark.parametrize("text", ["0", "-3"])
def test_numbers_below_one_are_refused(text):
    """A number of seeds or jobs is at least 1."""
    with pytest.raises(argparse.ArgumentTypeError, match="at least 1"):
        positive(text)


def test_scenarios_may_be_repeated():
    """Several scenarios may be named, and the seeds are each scenario's own unless said."""
    options = many_options().parse_args(["--scenario", "a", "--scenario", "b"])
    assert (["a", "b"], None) == (options.scenario, options.seeds)

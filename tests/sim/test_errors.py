"""The simulator's errors: what they say, and that they travel between processes."""

import pickle

import pytest

from kelpie_sim import errors


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errors.Unsupported("os.fork"), "os.fork cannot be used inside a simulation"),
        (errors.Unsupported("open", "use a disk"), "open cannot be used inside a simulation; use a disk"),
        (errors.Stalled(("a", "b")), "nothing is left to run, and 2 task(s) wait:\n  a\n  b"),
        (errors.Stalled((), ("x", "y")), "nothing is left to run while x, y stay(s) paused, and 0 task(s) wait:"),
        (errors.StepLimit("too many"), "too many"),
    ],
)
def test_error_says_the_same_in_another_process(error, text):
    """The text of an error survives pickling."""
    assert (text, text) == (str(error), str(pickle.loads(pickle.dumps(error))))


def test_unknown_operation_is_a_value_error():
    """A caller that knows nothing of the simulator can catch a misspelt filter."""
    assert issubclass(errors.UnknownOperation, ValueError)


def test_host_dead_passes_by_except_exception():
    """HostDead is no Exception, nor a SimulationError: code under test must not catch it by accident."""
    assert (False, False) == (
        issubclass(errors.HostDead, Exception),
        issubclass(errors.HostDead, errors.SimulationError),
    )

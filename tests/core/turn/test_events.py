"""Events are facts: values, equal by content."""

from kelpie_core.model.turn import StopReason, Usage
from kelpie_core.turn.events import InputArrived, ModelReplied, Stopped


def test_events_are_values() -> None:
    """Two events that say the same are the same."""
    assert InputArrived() == InputArrived()
    assert ModelReplied(step_id="s", usage=Usage()) == ModelReplied(step_id="s")
    assert Stopped(reason=StopReason.CANCELLED) != Stopped(reason=StopReason.ERROR)

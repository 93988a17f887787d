"""What a listener hears: values."""

from kelpie_core.ports import TextDelta
from kelpie_core.service.turn_events import Delta
from tests.twins import NOON


def test_delta_is_a_value() -> None:
    """Two deltas that say the same of the same message are the same."""
    one, same, other = (
        Delta(message_id="m", run_id="r", step_id="s", created_at=NOON, part=TextDelta(text=text))
        for text in ("a", "a", "b")
    )
    assert (True, False) == (one == same, one == other)

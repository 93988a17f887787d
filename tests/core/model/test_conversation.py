"""A conversation, and what lists of conversations are ordered by."""

import datetime as dt

import attrs
import pytest

from kelpie_core.model.conversation import Conversation
from tests.twins import NOON

LATER = NOON + dt.timedelta(hours=1)
NEW = Conversation(id="k", agent_id="a", organization_id="o", created_by_id="u", created_at=NOON, updated_at=NOON)


def test_what_never_happened_counts_from_the_beginning() -> None:
    """A conversation that nobody wrote to stands in a list where it was made."""
    assert (NOON, NOON) == (NEW.messaged_at, NEW.ran_at)
    used = attrs.evolve(NEW, last_message_at=LATER, last_run_completion=LATER)
    assert (LATER, LATER) == (used.messaged_at, used.ran_at)


@pytest.mark.parametrize("name", ["archived_at", "last_message_at", "last_run_completion", "created_at", "updated_at"])
def test_times_are_aware(name: str) -> None:
    """Every time carries the zone UTC."""
    with pytest.raises(ValueError, match=f"{name} must be an aware time in UTC"):
        attrs.evolve(NEW, **{name: NOON.replace(tzinfo=None)})  # type: ignore[arg-type]

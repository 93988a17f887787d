"""A departure."""

import datetime as dt

import pytest

from kelpie_core.model.departure import Departure
from tests.twins import NOON


def test_times_are_aware() -> None:
    """A time without a zone is no time."""
    assert NOON == Departure(id="a", organization_id="o", created_at=NOON, due_at=NOON).due_at
    with pytest.raises(ValueError, match="created_at"):
        Departure(id="a", organization_id="o", created_at=dt.datetime(2026, 1, 1), due_at=NOON)  # noqa: DTZ001

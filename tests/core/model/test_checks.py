"""Validators that the values share."""

import datetime as dt

import attrs
import pytest

from kelpie_core.model.checks import aware_utc
from tests.twins import NOON


@attrs.frozen
class Timed:
    """A value with a time."""

    created_at: dt.datetime | None = attrs.field(validator=aware_utc)


@pytest.mark.parametrize("time", [None, NOON, NOON.astimezone(dt.timezone(dt.timedelta(0)))])
def test_utc_is_accepted(time: dt.datetime | None) -> None:
    """No time, or one with the offset zero, is fine."""
    assert time == Timed(time).created_at


@pytest.mark.parametrize("time", [NOON.replace(tzinfo=None), NOON.astimezone(dt.timezone(dt.timedelta(hours=1)))])
def test_other_times_are_refused(time: dt.datetime) -> None:
    """A naive time, or one in another zone, is refused by the name of its field."""
    with pytest.raises(ValueError, match="created_at must be an aware time in UTC"):
        Timed(time)

"""Validators that the values share. They guard invariants of our own making: what a caller sends is checked earlier,
in the services, with errors that name the path.
"""

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attrs import Attribute


def aware_utc(instance: object, attribute: "Attribute[dt.datetime]", value: dt.datetime | None) -> None:
    """Raise ValueError unless a time is absent or carries the zone UTC."""
    if value is not None and value.utcoffset() != dt.timedelta(0):
        raise ValueError(f"{attribute.name} must be an aware time in UTC")

"""A step: one model call with its tools. Written in the commit that stores the model's reply; changed by feedback."""

import datetime as dt
from typing import Literal

import attrs

from kelpie_core.model.checks import aware_utc
from kelpie_core.model.turn import StopReason, Usage

Feedback = Literal["positive", "negative"]


@attrs.frozen(kw_only=True)
class Step:
    """One model call. `number` counts from 1 within its run."""

    id: str
    run_id: str
    agent_id: str
    organization_id: str
    number: int
    model: str | None = None
    usage: Usage = Usage()
    stop_reason: StopReason | None = None
    feedback: Feedback | None = None
    tags: tuple[str, ...] = ()
    created_at: dt.datetime = attrs.field(validator=aware_utc)

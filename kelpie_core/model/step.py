"""A step: one model call with its tools. Written once, in the commit that stores the model's reply."""

import datetime as dt

import attrs

from kelpie_core.model.checks import aware_utc
from kelpie_core.model.turn import StopReason, Usage


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
    created_at: dt.datetime = attrs.field(validator=aware_utc)

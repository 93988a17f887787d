"""A memory block: a labelled text of bounded length that stands in the model's window; agents may share it."""

import datetime as dt

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.limits import BLOCK_LIMIT_CHARS_DEFAULT
from kelpie_core.model.checks import aware_utc


@attrs.frozen(kw_only=True)
class Block:
    """A memory block. `limit` is in characters; `extra` holds fields of an imported file that have no name here."""

    id: str
    organization_id: str
    created_by_id: str
    label: str
    value: str
    limit: int = BLOCK_LIMIT_CHARS_DEFAULT
    description: str | None = None
    read_only: bool = False
    hidden: bool | None = None
    tags: tuple[str, ...] = ()
    metadata: JsonObject = attrs.field(factory=dict)
    last_updated_by_id: str | None = None
    created_at: dt.datetime = attrs.field(validator=aware_utc)
    updated_at: dt.datetime = attrs.field(validator=aware_utc)
    extra: JsonObject = attrs.field(factory=dict)

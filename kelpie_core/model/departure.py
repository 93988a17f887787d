"""A departure: where something stood in its lists before it was deleted.

Clients page by the id of the last item that they saw, and delete what they list: whoever walks through all agents and
deletes each would hold a cursor that names nothing. So the place is kept for a while after the thing is gone.
"""

import datetime as dt

import attrs

from kelpie_core.model.checks import aware_utc


@attrs.frozen(kw_only=True)
class Departure:
    """What was deleted, when it had been created, and until when that is remembered."""

    id: str
    organization_id: str
    created_at: dt.datetime = attrs.field(validator=aware_utc)
    due_at: dt.datetime = attrs.field(validator=aware_utc)

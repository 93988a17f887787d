"""A sweep: the promise that what belongs to some agents will vanish.

Deleting an agent commits its disappearance together with a sweep that is due at once; an import commits a sweep with
a deadline before its first chunk, and takes it back in the commit that publishes the agents. So neither a crash in
mid-delete nor one in mid-import leaves anything that a get or a list can see, nor anything that stays for ever.
"""

import datetime as dt

import attrs

from kelpie_core.model.checks import aware_utc


@attrs.frozen(kw_only=True)
class Sweep:
    """Everything under `agent_ids` goes once `due_at` has passed."""

    id: str
    agent_ids: tuple[str, ...]
    due_at: dt.datetime = attrs.field(validator=aware_utc)

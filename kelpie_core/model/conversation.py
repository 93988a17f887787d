"""A conversation: a thread of messages of an agent beside its default one.

It shares the agent's blocks and tools, and has messages, a window and turns of its own; so several people talk to one
agent at once. Its `model`, `model_settings` and `context_window_limit`, if set, are used in place of the agent's.
"""

import datetime as dt

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.model.checks import aware_utc


@attrs.frozen(kw_only=True)
class Conversation:
    """What people configure of a conversation, and when something happened in it last."""

    id: str
    agent_id: str
    organization_id: str
    created_by_id: str
    summary: str | None = None
    description: str | None = None
    model: str | None = None
    model_settings: JsonObject | None = None
    context_window_limit: int | None = None
    hidden: bool = False
    archived_at: dt.datetime | None = attrs.field(default=None, validator=aware_utc)
    last_message_at: dt.datetime | None = attrs.field(default=None, validator=aware_utc)
    last_run_completion: dt.datetime | None = attrs.field(default=None, validator=aware_utc)
    created_at: dt.datetime = attrs.field(validator=aware_utc)
    updated_at: dt.datetime = attrs.field(validator=aware_utc)
    last_updated_by_id: str | None = None

    @property
    def messaged_at(self) -> dt.datetime:
        """Return when it was written to last, or made: what a list by the last message is ordered by."""
        return self.last_message_at or self.created_at

    @property
    def ran_at(self) -> dt.datetime:
        """Return when a turn of it ended last, or it was made: what a list by the last run is ordered by."""
        return self.last_run_completion or self.created_at

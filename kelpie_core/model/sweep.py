"""A sweep: the promise that what belongs to some agents or conversations, or some messages, will vanish.

Deleting an agent commits its disappearance together with a sweep that is due at once; an import commits a sweep with
a deadline before its first chunk, and takes it back in the commit that publishes the agents. So neither a crash in
mid-delete nor one in mid-import leaves anything that a get or a list can see, nor anything that stays for ever.
"""

import datetime as dt

import attrs

from kelpie_core.model.checks import aware_utc


@attrs.frozen(kw_only=True)
class Cleared:
    """The messages of a thread with `first <= seq < end`."""

    thread_id: str
    first: int
    end: int


@attrs.frozen(kw_only=True)
class Sweep:
    """Everything under `agent_ids`, their conversations too, and `conversation_ids` goes once `due_at` has passed.

    Of what is `cleared` the messages go, and nothing else.
    """

    id: str
    agent_ids: tuple[str, ...] = ()
    conversation_ids: tuple[str, ...] = ()
    cleared: tuple[Cleared, ...] = ()
    due_at: dt.datetime = attrs.field(validator=aware_utc)

"""The stored log of a background run's stream: what was, or may have been, told to somebody, event by event.

A log is kept in chunks, each an unbroken row of events, so that a listener may go on from any event, in any process.
Events are in the wire's shape: what is told again is told as it was, whatever became of the program meanwhile.
"""

import datetime as dt
from enum import StrEnum
from typing import Literal

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.model.checks import aware_utc

NOBODY = 0
"""The token of a log that nobody may write: every lease has a greater one."""
ALWAYS_TOLD = ("ping", "stop_reason", "usage_statistics", "error_message")


class LogState(StrEnum):
    """Where a log stands. One that is GONE takes nothing more, and its chunks are being purged."""

    OPEN = "open"
    ENDED = "ended"
    GONE = "gone"


@attrs.frozen(kw_only=True)
class LoggedEvent:
    """One event: `seq_id` counts from 1, `kind` is its type in the wire's words, `name` that of the stream's frame."""

    seq_id: int
    kind: str
    data: JsonObject
    name: Literal["error"] | None = None


@attrs.frozen(kw_only=True)
class LogEnded:
    """What a reader is told behind the last event of a log."""


@attrs.frozen(kw_only=True)
class EventChunk:
    """The events of a run from `events[0].seq_id` to `seq_last`, none left out."""

    run_id: str
    seq_last: int
    events: tuple[LoggedEvent, ...]


@attrs.frozen(kw_only=True)
class EventLog:
    """What is said of a log as a whole.

    `token` is that of the lease whose holder may write. `seq_last` is the last event, `message_seq` the last stored
    message whose events are in the log: between them nothing is missed and nothing told twice. `types` are the kinds
    of messages that the request wants to hear of, None for all; `tokens`, that it wants them in pieces.
    """

    run_id: str
    agent_id: str
    conversation_id: str | None = None
    state: LogState = LogState.OPEN
    types: tuple[str, ...] | None = None
    tokens: bool = False
    token: int = NOBODY
    seq_last: int = 0
    message_seq: int = -1
    bytes_stored: int = 0
    since: dt.datetime = attrs.field(validator=aware_utc)
    """When it came to its state."""

    @property
    def thread_id(self) -> str:
        """Return the conversation's id, or on the default thread the agent's."""
        return self.conversation_id or self.agent_id

    def tells(self, event: LoggedEvent) -> bool:
        """Return whether the request wants to hear of an event."""
        return self.types is None or event.kind in ALWAYS_TOLD or event.kind in self.types

"""What a listener hears of a turn.

`MessageStored` comes only after the commit that stored the message. A `Delta` is provisional: a piece of a message
that is not stored yet and, if the turn fails, never will be. Every stream ends with `TurnEnded` or an error.
"""

import datetime as dt

import attrs

from kelpie_core.model.message import Message
from kelpie_core.model.run import Run
from kelpie_core.ports import ReasoningDelta, TextDelta, ToolCallDelta


@attrs.frozen(kw_only=True)
class RunStarted:
    """The input and the run are stored."""

    run: Run


@attrs.frozen(kw_only=True)
class MessageStored:
    """A message of the turn is stored."""

    message: Message


@attrs.frozen(kw_only=True)
class Delta:
    """A provisional piece of the message `message_id`. `asks`: of a call that will ask for approval."""

    message_id: str
    run_id: str
    step_id: str
    created_at: dt.datetime
    part: TextDelta | ReasoningDelta | ToolCallDelta
    asks: bool = False


@attrs.frozen(kw_only=True)
class TurnEnded:
    """The run is stored as ended."""

    run: Run


TurnEvent = RunStarted | MessageStored | Delta | TurnEnded

"""What can happen to a turn. Events are facts: they carry what the driver saw, never what should follow."""

import attrs

from kelpie_core.model.approval import Answer, PendingApproval
from kelpie_core.model.content import ContentPart
from kelpie_core.model.message import Message
from kelpie_core.model.tool import ToolCall, ToolReturn
from kelpie_core.model.turn import StopReason, Usage


@attrs.frozen(kw_only=True)
class InputArrived:
    """The caller's messages are stored together with this event."""


@attrs.frozen(kw_only=True)
class AnswersArrived:
    """The answers to calls that waited are stored together with this event; every one that asked has its answer.

    `follow_ups` came with them and are to be stored behind the returns.
    """

    pending: PendingApproval
    answers: tuple[Answer, ...]
    follow_ups: tuple[Message, ...] = ()


@attrs.frozen(kw_only=True)
class ModelReplied:
    """The model answered in full. `step_id` is the step that this reply begins.

    Calls that need somebody's answer are marked. `known` are the names of all tools that there are, `together` the ids
    of calls that may run beside each other.
    """

    step_id: str
    content: tuple[ContentPart, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    truncated: bool = False
    known: tuple[str, ...] = ()
    together: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ModelFailed:
    """The model gave no answer, after all retries. `kind` is the wire's word for why."""

    kind: str
    message: str


@attrs.frozen(kw_only=True)
class ToolsReturned:
    """The calls that were to run returned: each has its return, in their order."""

    tool_returns: tuple[ToolReturn, ...]


@attrs.frozen(kw_only=True)
class Stopped:
    """The turn must end now: cancelled, out of time, or broken (then `error` says how)."""

    reason: StopReason
    error: str | None = None


Event = InputArrived | AnswersArrived | ModelReplied | ModelFailed | ToolsReturned | Stopped

"""What a turn asks for. The first five belong to the commit of the transition; the last two come after it."""

import attrs

from kelpie_core.model.content import ContentPart
from kelpie_core.model.message import Message
from kelpie_core.model.tool import ToolCall, ToolReturn
from kelpie_core.model.turn import StopReason, Usage


@attrs.frozen(kw_only=True)
class AppendReply:
    """Store the model's reply as the assistant's message, and its step; as a request for approval if a call asks."""

    step_id: str
    number: int
    content: tuple[ContentPart, ...]
    tool_calls: tuple[ToolCall, ...]
    usage: Usage


@attrs.frozen(kw_only=True)
class AskApproval:
    """Let the calls of the reply that is stored just before wait on the head for somebody's answers."""

    step_id: str
    tool_calls: tuple[ToolCall, ...]
    called: tuple[str, ...] = ()
    branch: tuple[str, ...] | None = None
    owed: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class AppendReturns:
    """Store the returns of the step as one tool message."""

    step_id: str
    tool_returns: tuple[ToolReturn, ...]


@attrs.frozen(kw_only=True)
class AppendInputs:
    """Store messages of the input that had to wait for the returns."""

    messages: tuple[Message, ...]


@attrs.frozen(kw_only=True)
class Finish:
    """End the run. `error_type` is the wire's word for a failure."""

    reason: StopReason
    error_type: str | None = None
    error: str | None = None


@attrs.frozen(kw_only=True)
class CallModel:
    """Ask the model."""


@attrs.frozen(kw_only=True)
class RunTools:
    """Run these calls, the first of those that are pending, beside each other; none if all are answered.

    `resumed`: they may have been running already when a process died.
    """

    calls: tuple[ToolCall, ...]
    resumed: bool = False


StoredEffect = AppendReply | AskApproval | AppendReturns | AppendInputs | Finish
WorldEffect = CallModel | RunTools
Effect = StoredEffect | WorldEffect

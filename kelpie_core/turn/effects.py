"""What a turn asks for. The first three belong to the commit of the transition; the last two come after it."""

import attrs

from kelpie_core.model.content import ContentPart
from kelpie_core.model.tool import ToolCall, ToolReturn
from kelpie_core.model.turn import StopReason, Usage


@attrs.frozen(kw_only=True)
class AppendReply:
    """Store the model's reply as the assistant's message, and its step."""

    step_id: str
    number: int
    content: tuple[ContentPart, ...]
    tool_calls: tuple[ToolCall, ...]
    usage: Usage


@attrs.frozen(kw_only=True)
class AppendReturns:
    """Store the returns of the step as one tool message."""

    step_id: str
    tool_returns: tuple[ToolReturn, ...]


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
class RunTool:
    """Run the first pending call. `resumed`: it may have been running already when a process died."""

    call: ToolCall
    resumed: bool = False


StoredEffect = AppendReply | AppendReturns | Finish
WorldEffect = CallModel | RunTool
Effect = StoredEffect | WorldEffect

"""What can happen to a turn. Events are facts: they carry what the driver saw, never what should follow."""

import attrs

from kelpie_core.model.content import ContentPart
from kelpie_core.model.tool import ToolCall, ToolReturn
from kelpie_core.model.turn import StopReason, Usage


@attrs.frozen(kw_only=True)
class InputArrived:
    """The caller's messages are stored together with this event."""


@attrs.frozen(kw_only=True)
class ModelReplied:
    """The model answered in full. `step_id` is the step that this reply begins."""

    step_id: str
    content: tuple[ContentPart, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    truncated: bool = False


@attrs.frozen(kw_only=True)
class ModelFailed:
    """The model gave no answer, after all retries. `kind` is the wire's word for why."""

    kind: str
    message: str


@attrs.frozen(kw_only=True)
class ToolReturned:
    """The first pending call returned."""

    tool_return: ToolReturn


@attrs.frozen(kw_only=True)
class Stopped:
    """The turn must end now: cancelled, out of time, or broken (then `error` says how)."""

    reason: StopReason
    error: str | None = None


Event = InputArrived | ModelReplied | ModelFailed | ToolReturned | Stopped

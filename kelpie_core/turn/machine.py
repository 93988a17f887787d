"""The turn machine: a table of transitions. Nothing else decides what a turn does next.

                 InputArrived   ModelReplied         ModelFailed   ToolReturned          Stopped
    NEW          THINKING       -                    -             -                     -
    THINKING     -              ACTING or DONE       DONE          -                     DONE
    ACTING       -              -                    -             ACTING,THINKING,DONE  DONE
    DONE         -              -                    -             -                     -

Laws: a stored tool call is answered by a stored return before anything else is said (`Stopped` in ACTING answers the
open calls first); every turn ends in exactly one `Finish`; an illegal pair raises and changes nothing. The stored
effects come first in a transition's effects; at most one world effect follows, and none after a `Finish`.
"""

from collections.abc import Callable
from typing import Any

import attrs

from kelpie_core.errors import InvariantBroken
from kelpie_core.limits import TOOL_CALLS_PER_REPLY_MAX
from kelpie_core.model.run import RunStatus
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.model.turn import Phase, StopReason, Turn
from kelpie_core.turn.effects import AppendReply, AppendReturns, CallModel, Effect, Finish, RunTool, WorldEffect
from kelpie_core.turn.events import Event, InputArrived, ModelFailed, ModelReplied, Stopped, ToolReturned

Step = tuple[Turn, tuple[Effect, ...]]

_STATUS_OF = {
    StopReason.CANCELLED: RunStatus.CANCELLED,
    StopReason.ERROR: RunStatus.FAILED,
    StopReason.LLM_API_ERROR: RunStatus.FAILED,
    StopReason.INVALID_LLM_RESPONSE: RunStatus.FAILED,
}
_WORDS_OF = {
    StopReason.CANCELLED: "the turn was cancelled before this call returned",
    StopReason.MAX_SECONDS: "the turn ran out of time before this call returned",
    StopReason.MAX_TOOL_CALLS: "this call was not made: the turn has used up its tool calls",
}


def transition(turn: Turn, event: Event) -> Step:
    """Return the next state and what it asks for; raise InvariantBroken for a pair that the table does not have."""
    row = _TABLE.get((turn.phase, type(event)))
    if row is None:
        raise InvariantBroken(f"a turn in phase {turn.phase} cannot take {type(event).__name__}")
    return row(attrs.evolve(turn, serial=turn.serial + 1), event)


def resume(turn: Turn, *, resumed: bool = True) -> WorldEffect | None:
    """Return what a stored turn waits for, for a process that takes it up; None if it has ended.

    Not `resumed`: for the process that brought the turn here and has not begun what comes next.
    """
    if turn.phase is Phase.THINKING:
        return CallModel()
    if turn.phase is Phase.ACTING:
        return RunTool(call=turn.pending[0], resumed=resumed)
    return None


def status_of(reason: StopReason) -> RunStatus:
    """Return how a run that stopped for that reason is accounted."""
    return _STATUS_OF.get(reason, RunStatus.COMPLETED)


def _begin(turn: Turn, event: InputArrived) -> Step:
    return attrs.evolve(turn, phase=Phase.THINKING), (CallModel(),)


def _reply(turn: Turn, event: ModelReplied) -> Step:
    turn = attrs.evolve(
        turn, steps=turn.steps + 1, step_id=event.step_id, usage=turn.usage.plus(event.usage), pending=event.tool_calls
    )
    if not event.content and not event.tool_calls:
        return _finish(turn, StopReason.INVALID_LLM_RESPONSE, "llm_error", "the model returned an empty reply")
    if len(event.tool_calls) > TOOL_CALLS_PER_REPLY_MAX:
        return _finish(turn, StopReason.INVALID_LLM_RESPONSE, "llm_error", "the model asked for too many tool calls")
    append = AppendReply(
        step_id=event.step_id,
        number=turn.steps,
        content=event.content,
        tool_calls=event.tool_calls,
        usage=event.usage,
    )
    if event.tool_calls:
        return _before(append, _next_call(turn))
    return _before(append, _finish(turn, StopReason.MAX_TOKENS if event.truncated else StopReason.END_TURN))


def _model_failed(turn: Turn, event: ModelFailed) -> Step:
    return _finish(turn, StopReason.LLM_API_ERROR, event.kind, event.message)


def _tool_returned(turn: Turn, event: ToolReturned) -> Step:
    assert event.tool_return.tool_call_id == turn.pending[0].id, "a return must answer the first pending call"
    turn = attrs.evolve(
        turn,
        tool_calls=turn.tool_calls + 1,
        pending=turn.pending[1:],
        returned=(*turn.returned, event.tool_return),
    )
    return _next_call(turn) if turn.pending else _step_done(turn)


def _next_call(turn: Turn) -> Step:
    if turn.tool_calls >= turn.tool_calls_max:
        return _answer_and_finish(turn, StopReason.MAX_TOOL_CALLS)
    return attrs.evolve(turn, phase=Phase.ACTING), (RunTool(call=turn.pending[0]),)


def _step_done(turn: Turn) -> Step:
    append = _returns_of(turn)
    turn = attrs.evolve(turn, returned=())
    if turn.steps >= turn.steps_max:
        return _before(append, _finish(turn, StopReason.MAX_STEPS))
    if turn.usage.total_tokens >= turn.tokens_max:
        return _before(append, _finish(turn, StopReason.MAX_TOKENS))
    return attrs.evolve(turn, phase=Phase.THINKING), (append, CallModel())


def _stop(turn: Turn, event: Stopped) -> Step:
    error_type = "internal_error" if event.reason is StopReason.ERROR else None
    if turn.phase is Phase.ACTING:
        return _answer_and_finish(turn, event.reason, error_type, event.error)
    return _finish(turn, event.reason, error_type, event.error)


def _answer_and_finish(turn: Turn, reason: StopReason, error_type: str | None = None, error: str | None = None) -> Step:
    """Answer every open call with an error return, so that none dangles, then end."""
    words = _WORDS_OF.get(reason, "the turn broke off before this call returned")
    refused = tuple(error_return(call, words) for call in turn.pending)
    turn = attrs.evolve(turn, returned=(*turn.returned, *refused), pending=())
    return _before(_returns_of(turn), _finish(attrs.evolve(turn, returned=()), reason, error_type, error))


def error_return(call: ToolCall, words: str) -> ToolReturn:
    """Return the error return of a call that gave nothing else."""
    return ToolReturn(tool_call_id=call.id, status=ToolStatus.ERROR, text=words)


def _returns_of(turn: Turn) -> AppendReturns:
    if turn.step_id is None:
        raise InvariantBroken("a turn that acts has no step")
    return AppendReturns(step_id=turn.step_id, tool_returns=turn.returned)


def _finish(turn: Turn, reason: StopReason, error_type: str | None = None, error: str | None = None) -> Step:
    done = attrs.evolve(turn, phase=Phase.DONE, pending=(), stop_reason=reason)
    return done, (Finish(reason=reason, error_type=error_type, error=error),)


def _before(first: Effect, step: Step) -> Step:
    turn, effects = step
    return turn, (first, *effects)


_TABLE: dict[tuple[Phase, type[Event]], Callable[[Turn, Any], Step]] = {
    (Phase.NEW, InputArrived): _begin,
    (Phase.THINKING, ModelReplied): _reply,
    (Phase.THINKING, ModelFailed): _model_failed,
    (Phase.THINKING, Stopped): _stop,
    (Phase.ACTING, ToolReturned): _tool_returned,
    (Phase.ACTING, Stopped): _stop,
}

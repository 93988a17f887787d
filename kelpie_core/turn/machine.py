"""The turn machine: a table of transitions. Nothing else decides what a turn does next.

                 InputArrived  AnswersArrived  ModelReplied     ModelFailed  ToolsReturned         Stopped
    NEW          THINKING      ACTING          -                -            -                     -
    THINKING     -             -               any but NEW      DONE         -                     DONE
    ACTING       -             -               -                -            ACTING,THINKING,DONE  DONE
    DONE         -             -               -                -            -                     -

Laws: a stored tool call is answered by a stored return before anything else is said (`Stopped` in ACTING answers the
open calls first), but for a reply that asks for approval: its calls wait on the head, and the run ends. A call that
breaks a tool rule never runs. Every turn ends in exactly one `Finish`; an illegal pair raises and changes nothing. The
stored effects come first in a transition's effects; at most one world effect follows, and none after a `Finish`.
"""

from collections.abc import Callable
from typing import Any

import attrs

from kelpie_core.errors import InvariantBroken
from kelpie_core.limits import TOOL_CALLS_PER_REPLY_MAX
from kelpie_core.model.approval import Verdict
from kelpie_core.model.run import RunStatus
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.model.turn import Phase, StopReason, Turn
from kelpie_core.turn.conduct import FREE, Conduct, asks_to_go_on
from kelpie_core.turn.effects import (
    AppendInputs,
    AppendReply,
    AppendReturns,
    AskApproval,
    CallModel,
    Effect,
    Finish,
    RunTools,
    WorldEffect,
)
from kelpie_core.turn.events import (
    AnswersArrived,
    Event,
    InputArrived,
    ModelFailed,
    ModelReplied,
    Stopped,
    ToolsReturned,
)

Step = tuple[Turn, tuple[Effect, ...]]

_STATUS_OF = {
    StopReason.CANCELLED: RunStatus.CANCELLED,
    StopReason.ERROR: RunStatus.FAILED,
    StopReason.LLM_API_ERROR: RunStatus.FAILED,
    StopReason.INVALID_LLM_RESPONSE: RunStatus.FAILED,
    StopReason.INVALID_TOOL_CALL: RunStatus.FAILED,
}
_WORDS_OF = {
    StopReason.CANCELLED: "the turn was cancelled before this call returned",
    StopReason.MAX_SECONDS: "the turn ran out of time before this call returned",
    StopReason.MAX_TOOL_CALLS: "this call was not made: the turn has used up its tool calls",
}


def transition(turn: Turn, event: Event, conduct: Conduct = FREE) -> Step:
    """Return the next state and what it asks for; raise InvariantBroken for a pair that the table does not have."""
    row = _TABLE.get((turn.phase, type(event)))
    if row is None:
        raise InvariantBroken(f"a turn in phase {turn.phase} cannot take {type(event).__name__}")
    return row(attrs.evolve(turn, serial=turn.serial + 1), event, conduct)


def resume(turn: Turn, *, resumed: bool = True) -> WorldEffect | None:
    """Return what a stored turn waits for, for a process that takes it up; None if it has ended.

    Not `resumed`: for the process that brought the turn here and has not begun what comes next.
    """
    if turn.phase is Phase.THINKING:
        return CallModel()
    if turn.phase is Phase.ACTING:
        return RunTools(calls=_batch(turn), resumed=resumed)
    return None


def status_of(reason: StopReason) -> RunStatus:
    """Return how a run that stopped for that reason is accounted."""
    return _STATUS_OF.get(reason, RunStatus.COMPLETED)


def error_return(call: ToolCall, words: str) -> ToolReturn:
    """Return the error return of a call that gave nothing else."""
    return ToolReturn(tool_call_id=call.id, status=ToolStatus.ERROR, text=words)


def _begin(turn: Turn, event: InputArrived, conduct: Conduct) -> Step:
    return attrs.evolve(turn, phase=Phase.THINKING), (CallModel(),)


def _begin_answered(turn: Turn, event: AnswersArrived, conduct: Conduct) -> Step:
    """Go on where the calls stopped: those that may run are pending, the others have their returns by now."""
    waited, answers = event.pending, {answer.tool_call_id: answer for answer in event.answers}
    turn = attrs.evolve(
        turn,
        phase=Phase.ACTING,
        step_id=waited.step_id,
        called=waited.called,
        branch=waited.branch,
        owed=waited.owed,
        returned=waited.returns,
        follow_ups=event.follow_ups,
    )
    for call in waited.calls:
        answer = answers.get(call.id) if call.asks else None
        if isinstance(answer, ToolReturn):
            turn = _took(turn, call, answer, conduct)
        elif isinstance(answer, Verdict) and not answer.approve:
            turn = _refused(turn, call, denial(answer.reason))
        else:
            turn = attrs.evolve(turn, pending=(*turn.pending, call))
    approved = tuple(call.id for call in turn.pending if call.asks)
    turn = _refuse_first(attrs.evolve(turn, approved=approved), conduct)
    return turn, (RunTools(calls=_batch(turn)),)


def denial(reason: str | None) -> str:
    """Return the words that tell the model of a call that may not run."""
    return f"this call was denied, and not made: {reason}" if reason else "this call was denied, and not made"


def _reply(turn: Turn, event: ModelReplied, conduct: Conduct) -> Step:
    owed = tuple(name for name in conduct.rules.required if name in event.known)
    calls = _asking(turn, event.tool_calls, conduct)
    together = () if conduct.rules.one_by_one else event.together
    turn = attrs.evolve(
        turn,
        steps=turn.steps + 1,
        step_id=event.step_id,
        usage=turn.usage.plus(event.usage),
        pending=calls,
        together=together,
        owed=owed,
        goes_on=False,
        ends=False,
    )
    if not event.content and not calls:
        return _finish(turn, StopReason.INVALID_LLM_RESPONSE, "llm_error", "the model returned an empty reply")
    if len(calls) > TOOL_CALLS_PER_REPLY_MAX:
        return _finish(turn, StopReason.INVALID_LLM_RESPONSE, "llm_error", "the model asked for too many tool calls")
    if not all(call.name for call in calls):
        return _finish(turn, StopReason.INVALID_TOOL_CALL, "llm_error", "the model called a tool without a name")
    append = AppendReply(
        step_id=event.step_id, number=turn.steps, content=event.content, tool_calls=calls, usage=event.usage
    )
    if any(call.asks for call in calls):
        return _ask(turn, append)
    return _before((append,), _act(turn, conduct) if calls else _said(turn, event.truncated, conduct))


def _asking(turn: Turn, calls: tuple[ToolCall, ...], conduct: Conduct) -> tuple[ToolCall, ...]:
    """Return the calls; those that the rules refuse at their place ask nobody."""
    called, branch, asking = turn.called, turn.branch, list[ToolCall]()
    for call in calls:
        refused = conduct.rules.refusal(call.name, called, branch) is not None
        asking.append(attrs.evolve(call, asks=call.asks and not refused))
        if not refused:
            called, branch = (*called, call.name), None
    return tuple(asking)


def _ask(turn: Turn, append: AppendReply) -> Step:
    """Let all calls of the reply wait, in their order, until those that ask are answered."""
    ask = AskApproval(
        step_id=append.step_id, tool_calls=append.tool_calls, called=turn.called, branch=turn.branch, owed=turn.owed
    )
    return _before((append, ask), _finish(turn, StopReason.REQUIRES_APPROVAL))


def _said(turn: Turn, truncated: bool, conduct: Conduct) -> Step:
    """End after a reply without calls, or ask again where a tool that must be called was not."""
    if truncated:
        return _finish(turn, StopReason.MAX_TOKENS)
    if _missing(turn):
        return _think_again(turn)
    forced = conduct.heartbeats or conduct.rules.forces(turn.called, turn.branch)
    return _finish(turn, StopReason.NO_TOOL_CALL if forced else StopReason.END_TURN)


def _model_failed(turn: Turn, event: ModelFailed, conduct: Conduct) -> Step:
    return _finish(turn, StopReason.LLM_API_ERROR, event.kind, event.message)


def _tools_returned(turn: Turn, event: ToolsReturned, conduct: Conduct) -> Step:
    batch, count = turn.pending, len(event.tool_returns)
    ids = [returned.tool_call_id for returned in event.tool_returns]
    assert ids == [call.id for call in batch[:count]], "returns must answer the first pending calls"
    turn = attrs.evolve(turn, tool_calls=turn.tool_calls + count, pending=batch[count:])
    for call, returned in zip(batch, event.tool_returns, strict=False):
        turn = _took(turn, call, returned, conduct)
    return _act(turn, conduct)


def _act(turn: Turn, conduct: Conduct) -> Step:
    """Run the next calls, or end the step once all are answered."""
    turn = _refuse_first(turn, conduct)
    if not turn.pending:
        return _step_done(turn, conduct)
    if turn.tool_calls >= turn.tool_calls_max:
        return _answer_and_finish(turn, StopReason.MAX_TOOL_CALLS)
    return attrs.evolve(turn, phase=Phase.ACTING), (RunTools(calls=_batch(turn)),)


def _refuse_first(turn: Turn, conduct: Conduct) -> Turn:
    """Answer the calls in front that break a rule: the model reads why."""
    while turn.pending:
        call = turn.pending[0]
        words = conduct.rules.refusal(call.name, turn.called, turn.branch)
        if words is None:
            break
        turn = _refused(attrs.evolve(turn, pending=turn.pending[1:]), call, words)
    return turn


def _batch(turn: Turn) -> tuple[ToolCall, ...]:
    """Return the calls that run next: the first ones that may run beside each other, else the first."""
    room = max(0, turn.tool_calls_max - turn.tool_calls)
    side_by_side = 0
    while side_by_side < len(turn.pending) and turn.pending[side_by_side].id in turn.together:
        side_by_side += 1
    return turn.pending[: min(room, max(1, side_by_side))]


def _took(turn: Turn, call: ToolCall, returned: ToolReturn, conduct: Conduct) -> Turn:
    """Account for a call that was made, whatever it gave. Where no rule asks for it no account is kept."""
    turn = attrs.evolve(turn, returned=(*turn.returned, returned))
    if conduct == FREE:
        return turn
    failed = returned.status is ToolStatus.ERROR
    asked = failed or asks_to_go_on(call) or conduct.rules.goes_on(call.name)
    return attrs.evolve(
        turn,
        called=(*turn.called, call.name),
        branch=conduct.rules.branch_of(call.name, returned),
        goes_on=turn.goes_on or asked,
        ends=turn.ends or (conduct.rules.ends(call.name) and not (failed and conduct.heartbeats)),
    )


def _refused(turn: Turn, call: ToolCall, words: str) -> Turn:
    """Account for a call that was not made: nobody called it, and the model is to read why."""
    return attrs.evolve(turn, returned=(*turn.returned, error_return(call, words)), goes_on=True)


def _step_done(turn: Turn, conduct: Conduct) -> Step:
    reason = _end_of(turn, conduct)
    appends = _returns_of(turn)
    turn = attrs.evolve(turn, returned=(), follow_ups=(), approved=(), together=())
    if reason is not None:
        return _before(appends, _finish(turn, reason))
    return _before(appends, _think_again(turn))


def _end_of(turn: Turn, conduct: Conduct) -> StopReason | None:
    """Return why the turn ends after a step, by the rules and the agent's type; None if it goes on."""
    if turn.follow_ups or _missing(turn):
        return None
    if turn.ends:
        return StopReason.END_TURN if conduct.heartbeats and not turn.goes_on else StopReason.TOOL_RULE
    return StopReason.END_TURN if conduct.heartbeats and not turn.goes_on else None


def _missing(turn: Turn) -> bool:
    return not set(turn.owed) <= set(turn.called)


def _think_again(turn: Turn) -> Step:
    if turn.steps >= turn.steps_max:
        return _finish(turn, StopReason.MAX_STEPS)
    if turn.usage.total_tokens >= turn.tokens_max:
        return _finish(turn, StopReason.MAX_TOKENS)
    return attrs.evolve(turn, phase=Phase.THINKING), (CallModel(),)


def _stop(turn: Turn, event: Stopped, conduct: Conduct) -> Step:
    error_type = "internal_error" if event.reason is StopReason.ERROR else None
    if turn.phase is Phase.ACTING:
        return _answer_and_finish(turn, event.reason, error_type, event.error)
    return _finish(turn, event.reason, error_type, event.error)


def _answer_and_finish(turn: Turn, reason: StopReason, error_type: str | None = None, error: str | None = None) -> Step:
    """Answer every open call with an error return, so that none dangles, then end."""
    words = _WORDS_OF.get(reason, "the turn broke off before this call returned")
    refused = tuple(error_return(call, words) for call in turn.pending)
    turn = attrs.evolve(turn, returned=(*turn.returned, *refused), pending=())
    done = attrs.evolve(turn, returned=(), follow_ups=(), approved=(), together=())
    return _before(_returns_of(turn), _finish(done, reason, error_type, error))


def _returns_of(turn: Turn) -> tuple[Effect, ...]:
    """Return what stores the returns of the step, and behind them the messages that waited for them."""
    if turn.step_id is None:
        raise InvariantBroken("a turn that acts has no step")
    returns = AppendReturns(step_id=turn.step_id, tool_returns=turn.returned)
    return (returns, AppendInputs(messages=turn.follow_ups)) if turn.follow_ups else (returns,)


def _finish(turn: Turn, reason: StopReason, error_type: str | None = None, error: str | None = None) -> Step:
    # What the request brought along has done its work; runs are listed long after.
    done = attrs.evolve(
        turn,
        phase=Phase.DONE,
        pending=(),
        client_tools=(),
        client_skills=(),
        called=(),
        branch=None,
        stop_reason=reason,
    )
    return done, (Finish(reason=reason, error_type=error_type, error=error),)


def _before(first: tuple[Effect, ...], step: Step) -> Step:
    turn, effects = step
    return turn, (*first, *effects)


_TABLE: dict[tuple[Phase, type[Event]], Callable[[Turn, Any, Conduct], Step]] = {
    (Phase.NEW, InputArrived): _begin,
    (Phase.NEW, AnswersArrived): _begin_answered,
    (Phase.THINKING, ModelReplied): _reply,
    (Phase.THINKING, ModelFailed): _model_failed,
    (Phase.THINKING, Stopped): _stop,
    (Phase.ACTING, ToolsReturned): _tools_returned,
    (Phase.ACTING, Stopped): _stop,
}

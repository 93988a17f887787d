"""The turn machine, row by row, and its laws over random turns."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie_core.errors import InvariantBroken
from kelpie_core.limits import TOOL_CALLS_PER_REPLY_MAX
from kelpie_core.model.approval import PendingApproval, Verdict
from kelpie_core.model.content import TextPart
from kelpie_core.model.run import RunStatus
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.model.turn import Phase, StopReason, Turn, Usage
from kelpie_core.turn.effects import AppendReply, AppendReturns, AskApproval, CallModel, Effect, Finish, RunTools
from kelpie_core.turn.events import (
    AnswersArrived,
    Event,
    InputArrived,
    ModelFailed,
    ModelReplied,
    Stopped,
    ToolsReturned,
)
from kelpie_core.turn.machine import error_return, resume, status_of, transition
from tests.twins import NOON

A, B, C = (ToolCall(id=name, name="f", arguments="{}") for name in "abc")
HELLO = (TextPart(text="hello"),)
USAGE = Usage(prompt_tokens=10, completion_tokens=5)
NEW = Turn(steps_max=3, tool_calls_max=4, tokens_max=100)
THINKING = attrs.evolve(NEW, phase=Phase.THINKING, serial=1)
ACTING = attrs.evolve(
    NEW, phase=Phase.ACTING, serial=4, steps=1, step_id="s1", usage=USAGE, pending=(A, B), tool_calls=1
)
DONE = attrs.evolve(NEW, phase=Phase.DONE, serial=9, stop_reason=StopReason.END_TURN)


def returned(call: ToolCall, text: str = "ok") -> ToolReturn:
    """Return what a tool gave for a call."""
    return ToolReturn(tool_call_id=call.id, status=ToolStatus.SUCCESS, text=text)


def done(turn: Turn, reason: StopReason, **changes: object) -> Turn:
    """Return the turn, ended in its next transition."""
    changes = {"pending": (), "returned": ()} | changes
    return attrs.evolve(turn, phase=Phase.DONE, serial=turn.serial + 1, stop_reason=reason, **changes)  # type: ignore[arg-type]


def moved(turn: Turn, phase: Phase, **changes: object) -> Turn:
    """Return the turn in that phase, after its next transition."""
    return attrs.evolve(turn, phase=phase, serial=turn.serial + 1, **changes)  # type: ignore[arg-type]


def replied(*calls: ToolCall, step_id: str = "s1", truncated: bool = False) -> ModelReplied:
    """Return a reply with these calls."""
    return ModelReplied(step_id=step_id, content=HELLO, tool_calls=calls, usage=USAGE, truncated=truncated)


def reply(*calls: ToolCall, number: int = 1, step_id: str = "s1") -> AppendReply:
    """Return the effect that stores such a reply."""
    return AppendReply(step_id=step_id, number=number, content=HELLO, tool_calls=calls, usage=USAGE)


def returns(*answers: ToolReturn) -> AppendReturns:
    """Return the effect that stores these returns."""
    return AppendReturns(step_id="s1", tool_returns=answers)


CANCELLED_WORDS = "the turn was cancelled before this call returned"
SECONDS_WORDS = "the turn ran out of time before this call returned"
CALLS_WORDS = "this call was not made: the turn has used up its tool calls"
BROKEN_WORDS = "the turn broke off before this call returned"
TOO_MANY = tuple(ToolCall(id=str(number), name="f", arguments="") for number in range(TOOL_CALLS_PER_REPLY_MAX + 1))

ASKING = attrs.evolve(A, asks=True)
WAITS = PendingApproval(message_id="m", run_id="r", step_id="s1", calls=(ASKING,), created_at=NOON)
YES = Verdict(tool_call_id="a", approve=True)

# name: state, event, next state, effects
TABLE: dict[str, tuple[Turn, Event, Turn, tuple[Effect, ...]]] = {
    "input arrives": (NEW, InputArrived(), moved(NEW, Phase.THINKING), (CallModel(),)),
    "answers arrive": (
        NEW,
        AnswersArrived(pending=WAITS, answers=(YES,)),
        moved(NEW, Phase.ACTING, step_id="s1", pending=(ASKING,), approved=("a",)),
        (RunTools(calls=(ASKING,)),),
    ),
    "reply that asks": (
        THINKING,
        replied(ASKING, B),
        done(THINKING, StopReason.REQUIRES_APPROVAL, steps=1, step_id="s1", usage=USAGE),
        (
            reply(ASKING, B),
            AskApproval(step_id="s1", tool_calls=(ASKING, B)),
            Finish(reason=StopReason.REQUIRES_APPROVAL),
        ),
    ),
    "call without a name": (
        THINKING,
        replied(attrs.evolve(A, name="")),
        done(THINKING, StopReason.INVALID_TOOL_CALL, steps=1, step_id="s1", usage=USAGE),
        (
            Finish(
                reason=StopReason.INVALID_TOOL_CALL,
                error_type="llm_error",
                error="the model called a tool without a name",
            ),
        ),
    ),
    "reply without calls": (
        THINKING,
        replied(),
        done(THINKING, StopReason.END_TURN, steps=1, step_id="s1", usage=USAGE),
        (reply(), Finish(reason=StopReason.END_TURN)),
    ),
    "reply cut at the model's limit": (
        THINKING,
        replied(truncated=True),
        done(THINKING, StopReason.MAX_TOKENS, steps=1, step_id="s1", usage=USAGE),
        (reply(), Finish(reason=StopReason.MAX_TOKENS)),
    ),
    "reply with calls": (
        THINKING,
        replied(A, B),
        moved(THINKING, Phase.ACTING, steps=1, step_id="s1", usage=USAGE, pending=(A, B)),
        (reply(A, B), RunTools(calls=(A,))),
    ),
    "reply with calls and no words": (
        THINKING,
        ModelReplied(step_id="s1", tool_calls=(A,)),
        moved(THINKING, Phase.ACTING, steps=1, step_id="s1", pending=(A,)),
        (
            AppendReply(step_id="s1", number=1, content=(), tool_calls=(A,), usage=Usage()),
            RunTools(calls=(A,)),
        ),
    ),
    "reply with as many calls as may be": (
        THINKING,
        replied(*TOO_MANY[1:]),
        moved(THINKING, Phase.ACTING, steps=1, step_id="s1", usage=USAGE, pending=TOO_MANY[1:]),
        (reply(*TOO_MANY[1:]), RunTools(calls=(TOO_MANY[1],))),
    ),
    "reply with more": (
        THINKING,
        replied(*TOO_MANY),
        done(THINKING, StopReason.INVALID_LLM_RESPONSE, steps=1, step_id="s1", usage=USAGE),
        (
            Finish(
                reason=StopReason.INVALID_LLM_RESPONSE,
                error_type="llm_error",
                error="the model asked for too many tool calls",
            ),
        ),
    ),
    "empty reply": (
        THINKING,
        ModelReplied(step_id="s1", usage=USAGE),
        done(THINKING, StopReason.INVALID_LLM_RESPONSE, steps=1, step_id="s1", usage=USAGE),
        (
            Finish(
                reason=StopReason.INVALID_LLM_RESPONSE,
                error_type="llm_error",
                error="the model returned an empty reply",
            ),
        ),
    ),
    "reply with calls, none left": (
        attrs.evolve(THINKING, tool_calls=4),
        replied(A),
        done(attrs.evolve(THINKING, tool_calls=4), StopReason.MAX_TOOL_CALLS, steps=1, step_id="s1", usage=USAGE),
        (reply(A), returns(error_return(A, CALLS_WORDS)), Finish(reason=StopReason.MAX_TOOL_CALLS)),
    ),
    "model failed": (
        THINKING,
        ModelFailed(kind="llm_timeout", message="slow"),
        done(THINKING, StopReason.LLM_API_ERROR),
        (Finish(reason=StopReason.LLM_API_ERROR, error_type="llm_timeout", error="slow"),),
    ),
    "cancelled while thinking": (
        THINKING,
        Stopped(reason=StopReason.CANCELLED),
        done(THINKING, StopReason.CANCELLED),
        (Finish(reason=StopReason.CANCELLED),),
    ),
    "broken while thinking": (
        THINKING,
        Stopped(reason=StopReason.ERROR, error="bug"),
        done(THINKING, StopReason.ERROR),
        (Finish(reason=StopReason.ERROR, error_type="internal_error", error="bug"),),
    ),
    "first of two returns": (
        ACTING,
        ToolsReturned(tool_returns=(returned(A),)),
        moved(ACTING, Phase.ACTING, tool_calls=2, pending=(B,), returned=(returned(A),)),
        (RunTools(calls=(B,)),),
    ),
    "last return": (
        attrs.evolve(ACTING, pending=(B,), returned=(returned(A),)),
        ToolsReturned(tool_returns=(returned(B),)),
        moved(ACTING, Phase.THINKING, tool_calls=2, pending=()),
        (returns(returned(A), returned(B)), CallModel()),
    ),
    "return, no calls left for the next": (
        attrs.evolve(ACTING, tool_calls=3),
        ToolsReturned(tool_returns=(returned(A),)),
        done(ACTING, StopReason.MAX_TOOL_CALLS, tool_calls=4),
        (returns(returned(A), error_return(B, CALLS_WORDS)), Finish(reason=StopReason.MAX_TOOL_CALLS)),
    ),
    "last return, no steps left": (
        attrs.evolve(ACTING, pending=(A,), steps=3),
        ToolsReturned(tool_returns=(returned(A),)),
        done(ACTING, StopReason.MAX_STEPS, steps=3, tool_calls=2),
        (returns(returned(A)), Finish(reason=StopReason.MAX_STEPS)),
    ),
    "last return, no tokens left": (
        attrs.evolve(ACTING, pending=(A,), tokens_max=15),
        ToolsReturned(tool_returns=(returned(A),)),
        done(ACTING, StopReason.MAX_TOKENS, tokens_max=15, tool_calls=2),
        (returns(returned(A)), Finish(reason=StopReason.MAX_TOKENS)),
    ),
    "last return, one token left": (
        attrs.evolve(ACTING, pending=(A,), tokens_max=16),
        ToolsReturned(tool_returns=(returned(A),)),
        moved(ACTING, Phase.THINKING, tokens_max=16, tool_calls=2, pending=()),
        (returns(returned(A)), CallModel()),
    ),
    "cancelled while acting": (
        attrs.evolve(ACTING, pending=(B, C), returned=(returned(A),)),
        Stopped(reason=StopReason.CANCELLED),
        done(ACTING, StopReason.CANCELLED),
        (
            returns(returned(A), error_return(B, CANCELLED_WORDS), error_return(C, CANCELLED_WORDS)),
            Finish(reason=StopReason.CANCELLED),
        ),
    ),
    "out of time while acting": (
        ACTING,
        Stopped(reason=StopReason.MAX_SECONDS),
        done(ACTING, StopReason.MAX_SECONDS),
        (
            returns(error_return(A, SECONDS_WORDS), error_return(B, SECONDS_WORDS)),
            Finish(reason=StopReason.MAX_SECONDS),
        ),
    ),
    "broken while acting": (
        attrs.evolve(ACTING, pending=(B,)),
        Stopped(reason=StopReason.ERROR, error="bug"),
        done(ACTING, StopReason.ERROR),
        (
            returns(error_return(B, BROKEN_WORDS)),
            Finish(reason=StopReason.ERROR, error_type="internal_error", error="bug"),
        ),
    ),
}

EVENTS: tuple[Event, ...] = (
    InputArrived(),
    AnswersArrived(pending=WAITS, answers=(YES,)),
    replied(),
    ModelFailed(kind="llm_error", message="x"),
    ToolsReturned(tool_returns=(returned(A),)),
    Stopped(reason=StopReason.CANCELLED),
)
LEGAL = {(turn.phase, type(event)) for turn, event, _, _ in TABLE.values()}
ILLEGAL = [
    (turn, event)
    for turn in (NEW, THINKING, ACTING, DONE)
    for event in EVENTS
    if (turn.phase, type(event)) not in LEGAL
]


@pytest.mark.parametrize(("turn", "event", "expected", "effects"), TABLE.values(), ids=TABLE)
def test_legal_pair(turn: Turn, event: Event, expected: Turn, effects: tuple[Effect, ...]) -> None:
    """The pair leads to exactly that state and asks for exactly these effects."""
    assert (expected, effects) == transition(turn, event)


def test_table_has_seven_kinds_of_pairs() -> None:
    """The rows above cover the pairs that the drawing has, and all others are illegal."""
    drawn = {
        (Phase.NEW, InputArrived),
        (Phase.NEW, AnswersArrived),
        (Phase.THINKING, ModelReplied),
        (Phase.THINKING, ModelFailed),
        (Phase.THINKING, Stopped),
        (Phase.ACTING, ToolsReturned),
        (Phase.ACTING, Stopped),
    }
    assert (drawn, 4 * 6 - 7) == (LEGAL, len(ILLEGAL))


@pytest.mark.parametrize(("turn", "event"), ILLEGAL, ids=lambda value: getattr(value, "phase", type(value).__name__))
def test_illegal_pair(turn: Turn, event: Event) -> None:
    """A pair that the table does not have raises, and the turn is what it was."""
    before = attrs.evolve(turn)
    with pytest.raises(InvariantBroken, match=f"a turn in phase {turn.phase} cannot take {type(event).__name__}"):
        transition(turn, event)
    assert before == turn


def test_return_must_answer_the_first_call() -> None:
    """A return for another call than the first pending one is a bug of the driver."""
    with pytest.raises(AssertionError, match="returns must answer the first pending calls"):
        transition(ACTING, ToolsReturned(tool_returns=(returned(B),)))


def test_acting_without_a_step_is_broken() -> None:
    """Returns without a step to belong to cannot be stored."""
    with pytest.raises(InvariantBroken, match="a turn that acts has no step"):
        transition(attrs.evolve(ACTING, step_id=None), Stopped(reason=StopReason.CANCELLED))


def test_resumed_turn_waits_for_what_it_waited_for() -> None:
    """A stored turn says what comes next; a tool may have been running, unless this process knows better."""
    assert CallModel() == resume(THINKING)
    assert RunTools(calls=(A,), resumed=True) == resume(ACTING)
    assert RunTools(calls=(A,), resumed=False) == resume(ACTING, resumed=False)
    assert None is resume(DONE)


@pytest.mark.parametrize("reason", StopReason)
def test_status_of_each_reason(reason: StopReason) -> None:
    """A run fails for four reasons and is cancelled for one; every limit completes it."""
    failed = (
        StopReason.ERROR,
        StopReason.LLM_API_ERROR,
        StopReason.INVALID_LLM_RESPONSE,
        StopReason.INVALID_TOOL_CALL,
    )
    expected = dict.fromkeys(failed, RunStatus.FAILED) | {StopReason.CANCELLED: RunStatus.CANCELLED}
    assert expected.get(reason, RunStatus.COMPLETED) == status_of(reason)


@attrs.define
class Account:
    """What a random turn did: its effects, and how it stood after each."""

    turn: Turn
    effects: list[Effect] = attrs.field(factory=list)


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """Draw a turn from its input to its end, by events that are legal where they come."""
    turn = Turn(
        steps_max=draw(st.integers(1, 4)),
        tool_calls_max=draw(st.integers(0, 6)),
        tokens_max=draw(st.sampled_from((20, 1000))),
    )
    account, event, serial = Account(turn), InputArrived(), 0
    while True:
        before = account.turn
        account.turn, effects = transition(before, event)
        check_transition(before, account.turn, effects)
        account.effects.extend(effects)
        if account.turn.phase is Phase.DONE:
            return account
        serial += 1
        event = draw(events(account.turn, f"s{serial}"))  # type: ignore[assignment]


def check_transition(before: Turn, after: Turn, effects: tuple[Effect, ...]) -> None:
    """Check what holds for each transition by itself."""
    assert before.serial + 1 == after.serial
    world = [place for place, effect in enumerate(effects) if isinstance(effect, CallModel | RunTools)]
    ends = [place for place, effect in enumerate(effects) if isinstance(effect, Finish)]
    assert [len(effects) - 1] == world + ends
    assert (after.phase is Phase.DONE) == bool(ends)


def events(turn: Turn, step_id: str) -> st.SearchStrategy[Event]:
    """Return what may happen to a turn now."""
    stops = st.sampled_from((StopReason.CANCELLED, StopReason.MAX_SECONDS, StopReason.ERROR)).map(
        lambda reason: Stopped(reason=reason)
    )
    if turn.phase is Phase.ACTING:
        answer = ToolsReturned(tool_returns=(returned(turn.pending[0], text=turn.pending[0].id),))
        return st.one_of(st.just(answer), st.just(answer), st.just(answer), stops)
    calls = st.integers(0, 3).map(
        lambda count: tuple(ToolCall(id=f"{step_id}c{n}", name="f", arguments="") for n in range(count))
    )
    replies = st.builds(ModelReplied, step_id=st.just(step_id), content=st.just(HELLO), tool_calls=calls)
    return st.one_of(replies, replies, replies, st.just(ModelFailed(kind="llm_error", message="x")), stops)


@given(account=accounts())
def test_laws_of_every_turn(account: Account) -> None:
    """Every call is answered once, in order, before anything else is said; there is one end, and it comes last."""
    ends = [place for place, effect in enumerate(account.effects) if isinstance(effect, Finish)]
    assert [len(account.effects) - 1] == ends
    open_calls: list[str] = []
    for effect in account.effects:
        match effect:
            case AppendReply(tool_calls=calls):
                assert [] == open_calls
                open_calls = [call.id for call in calls]
            case AppendReturns(tool_returns=answers):
                assert open_calls == [answer.tool_call_id for answer in answers]
                open_calls = []
            case CallModel() | Finish():
                assert [] == open_calls


@given(account=accounts())
def test_limits_of_every_turn(account: Account) -> None:
    """No turn makes more steps or more tool calls than it may, and no call runs twice."""
    steps = [effect.number for effect in account.effects if isinstance(effect, AppendReply)]
    runs = [call.id for effect in account.effects if isinstance(effect, RunTools) for call in effect.calls]
    assert list(range(1, len(steps) + 1)) == steps
    assert len(steps) <= account.turn.steps_max
    assert len(runs) <= account.turn.tool_calls_max
    assert sorted(set(runs)) == sorted(runs)

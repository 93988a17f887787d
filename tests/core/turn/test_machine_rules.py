"""The turn machine under tool rules, agent types, answers and calls beside each other."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie_core.json_types import JsonObject
from kelpie_core.model.approval import Answer, PendingApproval, Verdict
from kelpie_core.model.content import TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.model.turn import Phase, StopReason, Turn
from kelpie_core.turn.conduct import Conduct
from kelpie_core.turn.effects import (
    AppendInputs,
    AppendReply,
    AppendReturns,
    AskApproval,
    CallModel,
    Effect,
    Finish,
    RunTools,
)
from kelpie_core.turn.events import AnswersArrived, Event, InputArrived, ModelReplied, Stopped, ToolsReturned
from kelpie_core.turn.machine import transition
from kelpie_core.turn.rules import rules_of
from tests.twins import NOON

NAMES = ("a", "b", "c")
THINKING = Turn(steps_max=9, tool_calls_max=9, tokens_max=1_000, phase=Phase.THINKING)
LAST = attrs.evolve(THINKING, steps_max=1)
HEARTBEAT = '{"request_heartbeat": true}'
FOLLOW_UP = Message(id="m9", agent_id="x", seq=9, role=Role.USER, content=(TextPart(text="and then"),), created_at=NOON)


def rule(kind: str, name: str = "a", **fields: object) -> JsonObject:
    """Return a rule as it is stored."""
    return {"type": kind, "tool_name": name, **fields}


def conduct(*raw: JsonObject, heartbeats: bool = False) -> Conduct:
    """Return the conduct under these rules."""
    return Conduct(rules=rules_of(raw), heartbeats=heartbeats)


def call(name: str, arguments: str = "{}", *, asks: bool = False) -> ToolCall:
    """Return a call; its id is the tool's name."""
    return ToolCall(id=name, name=name, arguments=arguments, asks=asks)


def replied(*calls: ToolCall, **fields: object) -> ModelReplied:
    """Return a reply with these calls."""
    return ModelReplied(step_id="s1", content=(TextPart(text="x"),), tool_calls=calls, known=NAMES, **fields)  # type: ignore[arg-type]


def gave(name: str, text: str = "ok", *, failed: bool = False) -> ToolReturn:
    """Return what a call gave."""
    return ToolReturn(tool_call_id=name, status=ToolStatus.ERROR if failed else ToolStatus.SUCCESS, text=text)


def told(*effects: Effect) -> list[str]:
    """Return effects in few words."""
    return [_word(effect) for effect in effects]


def _word(effect: Effect) -> str:
    match effect:
        case AppendReply(tool_calls=calls):
            return "reply " + ",".join(call.name + "?" * call.asks for call in calls)
        case AppendReturns(tool_returns=returns):
            return "returns " + ",".join(f"{one.tool_call_id}:{one.status}" for one in returns)
        case AskApproval(tool_calls=calls):
            return "ask " + ",".join(call.name for call in calls)
        case AppendInputs():
            return "inputs"
        case RunTools(calls=calls):
            return "run " + ",".join(call.name for call in calls)
        case Finish(reason=reason):
            return f"finish {reason}"
        case _:
            return "model"


def play(turn: Turn, how: Conduct, *events: Event) -> list[str]:
    """Return what a turn asks for over these events."""
    told_so_far: list[str] = []
    for event in events:
        turn, effects = transition(turn, event, how)
        told_so_far += told(*effects)
    return told_so_far


def returned(*returns: ToolReturn) -> ToolsReturned:
    """Return the event that these calls returned."""
    return ToolsReturned(tool_returns=returns)


# rules of each kind: what a reply of calls and their returns leads to


@pytest.mark.parametrize(
    ("how", "turn", "events", "expected"),
    [
        (conduct(rule("exit_loop")), THINKING, (replied(call("a")), returned(gave("a"))), "finish tool_rule"),
        (
            conduct(rule("exit_loop")),
            THINKING,
            (replied(call("a")), returned(gave("a", failed=True))),
            "finish tool_rule",
        ),
        (conduct(rule("exit_loop")), THINKING, (replied(call("b")), returned(gave("b"))), "model"),
        (conduct(rule("exit_loop")), LAST, (replied(call("b")), returned(gave("b"))), "finish max_steps"),
        (conduct(rule("required_before_exit", "b")), THINKING, (replied(),), "model"),
        (conduct(rule("required_before_exit", "b")), LAST, (replied(),), "finish max_steps"),
        (conduct(rule("required_before_exit", "nowhere")), THINKING, (replied(),), "finish end_turn"),
        (
            conduct(rule("required_before_exit", "b"), rule("exit_loop")),
            THINKING,
            (replied(call("a")), returned(gave("a"))),
            "model",
        ),
        (
            conduct(rule("required_before_exit", "b"), rule("exit_loop", "b")),
            THINKING,
            (replied(call("b")), returned(gave("b"))),
            "finish tool_rule",
        ),
        (conduct(rule("run_first")), THINKING, (replied(),), "finish no_tool_call"),
        (conduct(rule("run_first")), THINKING, (replied(truncated=True),), "finish max_tokens_exceeded"),
        (
            conduct(rule("conditional", child_output_mapping={"yes": "b"})),
            THINKING,
            (replied(call("a")), returned(gave("a", "yes")), replied()),
            "finish no_tool_call",
        ),
        (
            conduct(rule("conditional", child_output_mapping={"yes": "b"})),
            THINKING,
            (replied(call("a")), returned(gave("a", "no")), replied()),
            "finish end_turn",
        ),
    ],
)
def test_what_rules_do_to_a_turn(how: Conduct, turn: Turn, events: tuple[Event, ...], expected: str) -> None:
    """A rule ends the turn, keeps it going, or has it stop for want of a call; the bounds hold all the same."""
    assert expected == play(turn, how, *events)[-1]


@pytest.mark.parametrize(
    ("how", "calls", "expected"),
    [
        (conduct(rule("run_first")), "ba", ["reply b,a", "run a"]),
        (conduct(rule("run_first")), "b", ["reply b", "returns b:error", "model"]),
        (conduct(rule("constrain_child_tools", "b", children=["a"])), "bc", ["reply b,c", "run b"]),
    ],
)
def test_call_that_breaks_a_rule_is_not_run(how: Conduct, calls: str, expected: list[str]) -> None:
    """It is answered at once with words for the model, at its place among the calls of the reply."""
    assert expected == play(THINKING, how, replied(*(call(name) for name in calls)))


def test_rules_hold_within_a_reply() -> None:
    """What one call of a reply leads to binds the next one, and counts."""
    how = conduct(rule("constrain_child_tools", "b", children=["a"]), rule("max_count_per_step", max_count_limit=1))
    twice = (call("b"), call("c"), call("a"), attrs.evolve(call("a"), id="a2"))
    story = play(THINKING, how, replied(*twice), returned(gave("b")), returned(gave("a")))
    assert ["reply b,c,a,a", "run b", "run a", "returns b:success,c:error,a:success,a2:error", "model"] == story


def test_refused_calls_do_not_count_as_called() -> None:
    """A call that was not made does not open the way for another."""
    how = conduct(rule("run_first"))
    turn, _ = transition(THINKING, replied(call("b")), how)
    assert () == turn.called


@pytest.mark.parametrize(
    ("arguments", "failed", "rules", "expected"),
    [
        ("{}", False, (), "finish end_turn"),
        (HEARTBEAT, False, (), "model"),
        ('{"request_heartbeat": "true"}', False, (), "model"),
        ('{"request_heartbeat": false}', False, (), "finish end_turn"),
        ("{", True, (), "model"),
        ("{}", False, (rule("continue_loop"),), "model"),
        ("{}", False, (rule("constrain_child_tools", children=["b"]),), "model"),
        ("{}", False, (rule("exit_loop"),), "finish end_turn"),
        (HEARTBEAT, False, (rule("exit_loop"),), "finish tool_rule"),
        ("{}", True, (rule("exit_loop"),), "model"),
        ("{}", False, (rule("exit_loop"), rule("required_before_exit", "b")), "model"),
    ],
)
def test_types_that_speak_by_calls(arguments: str, failed: bool, rules: tuple[JsonObject, ...], expected: str) -> None:
    """Their turn ends after a call, unless the call asks to go on, failed, or a rule says so."""
    how = conduct(*rules, heartbeats=True)
    events = (replied(call("a", arguments)), returned(gave("a", failed=failed)))
    assert expected == play(THINKING, how, *events)[-1]
    assert "finish no_tool_call" == play(THINKING, Conduct(heartbeats=True), replied())[-1]


def test_one_call_of_several_keeps_the_turn_going() -> None:
    """Where one call of a reply asks to go on the turn does; the next step begins anew."""
    how = Conduct(heartbeats=True)
    first = (replied(call("a", HEARTBEAT), call("b")), returned(gave("a")), returned(gave("b")))
    second = (attrs.evolve(replied(call("c")), step_id="s2"), returned(gave("c")))
    story = play(THINKING, how, *first, *second)
    assert ["model", "finish end_turn"] == [word for word in story if word.split()[0] in ("model", "finish")]


# calls beside each other


@pytest.mark.parametrize(
    ("together", "room", "expected"),
    [
        ("", 9, ["run a", "run b", "run c"]),
        ("abc", 9, ["run a,b,c"]),
        ("ab", 9, ["run a,b", "run c"]),
        ("bc", 9, ["run a", "run b,c"]),
        ("ac", 9, ["run a", "run b", "run c"]),
        ("abc", 2, ["run a,b", "finish max_tool_calls"]),
    ],
)
def test_calls_beside_each_other(together: str, room: int, expected: list[str]) -> None:
    """Calls that may run at once and stand together do; the others keep their order; the bound holds."""
    turn, effects = transition(
        attrs.evolve(THINKING, tool_calls_max=room), replied(*map(call, NAMES), together=tuple(together))
    )
    story = told(*effects)
    while isinstance(effects[-1], RunTools):
        turn, effects = transition(turn, returned(*(gave(one.name) for one in effects[-1].calls)))
        story += told(*effects)
    assert expected == [word for word in story if word.startswith(("run", "finish"))]


def test_rules_of_order_keep_calls_apart() -> None:
    """Where rules speak of order no two calls run at once, whatever the tools allow."""
    how = conduct(rule("max_count_per_step", "c", max_count_limit=5))
    assert "run a" == play(THINKING, how, replied(call("a"), call("b"), together=("a", "b")))[-1]


# answers


def waits(*calls: ToolCall, **fields: object) -> PendingApproval:
    """Return calls that wait."""
    return PendingApproval(message_id="m", run_id="r", step_id="s0", calls=calls, created_at=NOON, **fields)  # type: ignore[arg-type]


NEW = attrs.evolve(THINKING, phase=Phase.NEW)
YES, NO = (Verdict(tool_call_id="a", approve=approve) for approve in (True, False))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (YES, ["run a", "run b", "returns a:success,b:success", "model"]),
        (NO, ["run b", "returns a:error,b:success", "model"]),
        (gave("a"), ["run b", "returns a:success,b:success", "model"]),
    ],
)
def test_answers_let_the_turn_go_on(answer: Answer, expected: list[str]) -> None:
    """An approved call runs, the others have their returns; calls that asked nobody run in their place."""
    turn, effects = transition(NEW, AnswersArrived(pending=waits(call("a", asks=True), call("b")), answers=(answer,)))
    story = told(*effects)
    while isinstance(effects[-1], RunTools):
        turn, effects = transition(turn, returned(*(gave(one.name) for one in effects[-1].calls)))
        story += told(*effects)
    assert expected == story


def test_nothing_to_run_after_the_answers() -> None:
    """Where every call has its return by the answer, the next transition stores them, and what came behind."""
    arrived = AnswersArrived(pending=waits(call("a", asks=True)), answers=(NO,), follow_ups=(FOLLOW_UP,))
    assert ["run ", "returns a:error", "inputs", "model"] == play(NEW, Conduct(), arrived, returned())


def test_message_behind_an_answer_is_answered() -> None:
    """A call that would end the turn does not, where somebody has said something behind the answer."""
    how = conduct(rule("exit_loop"))
    arrived = AnswersArrived(pending=waits(call("a", asks=True)), answers=(YES,), follow_ups=(FOLLOW_UP,))
    assert "model" == play(NEW, how, arrived, returned(gave("a")))[-1]
    assert "finish tool_rule" == play(NEW, how, attrs.evolve(arrived, follow_ups=()), returned(gave("a")))[-1]


def test_message_behind_an_answer_is_stored_by_whatever_ends_the_turn() -> None:
    """A turn that is stopped while a call runs answers the calls, and then stores what was said."""
    arrived = AnswersArrived(pending=waits(call("a", asks=True)), answers=(YES,), follow_ups=(FOLLOW_UP,))
    story = play(NEW, Conduct(), arrived, Stopped(reason=StopReason.CANCELLED))
    assert ["run a", "returns a:error", "inputs", "finish cancelled"] == story


def test_rules_go_on_where_they_were() -> None:
    """What was called before the request counts after the answer, and what the client ran counts as called."""
    how = conduct(rule("max_count_per_step", "b", max_count_limit=1), rule("required_before_exit", "c"))
    pending = waits(call("a", asks=True), call("b"), called=("b",), owed=("c",))
    turn, effects = transition(NEW, AnswersArrived(pending=pending, answers=(gave("a"),)), how)
    assert (["run "], ("b", "a"), ("c",)) == (told(*effects), turn.called, turn.owed)
    assert ["a", "b"] == [one.tool_call_id for one in turn.returned]


def test_call_that_breaks_a_rule_asks_nobody() -> None:
    """A reply whose only asking call is against the rules is no request: the call is refused."""
    story = play(THINKING, conduct(rule("run_first", "b")), replied(call("a", asks=True)))
    assert ["reply a", "returns a:error", "model"] == story


def test_request_carries_the_rules_along() -> None:
    """What was called, where it leads and what is owed waits with the calls."""
    how = conduct(rule("required_before_exit", "c"))
    turn = attrs.evolve(THINKING, called=("b",), branch=("a",))
    _, effects = transition(turn, replied(call("a", asks=True)), how)
    assert (
        AskApproval(step_id="s1", tool_calls=(call("a", asks=True),), called=("b",), branch=("a",), owed=("c",))
        == effects[1]
    )


KINDS = st.sampled_from(
    (
        rule("run_first"),
        rule("exit_loop"),
        rule("continue_loop", "b"),
        rule("required_before_exit", "c"),
        rule("max_count_per_step", "b", max_count_limit=1),
        rule("constrain_child_tools", children=["b", "c"]),
        rule("parent_last_tool", "b", children=["c"]),
        rule("conditional", "c", child_output_mapping={"ok": "a"}),
    )
)


@given(
    raw=st.lists(KINDS, max_size=4),
    heartbeats=st.booleans(),
    replies=st.lists(st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), max_size=3), min_size=1, max_size=9),
)
def test_laws_under_any_rules(raw: list[JsonObject], heartbeats: bool, replies: list[list[tuple[str, bool]]]) -> None:
    """Every call is answered once before anything else is said or the turn ends; no call runs against the rules."""
    how = conduct(*raw, heartbeats=heartbeats)
    turn, open_calls, run = THINKING, list[str](), list[str]()
    for number, names in enumerate(replies):
        calls = tuple(
            ToolCall(id=f"{number}-{n}", name=name, arguments="{}", asks=asks) for n, (name, asks) in enumerate(names)
        )
        event: Event = attrs.evolve(replied(*calls), step_id=f"s{number}")
        while turn.phase is not Phase.DONE:
            before = turn
            turn, effects = transition(turn, event, how)
            for effect in effects:
                match effect:
                    case AppendReply():
                        assert [] == open_calls
                        open_calls = [one.id for one in effect.tool_calls]
                    case AppendReturns(tool_returns=returns):
                        assert sorted(open_calls) == sorted(str(one.tool_call_id) for one in returns)
                        open_calls = []
                    case AskApproval(tool_calls=waiting):
                        assert [one.id for one in waiting] == open_calls
                        open_calls = []
                    case RunTools(calls=batch):
                        assert [None] == [how.rules.refusal(one.name, turn.called, turn.branch) for one in batch]
                        run += [one.id for one in batch]
                    case _:
                        assert [] == open_calls
            assert before.serial + 1 == turn.serial
            if not isinstance(effects[-1], RunTools):
                break
            event = returned(*(gave(one.id) for one in effects[-1].calls))
    assert len(run) == len(set(run))


def test_input_begins_a_turn_under_any_conduct() -> None:
    """A plain message makes the turn think, whatever the rules."""
    assert ["model"] == play(NEW, conduct(rule("run_first"), heartbeats=True), InputArrived())
    assert CallModel() == transition(NEW, InputArrived())[1][0]

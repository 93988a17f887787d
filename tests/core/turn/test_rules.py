"""Tool rules: which tools may be called next, which must be, and what a call means for the end of the turn."""

import pytest

from kelpie_core.json_types import JsonObject
from kelpie_core.model.tool import ToolReturn, ToolStatus
from kelpie_core.turn.rules import NO_RULES, ToolRules, rules_of

NAMES = ("a", "b", "c")


def rule(kind: str, name: str = "a", **fields: object) -> JsonObject:
    """Return a rule as it is stored."""
    return {"type": kind, "tool_name": name, "prompt_template": None, **fields}


def rules(*raw: JsonObject) -> ToolRules:
    """Return the rules that these are."""
    return rules_of(raw)


def gave(text: str | None) -> ToolReturn:
    """Return what a tool gave."""
    return ToolReturn(tool_call_id="x", status=ToolStatus.SUCCESS, text=text)


INIT = rule("run_first")
CHILD = rule("constrain_child_tools", children=["b", "c"])
PARENT = rule("parent_last_tool", children=["b"])
TWICE = rule("max_count_per_step", max_count_limit=2)
CHOICE = rule("conditional", child_output_mapping={"True": "b", "2": "c"}, default_child=None)


@pytest.mark.parametrize(
    ("raw", "called", "branch", "expected"),
    [
        ((), (), None, "abc"),
        ((), ("a",), None, "abc"),
        ((INIT,), (), None, "a"),
        ((INIT, rule("run_first", "b")), (), None, "ab"),
        ((INIT,), ("a",), None, "abc"),
        ((CHILD,), (), None, "abc"),
        ((CHILD,), ("a",), None, "bc"),
        ((CHILD,), ("a", "b"), None, "abc"),
        ((CHILD, rule("constrain_child_tools", children=["c"])), ("a",), None, "c"),
        ((CHILD, rule("constrain_child_tools", children=["d"])), ("a",), None, ""),
        ((PARENT,), (), None, "ac"),
        ((PARENT,), ("a",), None, "b"),
        ((PARENT,), ("a", "b"), None, "ac"),
        ((PARENT, rule("parent_last_tool", "c", children=["b"])), ("a",), None, ""),
        ((TWICE,), ("a",), None, "abc"),
        ((TWICE,), ("a", "b", "a"), None, "bc"),
        ((CHILD, rule("max_count_per_step", "b", max_count_limit=1)), ("b", "a"), None, "c"),
        ((CHOICE,), ("a",), ("b",), "b"),
        ((CHOICE,), ("a",), (), ""),
        ((rule("exit_loop"), rule("requires_approval")), (), None, "abc"),
    ],
)
def test_which_tools_may_be_called(
    raw: tuple[JsonObject, ...], called: tuple[str, ...], branch: tuple[str, ...] | None, expected: str
) -> None:
    """Only what every rule that speaks allows; refusals say the same, tool by tool."""
    allowed = rules(*raw).allowed(NAMES, called, branch)
    assert expected == "".join(allowed)
    assert list(allowed) == [name for name in NAMES if rules(*raw).refusal(name, called, branch) is None]


@pytest.mark.parametrize(
    ("raw", "name", "called", "expected"),
    [
        ((INIT,), "b", (), "'b' may not be called first: the turn begins with 'a'"),
        ((PARENT,), "b", (), "'b' may not be called first"),
        ((CHILD,), "a", ("a",), "'a' may not be called right after 'a'"),
        ((TWICE,), "a", ("a", "a"), "'a' was called as often as it may be in one turn"),
    ],
)
def test_words_of_a_refusal(raw: tuple[JsonObject, ...], name: str, called: tuple[str, ...], expected: str) -> None:
    """The model is told which rule it broke."""
    assert f"tool rule violated: {expected}" == rules(*raw).refusal(name, called, None)


@pytest.mark.parametrize(
    ("raw", "called", "branch", "expected"),
    [
        ((), (), None, False),
        ((INIT,), (), None, True),
        ((INIT,), ("a",), None, False),
        ((CHILD,), ("a",), None, True),
        ((CHILD,), ("b",), None, False),
        ((CHOICE,), ("a",), ("b",), True),
        ((CHOICE,), ("a",), None, False),
        ((PARENT, TWICE), ("a",), None, False),
    ],
)
def test_when_a_call_is_forced(
    raw: tuple[JsonObject, ...], called: tuple[str, ...], branch: tuple[str, ...] | None, expected: bool
) -> None:
    """At the beginning if a rule says what comes first, and wherever one says what comes next."""
    assert expected is rules(*raw).forces(called, branch)


@pytest.mark.parametrize(
    ("fields", "output", "expected"),
    [
        ({}, "True", ("b",)),
        ({}, "true", ("b",)),
        ({}, " TRUE ", ("b",)),
        ({}, "2", ("c",)),
        ({}, "2.0", ("c",)),
        ({}, "1", None),
        ({}, "no", None),
        ({}, None, None),
        ({}, "[1]", None),
        ({"default_child": "c"}, "no", ("c",)),
        ({"require_output_mapping": True}, "no", ()),
        ({"require_output_mapping": True}, "True", ("b",)),
        ({"child_output_mapping": {"yes": "b"}}, "yes", ("b",)),
        ({"child_output_mapping": {"yes": "b"}}, '"yes"', None),
        ({"child_output_mapping": {"false": "b"}}, "False", ("b",)),
    ],
)
def test_what_an_output_leads_to(
    fields: dict[str, object], output: str | None, expected: tuple[str, ...] | None
) -> None:
    """The same text, or the same truth value or number in other words; else the default, or nothing if one must fit."""
    assert expected == rules(CHOICE | fields).branch_of("a", gave(output))


def test_branches_of_several_rules() -> None:
    """Rules on one tool are intersected; a tool without such a rule leads nowhere."""
    both = rules(CHOICE, rule("conditional", child_output_mapping={"True": "c"}))
    assert () == both.branch_of("a", gave("True"))
    assert ("c",) == both.branch_of("a", gave("2"))
    assert None is both.branch_of("b", gave("True"))


def test_arguments_that_rules_give() -> None:
    """The first call and a child may have arguments of their own, over the model's; nobody else has."""
    nodes = [{"name": "b", "args": {"x": 1}}, {"name": "c"}, {"name": "b", "args": {"y": 2}}]
    given = rules(rule("run_first", args={"q": "?"}), CHILD | {"child_arg_nodes": nodes})
    assert {"q": "?"} == given.prefilled("a", ())
    assert {} == given.prefilled("b", ())
    assert {"x": 1, "y": 2} == given.prefilled("b", ("a",))
    assert {} == given.prefilled("c", ("a",))
    assert {} == given.prefilled("b", ("b",))


def test_what_a_call_means_for_the_turn() -> None:
    """Rules name the tools that end a turn, keep it going, must be called, or ask somebody."""
    given = rules(
        rule("exit_loop", "e"),
        rule("continue_loop", "g"),
        rule("required_before_exit", "r"),
        rule("required_before_exit", "r"),
        rule("requires_approval", "q"),
        CHILD,
        rule("conditional", "d", child_output_mapping={}),
    )
    names = ("e", "g", "r", "q", "a", "d")
    assert ["e"] == [name for name in names if given.ends(name)]
    assert ["g", "a", "d"] == [name for name in names if given.goes_on(name)]
    assert ["q"] == [name for name in names if given.asks(name)]
    assert ("r",) == given.required


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ((rule("exit_loop"), rule("continue_loop"), rule("requires_approval"), rule("required_before_exit")), False),
        *(((one,), True) for one in (INIT, CHILD, PARENT, TWICE, CHOICE)),
    ],
)
def test_rules_of_order_forbid_calls_at_once(raw: tuple[JsonObject, ...], expected: bool) -> None:
    """Where rules speak of the order of calls, no two are made at once."""
    assert expected is rules(*raw).one_by_one


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "be_nice", "tool_name": "a"},
        {"type": ["exit_loop"], "tool_name": "a"},
        {"tool_name": "a"},
        {"type": "exit_loop"},
        {"type": "constrain_child_tools", "tool_name": "a", "children": "b"},
    ],
)
def test_stored_rule_that_cannot_be_read_binds_nobody(raw: JsonObject) -> None:
    """A file may bring any rule; it is kept with the agent and obeyed as far as it can be read."""
    assert NO_RULES is rules(raw)
    assert rules(INIT) == rules(raw, INIT)

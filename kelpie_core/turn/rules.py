"""Tool rules: which tools may be called next, which must be, and what a call means for the end of the turn.

The rules stand with the agent as JSON, in the wire's words. What is here parses them once and answers questions about
a turn whose calls so far are `called`; `branch` is what the last return leads to by a conditional rule (None: no such
rule spoke). A name that no rule speaks of is free. Rules that speak at once are intersected.

A stored rule that cannot be read (an agent file may bring any) binds nobody; at the edge it is refused.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

import attrs
import msgspec

from kelpie_core.json_types import JsonObject, JsonValue
from kelpie_core.model.tool import ToolReturn

Names = tuple[str, ...]


@attrs.frozen(kw_only=True)
class ToolRule:
    """What all rules have. Kinds without a field of their own are told by `type` alone."""

    tool_name: str
    type: str


@attrs.frozen(kw_only=True)
class InitRule(ToolRule):
    """The turn begins with this tool; `args` go over what the model gives."""

    args: JsonObject | None = None


@attrs.frozen(kw_only=True)
class ChildArguments:
    """Arguments for a child, over what the model gives."""

    name: str
    args: JsonObject | None = None


@attrs.frozen(kw_only=True)
class ChildRule(ToolRule):
    """After this tool comes one of its children."""

    children: Names
    child_arg_nodes: tuple[ChildArguments, ...] | None = None


@attrs.frozen(kw_only=True)
class ParentRule(ToolRule):
    """The children may be called right after this tool, and at no other time."""

    children: Names


@attrs.frozen(kw_only=True)
class ConditionalRule(ToolRule):
    """What this tool returns says which tool comes next."""

    child_output_mapping: dict[str, str]
    default_child: str | None = None
    require_output_mapping: bool | None = None


@attrs.frozen(kw_only=True)
class MaxCountRule(ToolRule):
    """This tool may be called that often in a turn."""

    max_count_limit: int


R = TypeVar("R", bound=ToolRule)
RULE_KINDS: dict[str, type[ToolRule]] = {
    "run_first": InitRule,
    "constrain_child_tools": ChildRule,
    "parent_last_tool": ParentRule,
    "conditional": ConditionalRule,
    "max_count_per_step": MaxCountRule,
    "exit_loop": ToolRule,
    "continue_loop": ToolRule,
    "required_before_exit": ToolRule,
    "requires_approval": ToolRule,
}
_SEQUENCING = ("run_first", "constrain_child_tools", "parent_last_tool", "conditional", "max_count_per_step")


@attrs.frozen
class ToolRules:
    """The rules of one agent. Every question is answered without looking at anything else."""

    rules: tuple[ToolRule, ...] = ()

    @property
    def one_by_one(self) -> bool:
        """Return whether the rules speak of the order of calls, so that no two can be made at once."""
        return any(rule.type in _SEQUENCING for rule in self.rules)

    @property
    def required(self) -> Names:
        """Return the tools without which the turn may not end."""
        return self._named("required_before_exit")

    def allowed(self, names: Sequence[str], called: Names, branch: Names | None) -> Names:
        """Return those of `names` that may be called next, in their order."""
        return tuple(name for name in names if self._allows(name, called, branch))

    def refusal(self, name: str, called: Names, branch: Names | None) -> str | None:
        """Return why a tool may not be called next, in words for the model; None if it may."""
        if self._allows(name, called, branch):
            return None
        if name in self._spent(called):
            return f"tool rule violated: {name!r} was called as often as it may be in one turn"
        return f"tool rule violated: {name!r} may not be called {self._whence(called)}"

    def forces(self, called: Names, branch: Names | None) -> bool:
        """Return whether the next reply must call a tool."""
        if not called:
            return bool(self._of(InitRule))
        return branch is not None or bool(self._after(called))

    def branch_of(self, name: str, returned: ToolReturn) -> Names | None:
        """Return the tools that a tool's return leads to; None if no rule says anything."""
        found: set[str] | None = None
        for rule in self._of(ConditionalRule):
            child = _child_of(rule, returned.text) if rule.tool_name == name else None
            if child is not None:
                found = child if found is None else found & child
        return None if found is None else tuple(sorted(found))

    def prefilled(self, name: str, called: Names) -> JsonObject:
        """Return the arguments that rules give a call of that tool, over the model's."""
        if not called:
            given = [rule.args for rule in self._of(InitRule) if rule.tool_name == name]
        else:
            nodes = (node for rule in self._after(called) for node in rule.child_arg_nodes or ())
            given = [node.args for node in nodes if node.name == name]
        return {key: value for arguments in given for key, value in (arguments or {}).items()}

    def ends(self, name: str) -> bool:
        """Return whether a call of that tool ends the turn."""
        return name in self._named("exit_loop")

    def goes_on(self, name: str) -> bool:
        """Return whether the turn goes on after a call of that tool, whatever its agent's type says."""
        parents = (rule.tool_name for rule in self.rules if isinstance(rule, ChildRule | ConditionalRule))
        return name in self._named("continue_loop") or name in parents

    def asks(self, name: str) -> bool:
        """Return whether somebody must agree before that tool runs."""
        return name in self._named("requires_approval")

    def _named(self, kind: str) -> Names:
        return tuple(dict.fromkeys(rule.tool_name for rule in self.rules if rule.type == kind))

    def _after(self, called: Names) -> list[ChildRule]:
        """Return the rules that say what comes after the last call."""
        return [rule for rule in self._of(ChildRule) if called and rule.tool_name == called[-1]]

    def _of(self, kind: type[R]) -> list[R]:
        return [rule for rule in self.rules if isinstance(rule, kind)]

    def _allows(self, name: str, called: Names, branch: Names | None) -> bool:
        if not called:
            first = [rule.tool_name for rule in self._of(InitRule)]
            if first:
                return name in first
        last = called[-1] if called else None
        children = [rule.children for rule in self._after(called)]
        parents = [rule for rule in self._of(ParentRule) if name in rule.children or rule.tool_name == last]
        return (
            (branch is None or name in branch)
            and all(name in names for names in children)
            and all(rule.tool_name == last and name in rule.children for rule in parents)
            and name not in self._spent(called)
        )

    def _spent(self, called: Names) -> set[str]:
        counted = self._of(MaxCountRule)
        return {rule.tool_name for rule in counted if called.count(rule.tool_name) >= rule.max_count_limit}

    def _whence(self, called: Names) -> str:
        if called:
            return f"right after {called[-1]!r}"
        first = ", ".join(repr(rule.tool_name) for rule in self._of(InitRule))
        return f"first: the turn begins with {first}" if first else "first"


NO_RULES = ToolRules()


def rules_of(raw: Iterable[JsonObject]) -> ToolRules:
    """Return the rules that stored JSON holds; what cannot be read is left out."""
    found = tuple(rule for one in raw if (rule := _rule_of(one)) is not None)
    return ToolRules(found) if found else NO_RULES


def _rule_of(raw: JsonObject) -> ToolRule | None:
    kind = RULE_KINDS.get(str(raw.get("type")))
    if kind is None:
        return None
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError:
        return None


def _child_of(rule: ConditionalRule, output: str | None) -> set[str] | None:
    """Return the tools that an output leads to: one, none where one is required, None for any."""
    for key, child in rule.child_output_mapping.items():
        if _same(key, output or ""):
            return {child}
    if rule.default_child is not None:
        return {rule.default_child}
    return set() if rule.require_output_mapping else None


def _same(key: str, output: str) -> bool:
    """Return whether an output is what a key says: the same text, or the same plain value written otherwise."""
    if key == output:
        return True
    wanted, found = _plain(key), _plain(output)
    return wanted is not None and type(wanted) is type(found) and wanted == found


_WORDS: dict[str, JsonValue] = {"true": True, "false": False}


def _plain(text: str) -> JsonValue:
    """Return the truth value or number that a text says in Python's or JSON's words, None if it says neither."""
    word = text.strip()
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    try:
        value = cast(JsonValue, msgspec.json.decode(word.encode("utf-8", "replace")))
    except msgspec.DecodeError:
        return None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

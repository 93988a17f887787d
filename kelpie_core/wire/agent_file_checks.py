"""What must hold between the parts of an agent file. Each function raises InvalidInput with the path of the culprit.

A tool call that has no return would make every later turn of the agent fail, and so would a return without its call:
such a history is refused here, not stored.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from kelpie_core.errors import InvalidInput
from kelpie_core.model.agent import Span
from kelpie_core.model.block import Block
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import Tool


class Ids:
    """The ids that a file has given so far: one id names one thing in the whole file."""

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}

    def add(self, new_id: str, path: str) -> str:
        """Return an id; raise if the file has given it before."""
        first = self._paths.setdefault(new_id, path)
        if first != path:
            raise InvalidInput(f"{new_id!r} is used twice, first at {first}", path=path)
        return new_id


def check_references(ids: Sequence[str], known: Mapping[str, object], noun: str, path: str) -> None:
    """Raise for an id that is unknown or occurs twice."""
    seen: set[str] = set()
    for number, given in enumerate(ids):
        if given not in known:
            raise InvalidInput(f"{given!r} is no {noun} of this file", path=f"{path}[{number}]")
        if given in seen:
            raise InvalidInput(f"{given!r} occurs twice", path=f"{path}[{number}]")
        seen.add(given)


def check_labels(blocks: Sequence[Block], path: str, suffix: str = "") -> None:
    """Raise if two blocks of one agent have the same label."""
    seen: set[str] = set()
    for number, block in enumerate(blocks):
        if block.label in seen:
            raise InvalidInput(f"a second block with the label {block.label!r}", path=f"{path}[{number}]{suffix}")
        seen.add(block.label)


def check_tool_names(tools: Sequence[Tool]) -> None:
    """Raise if two tools have the same name: a name is one tool in an organization."""
    seen: set[str] = set()
    for number, tool in enumerate(tools):
        if tool.name in seen:
            raise InvalidInput(f"a second tool with the name {tool.name!r}", path=f"$.tools[{number}].name")
        seen.add(tool.name)


def spans_of(places: Iterable[int]) -> tuple[Span, ...]:
    """Return the spans that list these places, in their order."""
    spans: list[Span] = []
    for place in places:
        if spans and spans[-1].end == place:
            spans[-1] = Span(first=spans[-1].first, end=place + 1)
        else:
            spans.append(Span(first=place, end=place + 1))
    return tuple(spans)


def check_pairs(messages: Sequence[Message], path: str) -> None:
    """Raise unless every tool call has one return after it, and every return its call before it."""
    waiting: dict[str, str] = {}
    answered: set[str] = set()
    for number, message in enumerate(messages):
        for place, call in enumerate(message.tool_calls):
            at = f"{path}[{number}].tool_calls[{place}].id"
            if call.id in waiting:
                raise InvalidInput(f"tool call {call.id!r} is made again before its return", path=at)
            waiting[call.id] = at
        for call_id, at in _returned(message, f"{path}[{number}]"):
            if waiting.pop(call_id, None) is None:
                what = "a second return of" if call_id in answered else "a return without its"
                raise InvalidInput(f"{what} tool call {call_id!r}", path=at)
            answered.add(call_id)
    for call_id, at in waiting.items():
        raise InvalidInput(f"tool call {call_id!r} has no return", path=at)


def _returned(message: Message, path: str) -> Iterator[tuple[str, str]]:
    """Yield the tool calls that a message answers, each with the path that says so."""
    own, named = message.tool_call_id, [given.tool_call_id for given in message.tool_returns]
    if message.role is not Role.TOOL:
        if named:
            raise InvalidInput(f"a message of the role {message.role} returns nothing", path=f"{path}.tool_returns")
        return
    if own is not None and named and own not in named and None not in named:
        raise InvalidInput(f"{own!r} is not among the tool returns", path=f"{path}.tool_call_id")
    for place, call_id in enumerate(named):
        yield _known(call_id or own, f"{path}.tool_returns[{place}].tool_call_id")
    if not named:
        yield _known(own, f"{path}.tool_call_id")


def _known(call_id: str | None, path: str) -> tuple[str, str]:
    if call_id is None:
        raise InvalidInput("does not say which tool call it answers", path=path)
    return call_id, path

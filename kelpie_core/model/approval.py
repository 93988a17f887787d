"""Approvals: calls of tools that wait for somebody's answer, and the answers.

A reply that asks leave for some of its calls ends its run. All of its calls stand on the head of the thread from then
on, in the commit that ended the run, until one of two things happens: a run begins with the answers, or the calls are
withdrawn and answered with errors. Calls that need no leave wait with the others, so the order of the reply is kept.
"""

import datetime as dt
from collections.abc import Sequence

import attrs
import msgspec

from kelpie_core.errors import InvalidInput, Unsupported
from kelpie_core.json_types import JsonObject, JsonValue
from kelpie_core.model.checks import aware_utc
from kelpie_core.model.content import TextPart
from kelpie_core.model.tool import ToolCall, ToolReturn


@attrs.frozen(kw_only=True)
class PendingApproval:
    """What waits: the calls of a reply, those that ask for an answer marked by `ToolCall.asks`.

    `message_id` is the reply's. `returns` are returns that are known already. `called`, `branch` and `owed` are those
    of the turn that stopped here (see `Turn`): the tool rules go on where they were.
    """

    message_id: str
    run_id: str
    step_id: str
    calls: tuple[ToolCall, ...]
    returns: tuple[ToolReturn, ...] = ()
    called: tuple[str, ...] = ()
    branch: tuple[str, ...] | None = None
    owed: tuple[str, ...] = ()
    created_at: dt.datetime = attrs.field(validator=aware_utc)

    @property
    def asked(self) -> tuple[ToolCall, ...]:
        """Return the calls that ask for an answer."""
        return tuple(call for call in self.calls if call.asks)


@attrs.frozen(kw_only=True)
class Verdict:
    """An answer to a call: it may run, or not and why."""

    tool_call_id: str
    approve: bool
    reason: str | None = None


Answer = Verdict | ToolReturn
"""A verdict, or what the call gave where the client ran it."""


def answers_of(approvals: Sequence[JsonObject], path: str = "$.approvals") -> tuple[Answer, ...]:
    """Return the answers that approvals in the wire's shape give; raise InvalidInput."""
    return tuple(_answer_of(raw, f"{path}[{number}]") for number, raw in enumerate(approvals))


def _answer_of(raw: JsonObject, path: str) -> Answer:
    kind = raw.get("type")
    try:
        if kind == "approval":
            return msgspec.convert(raw, Verdict)
        if kind == "tool":
            return msgspec.convert({**raw, "text": _text_of(raw.get("tool_return"), path)}, ToolReturn)
    except msgspec.ValidationError as error:
        raise InvalidInput(str(error), path=path) from error
    raise InvalidInput(f"no answer has the type {str(kind)[:80]!r}", path=f"{path}.type")


def _text_of(value: JsonValue, path: str) -> str:
    """Return what a client says that its tool gave: a text, or parts that are texts."""
    if isinstance(value, str):
        return value
    try:
        parts = msgspec.convert(value, tuple[TextPart, ...])
    except msgspec.ValidationError as error:
        if isinstance(value, list):
            raise Unsupported("a tool_return with parts that are no text") from error
        raise InvalidInput("expected a text or a list of parts", path=f"{path}.tool_return") from error
    return "\n".join(part.text for part in parts)

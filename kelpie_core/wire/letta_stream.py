"""A turn's events as the events of Letta's streams.

    [ping] {message | delta} stop_reason ( usage_statistics | error_message ) [DONE]

Laws: a stream that began ends with stop_reason and [DONE]; a failure is an `error_message`, never an assistant's words
and never silence; what was sent in deltas is not sent again when the message is stored; in a background stream every
event carries the next `seq_id`. What the caller sent is not sent back.
"""

import datetime as dt
from typing import Literal

import attrs

from kelpie_core.errors import InvariantBroken
from kelpie_core.ids import draw_uuid4
from kelpie_core.json_types import JsonObject
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.turn import StopReason
from kelpie_core.ports import Entropy, ReasoningDelta, TextDelta, ToolCallDelta
from kelpie_core.service.turn_events import Delta, MessageStored, TurnEnded, TurnEvent
from kelpie_core.turn.conduct import SEND_MESSAGE
from kelpie_core.wire.letta_message import MessageType, MessageTypes, message_json, otid_of, spoken
from kelpie_core.wire.letta_run import stop_reason_json, stop_reason_of, usage_json

Name = Literal["error"] | None
_SENT = (Role.ASSISTANT, Role.TOOL, Role.APPROVAL, Role.SUMMARY)


@attrs.frozen(kw_only=True)
class StreamEvent:
    """One event. Letta's clients take events without a name as data and raise on "error"."""

    data: JsonObject
    name: Name = None


@attrs.define(eq=False)
class _Heard:
    """What was sent of a message in deltas."""

    kinds: list[MessageType] = attrs.field(factory=list)
    call_ids: dict[int, str | None] = attrs.field(factory=dict)
    speeches: dict[int, str | None] = attrs.field(factory=dict)

    def index_of(self, kind: MessageType) -> int:
        """Return the index of the variant that a delta belongs to."""
        if kind not in self.kinds:
            self.kinds.append(kind)
        return self.kinds.index(kind)


@attrs.define(eq=False, kw_only=True)
class LettaStream:
    """Encodes one turn. Entropy makes the ids of pings; time comes with each call."""

    run: Run
    entropy: Entropy
    types: MessageTypes = None
    pings: bool = True
    _heard: dict[str, _Heard] = attrs.field(factory=dict, init=False)
    _seq_id: int = attrs.field(default=0, init=False)
    _ended: bool = attrs.field(default=False, init=False)

    @property
    def ended(self) -> bool:
        """Return whether the last event was given out."""
        return self._ended

    def begin(self, now: dt.datetime) -> list[StreamEvent]:
        """Return the first events: a ping with the run's id; in the background even for those who want no pings."""
        return [self._ping(now)] if self.pings or self.run.background else []

    def ping(self, now: dt.datetime) -> list[StreamEvent]:
        """Return a sign of life; nothing for those who want none, and nothing after the end."""
        return [self._ping(now)] if self.pings and not self._ended else []

    def feed(self, event: TurnEvent) -> list[StreamEvent]:
        """Return what a turn's event is on the wire."""
        if isinstance(event, MessageStored):
            return self._stored(event.message)
        if isinstance(event, Delta):
            return self._delta(event)
        if isinstance(event, TurnEnded):
            return self._end(event.run)
        return []  # RunStarted: begin() has told of it

    def fail(self, kind: str, message: str, reason: StopReason = StopReason.ERROR) -> list[StreamEvent]:
        """Return the end of a stream whose turn cannot even be said to have failed."""
        stop = {"message_type": "stop_reason", "stop_reason": stop_reason_of(reason)}
        return [*self._last(stop), self._error(kind, message)]

    def _stored(self, message: Message) -> list[StreamEvent]:
        if message.role not in _SENT:
            return []
        heard = self._heard.pop(message.id, None)
        variants = message_json(message)
        if heard is not None:
            said = len(message.content)  # variants behind these are calls; speech by a call is not told in deltas
            untold = [
                variant
                for place, variant in enumerate(variants)
                if variant["message_type"] not in heard.kinds
                or (place >= said and variant["message_type"] is MessageType.ASSISTANT)
            ]
            variants = [*untold, *_failed_speech(message, heard)]
        return [self._event(one) for one in variants if self.types is None or one["message_type"] in self.types]

    def _delta(self, delta: Delta) -> list[StreamEvent]:
        heard = self._heard.setdefault(delta.message_id, _Heard())
        part = delta.part
        if isinstance(part, TextDelta):
            return self._piece(delta, heard, MessageType.ASSISTANT, [{"content": part.text}])
        if isinstance(part, ReasoningDelta):
            fields = {"source": "reasoner_model", "reasoning": part.text, "signature": None}
            return self._piece(delta, heard, MessageType.REASONING, [fields])
        if part.name == SEND_MESSAGE and not delta.asks:
            heard.speeches[part.index] = part.id
        if part.index in heard.speeches:
            return []  # the words come whole, as the assistant's, once they are stored
        pieces = [{"tool_call": call, "tool_calls": call} for call in _call_pieces(part, heard)]
        kind = MessageType.APPROVAL_REQUEST if delta.asks else MessageType.TOOL_CALL
        return self._piece(delta, heard, kind, pieces)

    def _piece(self, delta: Delta, heard: _Heard, kind: MessageType, pieces: list[JsonObject]) -> list[StreamEvent]:
        index = heard.index_of(kind)
        if self.types is not None and kind not in self.types:
            return []
        common = {
            "id": delta.message_id,
            "date": delta.created_at.isoformat(),
            "name": None,
            "message_type": kind,
            "otid": otid_of(delta.message_id, index),
            "sender_id": None,
            "step_id": delta.step_id,
            "is_err": None,
            "seq_id": None,
            "run_id": delta.run_id,
        }
        return [self._event({**common, **piece}) for piece in pieces]

    def _end(self, run: Run) -> list[StreamEvent]:
        self.run = run
        last = self._last(stop_reason_json(run))
        if run.status is not RunStatus.FAILED:
            return [*last, self._event(usage_json(run))]
        kind, message = ("internal_error", "the run failed") if run.error is None else attrs.astuple(run.error)
        return [*last, self._error(kind, message)]

    def _last(self, stop: JsonObject) -> list[StreamEvent]:
        if self._ended:
            raise InvariantBroken("a stream cannot end twice")
        self._ended = True
        return [self._event(stop)]

    def _error(self, kind: str, message: str) -> StreamEvent:
        data = {
            "message_type": "error_message",
            "run_id": self.run.id,
            "error_type": kind,
            "message": message_of(kind),
            "detail": message,
            "seq_id": None,
        }
        return self._event(data, "error")

    def _ping(self, now: dt.datetime) -> StreamEvent:
        nothing = dict.fromkeys(("name", "otid", "sender_id", "step_id", "is_err", "seq_id"))
        return self._event(
            {
                "id": f"ping-{draw_uuid4(self.entropy)}",
                "date": now.isoformat(),
                "message_type": "ping",
                "run_id": self.run.id,
                **nothing,
            }
        )

    def _event(self, data: JsonObject, name: Name = None) -> StreamEvent:
        if self.run.background:
            self._seq_id += 1
            data = {**data, "seq_id": self._seq_id}
        return StreamEvent(data=data, name=name)


def _failed_speech(message: Message, heard: _Heard) -> list[JsonObject]:
    """Return, as a variant, calls that were held back as speech and are none, where pieces of other calls were told."""
    held = [call for call in message.tool_calls if call.id in heard.speeches.values() and spoken(call) is None]
    if not held or MessageType.TOOL_CALL not in heard.kinds:
        return []
    (first, *_) = message_json(attrs.evolve(message, content=(), tool_calls=tuple(held)))
    return [first]


def _call_pieces(part: ToolCallDelta, heard: _Heard) -> list[JsonObject]:
    """Return the pieces of a tool call: its name first, then arguments, its id with each."""
    if part.id is not None:
        heard.call_ids[part.index] = part.id
    known = {"tool_call_id": heard.call_ids.get(part.index)}
    named = [] if part.name is None else [{"name": part.name, **known}]
    return named if not part.arguments else [*named, {"arguments": part.arguments, **known}]


_MESSAGES = {
    "llm_rate_limit": "The model's provider refused the request: too many of them. Try again later.",
    "llm_authentication": "The model's provider did not accept the credentials.",
    "llm_context_overflow": "The conversation is too long for the model.",
    "llm_bad_request": "The model's provider refused the request as invalid.",
    "llm_timeout": "The model did not answer in time.",
    "llm_insufficient_credits": "The account with the model's provider has no credit left.",
    "llm_error": "The model did not give an answer.",
    "stream_broken_off": "The stream breaks off here; the run goes on. Resume behind the last seq_id.",
}


def message_of(kind: str) -> str:
    """Return what a kind of error means, for people."""
    return _MESSAGES.get(kind, "The server could not finish the turn.")

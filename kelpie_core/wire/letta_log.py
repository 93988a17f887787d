"""A background run's stream as it goes into its log, and out of it again.

Laws: events are numbered from 1 without a gap, in every process that goes on with the log; of a message that is stored,
its pieces and what follows them make the whole, each part told once, whoever told the pieces; a listener's own signs of
life take no number of the log: they repeat the last that it was told, so that it may go on from any event it has seen.
"""

import datetime as dt
from collections.abc import Sequence

import attrs

from kelpie_core.ids import draw_uuid4
from kelpie_core.json_types import JsonObject
from kelpie_core.model.event_log import LogEnded, LoggedEvent
from kelpie_core.model.message import Message
from kelpie_core.model.run import Run
from kelpie_core.ports import Entropy
from kelpie_core.service.turn_events import Delta, MessageStored, TurnEvent
from kelpie_core.wire.letta_message import MessageType, message_json
from kelpie_core.wire.letta_stream import LettaStream, StreamEvent, message_of

BROKEN_OFF = "stream_broken_off"
_TEXT_FIELDS = {MessageType.ASSISTANT: "content", MessageType.REASONING: "reasoning"}

_CALL_KINDS = (MessageType.TOOL_CALL, MessageType.APPROVAL_REQUEST)


@attrs.define(eq=False, kw_only=True)
class LogEncoder:
    """Encodes what a run gives from where its log ends: behind `seq_last`, and the message `message_seq`.

    `told` are the last pieces in the log, of a message that is perhaps not stored.
    """

    run: Run
    entropy: Entropy
    seq_last: int = 0
    message_seq: int = -1
    told: list[JsonObject] = attrs.field(factory=list)
    _stream: LettaStream = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._stream = LettaStream(run=self.run, entropy=self.entropy)

    def feed(self, event: TurnEvent, now: dt.datetime) -> list[LoggedEvent]:
        """Return what an event is in the log: nothing for a message that is in it already."""
        begun = [] if self.seq_last else self._stream.begin(now)
        return [self._numbered(one) for one in (*begun, *self._told(event))]

    def _told(self, event: TurnEvent) -> list[StreamEvent]:
        if isinstance(event, Delta):
            return self._delta(event)
        if not isinstance(event, MessageStored):
            return self._stream.feed(event)
        if event.message.seq <= self.message_seq:
            return []
        self.message_seq = event.message.seq
        if not self.told or self.told[0]["id"] != event.message.id:
            return self._stream.feed(event)
        self._stream = LettaStream(run=self.run, entropy=self.entropy)
        return [StreamEvent(data=data) for data in rest_of(event.message, self.told)]

    def _delta(self, delta: Delta) -> list[StreamEvent]:
        if self.told and self.told[0]["id"] != delta.message_id:
            self.told.clear()  # of a message that was never stored: its pieces stay what they are, provisional
        pieces = self._stream.feed(delta)
        self.told.extend(piece.data for piece in pieces)
        return pieces

    def _numbered(self, event: StreamEvent) -> LoggedEvent:
        self.seq_last += 1
        kind = str(event.data["message_type"])
        return LoggedEvent(
            seq_id=self.seq_last, kind=kind, data={**event.data, "seq_id": self.seq_last}, name=event.name
        )


def rest_of(message: Message, told: Sequence[JsonObject]) -> list[JsonObject]:
    """Return what is still to be told of a stored message of which these pieces were told."""
    rest: list[JsonObject] = []
    texts: dict[str, str] = {}
    for place, variant in enumerate(message_json(message)):
        kind = variant["message_type"]
        pieces = [piece for piece in told if piece["message_type"] == kind]
        spoken = place >= len(message.content) and kind is MessageType.ASSISTANT  # by a call: never told in pieces
        if not pieces or spoken:
            rest.append(variant)
        elif kind in _TEXT_FIELDS:
            texts[kind] = texts.get(kind, "") + variant[_TEXT_FIELDS[kind]]
        elif kind in _CALL_KINDS:
            rest.extend({**pieces[0], **one} for one in _calls_left(variant["tool_calls"], pieces))
    return [*_texts_left(texts, told), *rest]


def _texts_left(texts: dict[str, str], told: Sequence[JsonObject]) -> list[JsonObject]:
    left: list[JsonObject] = []
    for kind, text in texts.items():
        field, pieces = _TEXT_FIELDS[MessageType(kind)], [piece for piece in told if piece["message_type"] == kind]
        more = text[len("".join(piece[field] for piece in pieces)) :]
        if more:
            left.append({**pieces[0], field: more})
    return left


def _calls_left(calls: Sequence[JsonObject], pieces: Sequence[JsonObject]) -> list[JsonObject]:
    """Return, as further pieces, what of these calls was not told: the name where it is missing, then arguments."""
    left: list[JsonObject] = []
    for call in calls:
        own = [piece["tool_call"] for piece in pieces if piece["tool_call"]["tool_call_id"] == call["tool_call_id"]]
        key = {"tool_call_id": call["tool_call_id"]}
        if not any("name" in piece for piece in own):
            left.append({"name": call["name"], **key})
        more = call["arguments"][sum(len(piece.get("arguments", "")) for piece in own) :]
        if more:
            left.append({"arguments": more, **key})
    return [{"tool_call": one, "tool_calls": one} for one in left]


@attrs.define(eq=False, kw_only=True)
class LogTeller:
    """Tells one listener a log from behind the event `seq_last`. Entropy makes the ids of its signs of life."""

    run: Run
    entropy: Entropy
    seq_last: int = 0
    pings: bool = True
    _ended: bool = attrs.field(default=False, init=False)
    _broken: bool = attrs.field(default=False, init=False)

    @property
    def ended(self) -> bool:
        """Return whether the log was told to its end."""
        return self._ended

    def begin(self, now: dt.datetime) -> list[StreamEvent]:
        """Return the first events: none, they are in the log."""
        return []

    def ping(self, now: dt.datetime) -> list[StreamEvent]:
        """Return a sign of life, with the number of the last event that was told."""
        if not self.pings or self._ended:
            return []
        ping = {
            "id": f"ping-{draw_uuid4(self.entropy)}",
            "date": now.isoformat(),
            "message_type": "ping",
            "run_id": self.run.id,
            **dict.fromkeys(("name", "otid", "sender_id", "step_id", "is_err")),
            "seq_id": self.seq_last,
        }
        return [StreamEvent(data=ping)]

    def feed(self, event: LoggedEvent | LogEnded) -> list[StreamEvent]:
        """Return what an event of the log is on the wire."""
        if isinstance(event, LogEnded):
            self._ended = True
            return []
        self.seq_last = event.seq_id
        return [StreamEvent(data=event.data, name=event.name)]

    def fail(self, kind: str, message: str) -> list[StreamEvent]:
        """Return the news that this telling breaks off. The run does not: without a stop reason the log goes on."""
        if self._broken:
            return []
        self._broken = True
        data = {
            "message_type": "error_message",
            "run_id": self.run.id,
            "error_type": BROKEN_OFF,
            "message": message_of(BROKEN_OFF),
            "detail": message,
            "seq_id": self.seq_last,
        }
        return [StreamEvent(data=data, name="error")]

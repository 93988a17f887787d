"""Chunks of the model's stream to one reply, retried by policy.

A stream that ends without `ModelFinished` was cut, and counts as a failure; so does a reply that says nothing. Once a
listener has heard pieces of an attempt it is not repeated: the pieces could not be taken back. A provider that says how
long it wants to be left alone is left alone for that long; if that is too long, the failure is told at once.
"""

from collections.abc import Callable

import attrs

from kelpie_core.errors import ModelError
from kelpie_core.ids import draw_id
from kelpie_core.limits import (
    MODEL_BACKOFF_MS,
    MODEL_BACKOFF_MS_MAX,
    MODEL_RETRIES_MAX,
    MODEL_RETRY_AFTER_SECONDS_MAX,
)
from kelpie_core.model.content import ContentPart, ReasoningPart, TextPart
from kelpie_core.model.tool import ToolCall
from kelpie_core.ports import ModelFinished, ModelRequest, Ports, ReasoningDelta, TextDelta, ToolCallDelta, WholePart
from kelpie_core.service.commit import back_off
from kelpie_core.texts import Mender, encodable
from kelpie_core.turn.events import ModelReplied

Piece = TextDelta | ReasoningDelta | ToolCallDelta


@attrs.define(eq=False)
class _Collector:
    """Gathers the chunks of one attempt."""

    ports: Ports
    text: str = ""
    thoughts: list[ContentPart] = attrs.field(factory=list)
    calls: dict[int, ToolCall] = attrs.field(factory=dict)
    finished: ModelFinished | None = None

    def add(self, piece: Piece | WholePart) -> None:
        match piece:
            case TextDelta(text=text):
                self.text += text
            case ReasoningDelta():
                self._add_thought(piece)
            case WholePart(part=part):
                self.thoughts.append(part)
            case _:
                call = self.calls.get(piece.index, ToolCall(id=piece.id or "", name="", arguments=""))
                self.calls[piece.index] = attrs.evolve(
                    call, name=call.name or piece.name or "", arguments=call.arguments + piece.arguments
                )

    def _add_thought(self, piece: ReasoningDelta) -> None:
        last = self.thoughts[-1] if self.thoughts else None
        if not isinstance(last, ReasoningPart) or last.signature is not None:
            if not piece.text and piece.signature is None:
                return
            last = ReasoningPart(reasoning="")
            self.thoughts.append(last)
        self.thoughts[-1] = attrs.evolve(last, reasoning=last.reasoning + piece.text, signature=piece.signature)

    def identified(self, piece: Piece) -> Piece:
        """Return a piece, a call's first one with an id of the call's own: returns are paired by it."""
        if not isinstance(piece, ToolCallDelta) or piece.index in self.calls:
            return piece
        known = [call.id for call in self.calls.values()]
        return (
            piece if piece.id and piece.id not in known else attrs.evolve(piece, id=draw_id("call", self.ports.entropy))
        )

    def reply(self, step_id: str) -> ModelReplied:
        """Return the whole; raise ModelError if its end is missing, or all of it."""
        if self.finished is None:
            raise ModelError("the model's stream was cut", kind="llm_error")
        said = (TextPart(text=self.text),) if self.text else ()
        if not self.thoughts and not said and not self.calls:
            # Where all tokens went into thoughts that nobody sees, they would go there again.
            raise ModelError("the model returned an empty reply", retriable=not self.finished.truncated)
        return ModelReplied(
            step_id=step_id,
            content=(*self.thoughts, *said),
            tool_calls=tuple(call for _, call in sorted(self.calls.items())),
            usage=self.finished.usage,
            truncated=self.finished.truncated,
        )


async def ask_model(
    ports: Ports, request: ModelRequest, step_id: str, hear: Callable[[Piece], None] | None
) -> ModelReplied:
    """Return the model's reply, giving its pieces to `hear` as they come; raise ModelError after the retries."""
    attempt = 0
    while True:
        heard: list[Piece] = []
        try:
            return await _attempt(ports, request, step_id, hear, heard)
        except ModelError as error:
            attempt += 1
            wait_seconds = error.retry_after_seconds or 0
            too_long = wait_seconds > MODEL_RETRY_AFTER_SECONDS_MAX
            if not error.retriable or heard or attempt > MODEL_RETRIES_MAX or too_long:
                raise
        await ports.clock.sleep(wait_seconds)
        await back_off(ports, attempt, first_ms=MODEL_BACKOFF_MS, max_ms=MODEL_BACKOFF_MS_MAX)


async def _attempt(
    ports: Ports, request: ModelRequest, step_id: str, hear: Callable[[Piece], None] | None, heard: list[Piece]
) -> ModelReplied:
    collector, mender = _Collector(ports), Mender()

    def take(piece: Piece) -> None:
        piece = collector.identified(piece)
        collector.add(piece)
        if hear is not None and _tells(piece):
            hear(piece)
            heard.append(piece)

    async for chunk in ports.model.stream(request):
        match chunk:
            case ModelFinished():
                collector.finished = chunk
            case WholePart():
                collector.add(chunk)
            case _:
                take(_mended(mender, chunk))
    for key, text in mender.left():
        take(_rest(key, text))
    return collector.reply(step_id)


def _tells(piece: Piece) -> bool:
    """Return whether a listener has anything from a piece: a signature is for the provider."""
    return isinstance(piece, ToolCallDelta) or bool(piece.text)


def _mended(mender: Mender, piece: Piece) -> Piece:
    match piece:
        case TextDelta(text=text):
            return TextDelta(text=mender.mend(("text", 0), text))
        case ReasoningDelta(text=text):
            return attrs.evolve(piece, text=mender.mend(("reasoning", 0), text))
        case _:
            return ToolCallDelta(
                index=piece.index,
                id=piece.id and encodable(piece.id),
                name=piece.name and encodable(piece.name),
                arguments=mender.mend(("arguments", piece.index), piece.arguments),
            )


def _rest(key: tuple[str, int], text: str) -> Piece:
    """Return the piece for what the mender has left of a text."""
    kind, index = key
    if kind == "arguments":
        return ToolCallDelta(index=index, arguments=text)
    return TextDelta(text=text) if kind == "text" else ReasoningDelta(text=text)

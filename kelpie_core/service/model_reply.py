"""Chunks of the model's stream to one reply, retried by policy.

A stream that ends without `ModelFinished` was cut, and counts as a failure. Once a listener has heard pieces of an
attempt it is not repeated: the pieces could not be taken back.
"""

from collections.abc import Callable

import attrs

from kelpie_core.errors import ModelError
from kelpie_core.ids import draw_id
from kelpie_core.limits import MODEL_BACKOFF_MS, MODEL_BACKOFF_MS_MAX, MODEL_RETRIES_MAX
from kelpie_core.model.content import ContentPart, ReasoningPart, TextPart
from kelpie_core.model.tool import ToolCall
from kelpie_core.ports import ModelFinished, ModelRequest, Ports, ReasoningDelta, TextDelta, ToolCallDelta
from kelpie_core.service.commit import back_off
from kelpie_core.texts import Mender, encodable
from kelpie_core.turn.events import ModelReplied

Piece = TextDelta | ReasoningDelta | ToolCallDelta


@attrs.define(eq=False)
class _Collector:
    """Gathers the chunks of one attempt."""

    text: str = ""
    reasoning: str = ""
    calls: dict[int, ToolCall] = attrs.field(factory=dict)
    finished: ModelFinished | None = None

    def add(self, piece: Piece) -> None:
        match piece:
            case TextDelta(text=text):
                self.text += text
            case ReasoningDelta(text=text):
                self.reasoning += text
            case _:
                self._add_call(piece)

    def _add_call(self, chunk: ToolCallDelta) -> None:
        call = self.calls.get(chunk.index, ToolCall(id="", name="", arguments=""))
        self.calls[chunk.index] = ToolCall(
            id=call.id or chunk.id or "",
            name=call.name or chunk.name or "",
            arguments=call.arguments + chunk.arguments,
        )

    def content(self) -> tuple[ContentPart, ...]:
        parts: list[ContentPart] = []
        if self.reasoning:
            parts.append(ReasoningPart(reasoning=self.reasoning))
        if self.text:
            parts.append(TextPart(text=self.text))
        return tuple(parts)


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
            if not error.retriable or heard or attempt > MODEL_RETRIES_MAX:
                raise
        await back_off(ports, attempt, first_ms=MODEL_BACKOFF_MS, max_ms=MODEL_BACKOFF_MS_MAX)


async def _attempt(
    ports: Ports, request: ModelRequest, step_id: str, hear: Callable[[Piece], None] | None, heard: list[Piece]
) -> ModelReplied:
    collector, mender = _Collector(), Mender()

    def take(piece: Piece) -> None:
        collector.add(piece)
        if hear is not None:
            hear(piece)
            heard.append(piece)

    async for chunk in ports.model.stream(request):
        if isinstance(chunk, ModelFinished):
            collector.finished = chunk
        else:
            take(_mended(mender, chunk))
    for key, text in mender.left():
        take(_rest(key, text))
    if collector.finished is None:
        raise ModelError("the model's stream was cut", kind="llm_error")
    return ModelReplied(
        step_id=step_id,
        content=collector.content(),
        tool_calls=_distinct(ports, collector.calls),
        usage=collector.finished.usage,
        truncated=collector.finished.truncated,
    )


def _mended(mender: Mender, piece: Piece) -> Piece:
    match piece:
        case TextDelta(text=text):
            return TextDelta(text=mender.mend(("text", 0), text))
        case ReasoningDelta(text=text):
            return ReasoningDelta(text=mender.mend(("reasoning", 0), text))
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


def _distinct(ports: Ports, calls: dict[int, ToolCall]) -> tuple[ToolCall, ...]:
    """Return the calls in order, each with an id of its own: returns are paired by it."""
    seen: set[str] = set()
    result: list[ToolCall] = []
    for _, call in sorted(calls.items()):
        if not call.id or call.id in seen:
            call = attrs.evolve(call, id=draw_id("call", ports.entropy))
        seen.add(call.id)
        result.append(call)
    return tuple(result)

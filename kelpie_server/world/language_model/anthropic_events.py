"""Anthropic's stream of events to pieces of a reply."""

from collections.abc import Iterator

import attrs
import msgspec

from kelpie_core.errors import ModelError
from kelpie_core.json_types import JsonObject
from kelpie_core.model.content import OpaquePart
from kelpie_core.model.turn import Usage
from kelpie_core.ports import ModelChunk, ModelFinished, ReasoningDelta, TextDelta, ToolCallDelta, WholePart
from kelpie_server.world.language_model.failures import Refusal, failure_of
from kelpie_server.world.language_model.names import Names

_CUT_OFF = ("max_tokens", "model_context_window_exceeded")


@attrs.define(eq=False)
class MessageEvents:
    """Decodes one answer. `provider` and `key` are for its errors."""

    provider: str
    names: Names
    key: str | None = attrs.field(default=None, repr=False)
    _usage: JsonObject = attrs.field(factory=dict)
    _reason: str | None = None
    _stopped: bool = False
    _said: bool = False
    # By the block's index: the number of its call; the signature of its thoughts.
    _calls: dict[int, int] = attrs.field(factory=dict)
    _signatures: dict[int, str] = attrs.field(factory=dict)

    def feed(self, event: JsonObject) -> Iterator[ModelChunk]:
        """Yield what an event says; raise ModelError if it is an error."""
        kind, index = event.get("type"), event.get("index", 0)
        if kind == "error":
            raise failure_of(Refusal(provider=self.provider, body=event, key=self.key))
        if kind == "message_start":
            self._usage |= _counts(event["message"].get("usage"))
        elif kind == "message_delta":
            self._usage |= _counts(event.get("usage"))
            self._reason = event["delta"].get("stop_reason") or self._reason
        elif kind == "message_stop":
            self._stopped = True
        elif kind == "content_block_start":
            yield from self._heard(self._begun(index, event["content_block"]))
        elif kind == "content_block_delta":
            yield from self._heard(self._piece(index, event["delta"]))
        elif kind == "content_block_stop" and index in self._signatures:
            yield ReasoningDelta(text="", signature=self._signatures.pop(index))

    def end(self) -> ModelFinished:
        """Return the end; raise ModelError if the answer was cut, or refused with nothing said."""
        if not self._stopped:
            raise ModelError(f"{self.provider}: the answer was cut")
        if self._reason == "refusal" and not self._said:
            raise ModelError(f"{self.provider}: the model refuses to answer", kind="llm_bad_request", retriable=False)
        read, written = (self._usage.get(f"cache_{name}_input_tokens", 0) for name in ("read", "creation"))
        usage = Usage(
            prompt_tokens=self._usage.get("input_tokens", 0) + read + written,
            completion_tokens=self._usage.get("output_tokens", 0),
            reasoning_tokens=self._usage.get("thinking_tokens", 0),
            cached_input_tokens=read,
            cache_write_tokens=written,
        )
        return ModelFinished(usage=usage, truncated=self._reason in _CUT_OFF)

    def _heard(self, pieces: Iterator[ModelChunk]) -> Iterator[ModelChunk]:
        for piece in pieces:
            self._said = True
            yield piece

    def _begun(self, index: int, block: JsonObject) -> Iterator[ModelChunk]:
        kind = block.get("type")
        if kind == "tool_use":
            self._calls[index] = len(self._calls)
            yield ToolCallDelta(index=self._calls[index], id=block["id"], name=self.names.ours(block["name"]))
            if block.get("input"):
                yield ToolCallDelta(index=self._calls[index], arguments=msgspec.json.encode(block["input"]).decode())
        elif kind == "redacted_thinking":
            yield WholePart(part=OpaquePart(fields={"type": "redacted_reasoning", "data": block["data"]}))
        elif kind == "thinking":
            if block.get("thinking"):
                yield ReasoningDelta(text=block["thinking"])
            if block.get("signature"):
                self._signatures[index] = block["signature"]
        elif kind == "text" and block.get("text"):
            yield TextDelta(text=block["text"])

    def _piece(self, index: int, delta: JsonObject) -> Iterator[ModelChunk]:
        kind = delta.get("type")
        if kind == "text_delta":
            yield TextDelta(text=delta["text"])
        elif kind == "thinking_delta":
            yield ReasoningDelta(text=delta["thinking"])
        elif kind == "signature_delta":
            self._signatures[index] = self._signatures.get(index, "") + delta["signature"]
        elif kind == "input_json_delta" and index in self._calls:
            yield ToolCallDelta(index=self._calls[index], arguments=delta["partial_json"])


def _counts(usage: object) -> JsonObject:
    """Return the counts that there are: later ones are of the whole, and go before earlier ones."""
    if not isinstance(usage, dict):
        return {}
    counts = {name: value for name, value in usage.items() if type(value) is int}
    details = usage.get("output_tokens_details")
    thought = details.get("thinking_tokens") if isinstance(details, dict) else None
    return counts | ({"thinking_tokens": thought} if type(thought) is int else {})

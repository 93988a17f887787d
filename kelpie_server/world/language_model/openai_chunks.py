"""Chunks of a chat completion to pieces of a reply.

What servers make of the format differs: calls without an index, or all with the same one, or whole in one chunk;
reasoning under two names; text in parts; errors in place of chunks; an end without [DONE]. All of that is understood;
what is no end is an error.
"""

from collections.abc import Iterator

import attrs
import msgspec

from kelpie_core.errors import ModelError
from kelpie_core.json_types import JsonObject, JsonValue
from kelpie_core.model.turn import Usage
from kelpie_core.ports import ModelChunk, ModelFinished, ReasoningDelta, TextDelta, ToolCallDelta
from kelpie_server.world.language_model.failures import Refusal, failure_of
from kelpie_server.world.language_model.names import Names

FILTERED = "the provider's content filter held the answer back"


@attrs.define(eq=False)
class ChatChunks:
    """Decodes one answer. `provider` and `key` are for its errors."""

    provider: str
    names: Names
    key: str | None = attrs.field(default=None, repr=False)
    _usage: Usage = Usage()
    _reason: str | None = None
    _said: bool = False
    # Of each call the index that the provider gave, and its id.
    _calls: list[tuple[int | None, str | None]] = attrs.field(factory=list)

    def feed(self, chunk: JsonValue) -> Iterator[ModelChunk]:
        """Yield what a chunk says; raise ModelError if it is an error."""
        if not isinstance(chunk, dict):
            raise ModelError(f"{self.provider}: a chunk of the answer is no JSON object")
        if chunk.get("error") or chunk.get("object") == "error":
            raise failure_of(Refusal(provider=self.provider, body=chunk, key=self.key))
        if isinstance(usage := chunk.get("usage"), dict):
            self._usage = usage_of(usage)
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else {}
        if not isinstance(choice, dict):
            raise ModelError(f"{self.provider}: a choice of the answer is no JSON object")
        if isinstance(reason := choice.get("finish_reason"), str) and reason:
            self._reason = reason
        # An answer that was not streamed is one chunk with a message in place of a delta.
        delta = choice.get("delta") or choice.get("message") or {}
        for piece in self._pieces(delta) if isinstance(delta, dict) else ():
            self._said = True
            yield piece

    def end(self, *, done: bool) -> ModelFinished:
        """Return the end; raise ModelError if the answer was cut, or held back. `done`: the server said so."""
        if self._reason is None and not done:
            raise ModelError(f"{self.provider}: the answer was cut")
        if self._reason == "error":
            raise ModelError(f"{self.provider}: the provider gave up in the middle of the answer")
        if self._reason == "content_filter" and not self._said:
            raise ModelError(f"{self.provider}: {FILTERED}", kind="llm_bad_request", retriable=False)
        return ModelFinished(usage=self._usage, truncated=self._reason == "length")

    def _pieces(self, delta: JsonObject) -> Iterator[ModelChunk]:
        thought = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))
        thought += "".join(_text(part.get("thinking")) for part in _parts(delta.get("content")))
        if thought:
            yield ReasoningDelta(text=thought)
        for name in ("content", "refusal"):
            if text := _text(delta.get(name)):
                yield TextDelta(text=text)
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                yield from self._call(call)

    def _call(self, call: JsonObject) -> Iterator[ModelChunk]:
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        call_id, name, arguments = call.get("id") or None, function.get("name") or None, function.get("arguments")
        if arguments and not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        given = call.get("index")
        index = self._index(given if type(given) is int else None, call_id, name)
        yield ToolCallDelta(
            index=index,
            id=call_id if isinstance(call_id, str) else None,
            name=self.names.ours(name) if isinstance(name, str) else None,
            arguments=arguments or "",
        )

    def _index(self, given: int | None, call_id: str | None, name: str | None) -> int:
        """Return the number of the call that a piece belongs to, in the order in which calls began."""
        for number in reversed(range(len(self._calls))):
            known, known_id = self._calls[number]
            if known == given and (call_id is None or known_id in (None, call_id)):
                if given is None and call_id is None and name is not None:
                    break  # no index and no id: a name begins a call
                return number
        self._calls.append((given, call_id))
        return len(self._calls) - 1


def usage_of(usage: JsonObject) -> Usage:
    """Return the tokens that a provider counted."""
    return Usage(
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        reasoning_tokens=_count(_object(usage.get("completion_tokens_details")).get("reasoning_tokens")),
        cached_input_tokens=_count(
            _object(usage.get("prompt_tokens_details")).get("cached_tokens") or usage.get("prompt_cache_hit_tokens")
        ),
    )


def _count(value: object) -> int:
    return value if type(value) is int and value > 0 else 0


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """Return a text, or that of a list of parts."""
    return value if isinstance(value, str) else "".join(_text(part.get("text")) for part in _parts(value))


def _parts(value: object) -> list[JsonObject]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []

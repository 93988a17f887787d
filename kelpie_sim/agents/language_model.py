"""A scripted language model: the user's message says what it shall do, so it needs no memory and survives any crash.

A message is a script, a line per step: `say WORDS`, or `call NAME {JSON}`, several calls joined by ` & `. The model
counts its own replies since the user last spoke to find its line; behind the last line it says "done". Words are
streamed one by one, arguments in two fragments.

Like a real provider it refuses a window that is not sound: a tool call without its return, a return without its call.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import attrs

from kelpie_core.errors import ModelError
from kelpie_core.model.content import text_of
from kelpie_core.model.message import Message, Role
from kelpie_core.model.turn import Usage
from kelpie_core.ports import ModelChunk, ModelFinished, ModelRequest, TextDelta, ToolCallDelta
from kelpie_core.turn.window import answers_of
from kelpie_sim.agents.faults import (
    MODEL,
    MODEL_CALL,
    MODEL_CHUNK,
    LlmCrash,
    LlmFailure,
    LlmMalformedToolCall,
    LlmRateLimited,
    LlmSlow,
    LlmStreamCut,
    LlmTimeout,
)
from kelpie_sim.faults import Fault, Verdict
from kelpie_sim.simulation import World
from kelpie_sim.world.host import Host, check_alive

DONE = "done"
_AT_CALL = (LlmTimeout, LlmFailure, LlmRateLimited, LlmCrash)
_AT_TEXT = (LlmSlow, LlmStreamCut, LlmCrash)
_AT_ARGUMENTS = (*_AT_TEXT, LlmMalformedToolCall)


class ScriptedModel:
    """A `LanguageModel` for one life of a host."""

    def __init__(self, world: World, host: Host, latency_ms_max: int = 20) -> None:
        self._world = world
        self._host = host
        self._incarnation = host.incarnation
        self._latency_ms_max = latency_ms_max
        self._stream = world.streams.stream(f"model/{host.name}")

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        """Yield the scripted reply; raise ModelError, HostDead."""
        await self._wait(self._stream.between(1, self._latency_ms_max))
        await self._meet_call(request.agent_id)
        _check_window(request.messages)
        chunks = list(_chunks(_line(request.messages), request.messages))
        for chunk in chunks:
            verdict = self._verdict_at(chunk, request.agent_id)
            if verdict is not None and isinstance(verdict.fault, LlmStreamCut):
                verdict.fire()
                return
            yield await self._meet_chunk(verdict, chunk)
        yield ModelFinished(usage=Usage(prompt_tokens=len(request.messages), completion_tokens=len(chunks)))

    async def _meet_call(self, agent_id: str) -> None:
        verdict = self._world.faults.verdict(
            MODEL, MODEL_CALL, host=self._host.name, subject=agent_id, applies=_AT_CALL
        )
        if verdict is None:
            return
        verdict.fire()
        match verdict.fault:
            case LlmTimeout(timeout_ms=timeout_ms):
                await self._wait(timeout_ms)
                raise ModelError("the model did not answer in time", kind="llm_timeout")
            case LlmRateLimited():
                raise ModelError("too many requests", kind="llm_rate_limit")
            case LlmCrash():
                self._host.crash()
        raise ModelError("the provider failed", kind="llm_error")

    def _verdict_at(self, chunk: ModelChunk, agent_id: str) -> Verdict | None:
        kinds: tuple[type[Fault], ...] = _AT_TEXT
        if isinstance(chunk, ToolCallDelta) and chunk.arguments:
            kinds = _AT_ARGUMENTS
        return self._world.faults.verdict(MODEL, MODEL_CHUNK, host=self._host.name, subject=agent_id, applies=kinds)

    async def _meet_chunk(self, verdict: Verdict | None, chunk: ModelChunk) -> ModelChunk:
        await asyncio.sleep(0)
        if verdict is None:
            return chunk
        verdict.fire()
        match verdict.fault:
            case LlmSlow(latency_ms=latency_ms):
                await self._wait(latency_ms)
            case LlmCrash():
                self._host.crash()
            case LlmMalformedToolCall() if isinstance(chunk, ToolCallDelta):
                return attrs.evolve(chunk, arguments="{" + chunk.arguments)
        return chunk

    async def _wait(self, latency_ms: int) -> None:
        await asyncio.sleep(latency_ms / 1_000)
        check_alive(self._host, self._incarnation)


def last_words(script: str) -> str:
    """Return what the model says at the end of a script that it follows to its end."""
    verb, _, words = script.split("\n")[-1].partition(" ")
    return f"{words} " if verb == "say" else f"{DONE} "


def _line(messages: tuple[Message, ...]) -> str:
    """Return the script's line for the step that comes next."""
    last = max((n for n, message in enumerate(messages) if message.role is Role.USER), default=-1)
    script = text_of(messages[last].content).split("\n") if last >= 0 else []
    step = sum(message.role is Role.ASSISTANT for message in messages[last + 1 :])
    return script[step] if step < len(script) else f"say {DONE}"


def _chunks(line: str, messages: tuple[Message, ...]) -> Iterator[ModelChunk]:
    verb, _, rest = line.partition(" ")
    if verb != "call":
        for word in (rest if verb == "say" else line).split(" "):
            yield TextDelta(text=word + " ")
        return
    for index, call in enumerate(rest.split(" & ")):
        name, _, arguments = call.removeprefix("call ").partition(" ")
        middle = len(arguments) // 2
        yield ToolCallDelta(index=index, id=f"call-{len(messages)}-{index}", name=name)
        yield ToolCallDelta(index=index, arguments=arguments[:middle])
        yield ToolCallDelta(index=index, arguments=arguments[middle:])


def _check_window(messages: tuple[Message, ...]) -> None:
    open_calls: set[str] = set()
    for message in messages:
        answered = set(answers_of(message))
        if not answered <= open_calls or (open_calls and not answered and message.role is not Role.APPROVAL):
            raise ModelError("tool calls and returns do not match", kind="llm_bad_request", retriable=False)
        open_calls = open_calls - answered | {call.id for call in message.tool_calls}
    if open_calls:
        raise ModelError("a tool call has no return", kind="llm_bad_request", retriable=False)

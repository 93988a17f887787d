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
    LlmContextOverflow,
    LlmCrash,
    LlmEmptyReply,
    LlmErrorInStream,
    LlmFailure,
    LlmGarbledChunk,
    LlmHang,
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
AT_CALL = (LlmTimeout, LlmFailure, LlmRateLimited, LlmContextOverflow, LlmEmptyReply)
AT_TEXT = (LlmSlow, LlmStreamCut, LlmGarbledChunk, LlmErrorInStream, LlmHang)
AT_ARGUMENTS = (*AT_TEXT, LlmMalformedToolCall)


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
        chunks = [] if await self._meet_call(request.agent_id) else list(_chunks_for(request.messages))
        for chunk in chunks:
            verdict = self._verdict_at(chunk, request.agent_id)
            if verdict is not None and isinstance(verdict.fault, LlmStreamCut):
                verdict.fire()
                return
            yield await self._meet_chunk(verdict, chunk)
        yield ModelFinished(usage=Usage(prompt_tokens=len(request.messages), completion_tokens=len(chunks)))

    async def _meet_call(self, agent_id: str) -> bool:
        """Return whether the reply is to be empty; raise ModelError for a call that fails."""
        verdict = self._world.faults.verdict(
            MODEL, MODEL_CALL, host=self._host.name, subject=agent_id, applies=(*AT_CALL, LlmCrash)
        )
        if verdict is None:
            return False
        verdict.fire()
        match verdict.fault:
            case LlmTimeout(timeout_ms=timeout_ms):
                await self._wait(timeout_ms)
                raise ModelError("the model did not answer in time", kind="llm_timeout")
            case LlmRateLimited():
                raise ModelError("too many requests", kind="llm_rate_limit")
            case LlmContextOverflow():
                raise ModelError("the window is too long", kind="llm_context_overflow", retriable=False)
            case LlmEmptyReply():
                return True
            case LlmCrash():
                self._host.crash()
        raise ModelError("the provider failed", kind="llm_error")

    def _verdict_at(self, chunk: ModelChunk, agent_id: str) -> Verdict | None:
        kinds = (*kinds_at(chunk), LlmCrash)
        return self._world.faults.verdict(MODEL, MODEL_CHUNK, host=self._host.name, subject=agent_id, applies=kinds)

    async def _meet_chunk(self, verdict: Verdict | None, chunk: ModelChunk) -> ModelChunk:
        await asyncio.sleep(0)
        if verdict is None:
            return chunk
        verdict.fire()
        match verdict.fault:
            case LlmSlow(latency_ms=latency_ms):
                await self._wait(latency_ms)
            case LlmHang(hang_ms=hang_ms):
                await self._wait(hang_ms)
                raise ModelError("the model went silent", kind="llm_timeout")
            case LlmGarbledChunk():
                raise ModelError("a piece of the reply cannot be read", kind="llm_error")
            case LlmErrorInStream():
                raise ModelError("the provider gave up", kind="llm_error")
            case LlmCrash():
                self._host.crash()
            case LlmMalformedToolCall():
                return malformed(chunk)
        return chunk

    async def _wait(self, latency_ms: int) -> None:
        await asyncio.sleep(latency_ms / 1_000)
        check_alive(self._host, self._incarnation)


def last_words(script: str) -> str:
    """Return what the model says at the end of a script that it follows to its end."""
    verb, _, words = script.split("\n")[-1].partition(" ")
    return f"{words} " if verb == "say" else f"{DONE} "


def kinds_at(chunk: ModelChunk) -> tuple[type[Fault], ...]:
    """Return the kinds of fault that can strike at a piece of a reply."""
    return AT_ARGUMENTS if isinstance(chunk, ToolCallDelta) and chunk.arguments else AT_TEXT


def malformed(chunk: ModelChunk) -> ModelChunk:
    """Return a piece of arguments that are no JSON."""
    assert isinstance(chunk, ToolCallDelta), "only arguments can be malformed"
    return attrs.evolve(chunk, arguments="{" + chunk.arguments)


def _chunks_for(messages: tuple[Message, ...]) -> Iterator[ModelChunk]:
    _check_window(messages)
    last = max((n for n, message in enumerate(messages) if message.role is Role.USER), default=-1)
    script = text_of(messages[last].content) if last >= 0 else ""
    step = sum(message.role is Role.ASSISTANT for message in messages[last + 1 :])
    return chunks_of(script, step, len(messages))


def chunks_of(script: str, step: int, serial: int) -> Iterator[ModelChunk]:
    """Yield the pieces of a script's reply number `step`; `serial` makes the ids of its calls."""
    lines = script.split("\n") if script else []
    line = lines[step] if step < len(lines) else f"say {DONE}"
    verb, _, rest = line.partition(" ")
    if verb != "call":
        for word in (rest if verb == "say" else line).split(" "):
            yield TextDelta(text=word + " ")
        return
    for index, call in enumerate(rest.split(" & ")):
        name, _, arguments = call.removeprefix("call ").partition(" ")
        middle = len(arguments) // 2
        yield ToolCallDelta(index=index, id=f"call-{serial}-{index}", name=name)
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

"""Chunks of the model's stream to one reply."""

import asyncio
from collections.abc import AsyncIterator

import attrs
import pytest

from kelpie_core.errors import ModelError
from kelpie_core.limits import MODEL_RETRIES_MAX, MODEL_RETRY_AFTER_SECONDS_MAX
from kelpie_core.model.content import OpaquePart, ReasoningPart, TextPart
from kelpie_core.model.tool import ToolCall
from kelpie_core.model.turn import Usage
from kelpie_core.ports import (
    ModelChunk,
    ModelFinished,
    ModelRequest,
    Ports,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    WholePart,
)
from kelpie_core.service.model_reply import Piece, ask_model
from kelpie_core.turn.events import ModelReplied
from tests.house import house
from tests.twins import model_error, virtual

USAGE = Usage(prompt_tokens=1, completion_tokens=2)
END = ModelFinished(usage=USAGE)
REQUEST = ModelRequest(agent_id="a", model=None, system="", messages=(), tools=())
Attempt = tuple[ModelChunk | Exception, ...]


@attrs.define(eq=False)
class ChunkModel:
    """A model that gives these chunks, one row for each call."""

    attempts: list[Attempt]
    calls: int = 0

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        """Yield the next row; an error in it is raised."""
        self.calls += 1
        for chunk in self.attempts[self.calls - 1]:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


def ports(*attempts: Attempt) -> Ports:
    """Return ports whose model gives these chunks."""
    return attrs.evolve(house().ports(), model=ChunkModel(list(attempts)))


@virtual
async def test_chunks_are_gathered() -> None:
    """Reasoning comes before the text, each in one part; calls come by their index, their arguments put together."""
    chunks: Attempt = (
        ToolCallDelta(index=1, id="c1", name="look", arguments='{"a"'),
        TextDelta(text="let "),
        ReasoningDelta(text="h"),
        ToolCallDelta(index=0, id="c0", name="roll"),
        ReasoningDelta(text="m"),
        ToolCallDelta(index=1, arguments=": 1}"),
        TextDelta(text="me"),
        ModelFinished(usage=USAGE, truncated=True),
    )
    expected = ModelReplied(
        step_id="s",
        content=(ReasoningPart(reasoning="hm"), TextPart(text="let me")),
        tool_calls=(
            ToolCall(id="c0", name="roll", arguments=""),
            ToolCall(id="c1", name="look", arguments='{"a": 1}'),
        ),
        usage=USAGE,
        truncated=True,
    )
    assert expected == await ask_model(ports(chunks), REQUEST, "s", None)


@virtual
async def test_empty_reply_is_tried_again() -> None:
    """A reply that says nothing is as good as none: asked again, the model may have something to say."""
    attempts: tuple[Attempt, ...] = ((TextDelta(text=""), END), (TextDelta(text="whole"), END))
    reply = await ask_model(ports(*attempts), REQUEST, "s", None)
    assert (TextPart(text="whole"),) == reply.content


@pytest.mark.parametrize(("truncated", "calls"), [(False, MODEL_RETRIES_MAX + 1), (True, 1)])
@virtual
async def test_model_that_never_says_anything(truncated: bool, calls: int) -> None:
    """A model that says nothing again and again has failed; one that used up its tokens for it, at once."""
    silent = ports(*[(ModelFinished(truncated=truncated),)] * 9)
    with pytest.raises(ModelError) as failure:
        await ask_model(silent, REQUEST, "s", None)
    assert ("the model returned an empty reply", "llm_error") == (str(failure.value), failure.value.kind)
    assert calls == silent.model.calls  # type: ignore[attr-defined]


@virtual
async def test_signed_thoughts_are_parts_of_their_own() -> None:
    """A signature ends a part of the reasoning; parts that come whole stand where they came; listeners hear neither."""
    hidden = OpaquePart(fields={"type": "redacted_reasoning", "data": "x"})
    chunks: Attempt = (
        ReasoningDelta(text="one"),
        ReasoningDelta(text="", signature="s1"),
        WholePart(part=hidden),
        ReasoningDelta(text="", signature="s2"),
        ReasoningDelta(text=""),
        TextDelta(text="so"),
        ReasoningDelta(text="two"),
        END,
    )
    heard: list[Piece] = []
    reply = await ask_model(ports(chunks), REQUEST, "s", heard.append)
    expected = (
        ReasoningPart(reasoning="one", signature="s1"),
        hidden,
        ReasoningPart(reasoning="", signature="s2"),
        ReasoningPart(reasoning="two"),
        TextPart(text="so"),
    )
    assert expected == reply.content
    assert [ReasoningDelta(text="one"), TextDelta(text="so"), ReasoningDelta(text="two")] == heard


@virtual
async def test_provider_is_left_alone_for_as_long_as_it_asks() -> None:
    """The wait that a provider asks for comes before the usual one."""
    busy = ModelError("busy", kind="llm_rate_limit", retry_after_seconds=7)
    await ask_model(ports((busy,), (TextDelta(text="whole"), END)), REQUEST, "s", None)
    assert 7 + 0.25 == asyncio.get_running_loop().time()


@virtual
async def test_provider_that_asks_for_too_much_time() -> None:
    """Who would have to wait longer than a caller can is told at once."""
    busy = ModelError("busy", kind="llm_rate_limit", retry_after_seconds=MODEL_RETRY_AFTER_SECONDS_MAX + 1)
    failing = ports((busy,), (TextDelta(text="whole"), END))
    with pytest.raises(ModelError, match="busy"):
        await ask_model(failing, REQUEST, "s", None)
    assert (1, 0) == (failing.model.calls, asyncio.get_running_loop().time())  # type: ignore[attr-defined]


@virtual
async def test_heard_and_stored_calls_have_the_same_ids() -> None:
    """A listener hears a call under the id under which it is stored, even if the model gave none."""
    heard: list[Piece] = []
    chunks = (ToolCallDelta(index=0, name="f"), ToolCallDelta(index=0, arguments="{}"), END)
    reply = await ask_model(ports(chunks), REQUEST, "s", heard.append)
    assert [reply.tool_calls[0].id, None] == [piece.id for piece in heard if isinstance(piece, ToolCallDelta)]


@virtual
async def test_calls_have_ids_of_their_own() -> None:
    """A call without an id, or with that of an earlier call, is given one: returns are paired by it."""
    chunks = tuple(ToolCallDelta(index=n, id=key, name="f") for n, key in enumerate(("c", None, "c", "", "d")))
    reply = await ask_model(ports((*chunks, END)), REQUEST, "s", None)
    ids = [call.id for call in reply.tool_calls]
    assert (["c", "d"], 5) == ([ids[0], ids[4]], len(set(ids)))
    assert ["call-"] * 3 == [key[:5] for key in ids[1:4]]


@virtual
async def test_pieces_are_heard_as_they_come() -> None:
    """A listener hears each piece in order, but not the end."""
    heard: list[Piece] = []
    pieces = (TextDelta(text="a"), ReasoningDelta(text="b"), ToolCallDelta(index=0, id="c", name="f"))
    await ask_model(ports((*pieces, END)), REQUEST, "s", heard.append)
    assert list(pieces) == heard


@virtual
async def test_failure_is_tried_again() -> None:
    """Failures and cut streams are tried again after a wait, and what they said is forgotten."""
    attempts: tuple[Attempt, ...] = (
        (model_error(),),
        (TextDelta(text="half"), model_error()),
        (TextDelta(text="half"),),
        (TextDelta(text="whole"), END),
    )
    reply = await ask_model(ports(*attempts), REQUEST, "s", None)
    assert ((TextPart(text="whole"),), 0.25 + 0.5 + 1) == (reply.content, asyncio.get_running_loop().time())


@virtual
async def test_failure_before_the_first_piece_is_tried_again() -> None:
    """A listener that has heard nothing yet need not know."""
    heard: list[Piece] = []
    attempts: tuple[Attempt, ...] = ((model_error(),), (), (TextDelta(text="whole"), END))
    await ask_model(ports(*attempts), REQUEST, "s", heard.append)
    assert [TextDelta(text="whole")] == heard


@pytest.mark.parametrize(
    ("attempt", "listens", "calls"),
    [
        ((model_error(),), False, MODEL_RETRIES_MAX + 1),
        ((), False, MODEL_RETRIES_MAX + 1),
        ((model_error(retriable=False),), False, 1),
        ((TextDelta(text="half"), model_error()), True, 1),
        ((TextDelta(text="half"),), True, 1),
    ],
    ids=["down", "cut", "refused", "heard, then down", "heard, then cut"],
)
@virtual
async def test_failure_is_given_up(attempt: Attempt, listens: bool, calls: int) -> None:
    """After the last retry, or at once when it will not pass or pieces were heard, the failure is raised."""
    failing = ports(*[attempt] * 9)
    with pytest.raises(ModelError):
        await ask_model(failing, REQUEST, "s", [].append if listens else None)  # type: ignore[arg-type]
    assert calls == failing.model.calls  # type: ignore[attr-defined]


@virtual
async def test_bug_in_the_model_is_not_retried() -> None:
    """Only a ModelError is the model's failure."""
    failing = ports((ValueError("bug"),))
    with pytest.raises(ValueError, match="bug"):
        await ask_model(failing, REQUEST, "s", None)


@virtual
async def test_half_characters_are_mended() -> None:
    """What the model says can be told and stored, whatever it says; a pair that its stream cuts comes whole."""
    chunks: Attempt = (
        ReasoningDelta(text="\ud800"),
        TextDelta(text="a\ud83d"),
        ToolCallDelta(index=0, id="c\ud800", name="n\ud800", arguments="\ud800"),
        TextDelta(text="\ude00b"),
        TextDelta(text="\ud83d"),
        END,
    )
    heard: list[Piece] = []
    reply = await ask_model(ports(chunks), REQUEST, "s", heard.append)
    assert (ReasoningPart(reasoning="\ufffd"), TextPart(text="a\U0001f600b\ufffd")) == reply.content
    assert (ToolCall(id="c\ufffd", name="n\ufffd", arguments="\ufffd"),) == reply.tool_calls
    assert "a\U0001f600b\ufffd" == "".join(piece.text for piece in heard if isinstance(piece, TextDelta))

"""The language model that says back what it was told."""

import asyncio
from typing import Any

import pytest

from kelpie_core.echo_model import EchoModel
from kelpie_core.model.message import Message, Role
from kelpie_core.model.turn import Usage
from kelpie_core.ports import (
    REQUIRED,
    LanguageModel,
    ModelChunk,
    ModelFinished,
    ModelRequest,
    TextDelta,
    ToolCallDelta,
)
from tests.core.wire.letta_samples import AGENT_ID, message, tool


def chunks(*messages: Message, system: str = "", **fields: Any) -> list[ModelChunk]:
    """Return what the model answers."""
    model: LanguageModel = EchoModel()
    request = ModelRequest(agent_id=AGENT_ID, model="a/b", system=system, messages=messages, **{"tools": (), **fields})

    async def collect() -> list[ModelChunk]:
        return [chunk async for chunk in model.stream(request)]

    return asyncio.run(collect())


def test_echoes_the_last_user_text():
    """The last message of the user comes back, whatever came after it."""
    found = chunks(message(Role.USER, "one"), message(Role.USER, "two words"), message(Role.ASSISTANT, "no"))
    assert ["echo:", " two", " words"] == [chunk.text for chunk in found if isinstance(chunk, TextDelta)]


@pytest.mark.parametrize("text", ["", " ", "a  b\n", "\tx", "a\n\n b "])
def test_chunks_join_to_the_whole(text):
    """No space is lost between the words."""
    found = chunks(message(Role.USER, text))
    assert f"echo: {text}" == "".join(chunk.text for chunk in found if isinstance(chunk, TextDelta))


def test_counts_words():
    """Usage is counted in words, and comes last."""
    found = chunks(message(Role.ASSISTANT, "a"), message(Role.USER, "b c"), system="d e f")
    assert ModelFinished(usage=Usage(prompt_tokens=6, completion_tokens=3)) == found[-1]


def test_nothing_to_echo():
    """Without any message of the user the answer says so by being empty behind its name."""
    assert [TextDelta(text="echo:"), TextDelta(text=" ")] == chunks()[:-1]


@pytest.mark.parametrize(
    ("choice", "name", "speaks"),
    [(REQUIRED, "send_message", True), (REQUIRED, "add", False), (None, "send_message", False)],
)
def test_speaks_by_a_call_where_it_must(choice, name, speaks):
    """An agent that speaks by calls gets its answer as one; where it need not call, or cannot, it is text."""
    found = chunks(message(Role.USER, 'a "b"'), tools=(tool(name=name),), tool_choice=choice)
    call = ToolCallDelta(index=0, name="send_message", arguments='{"message":"echo: a \\"b\\""}')
    text = [TextDelta(text=word) for word in ("echo:", " a", ' "b"')]
    assert ([call] if speaks else text) == found[:-1]

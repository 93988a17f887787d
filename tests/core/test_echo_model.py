"""The language model that says back what it was told."""

import asyncio

import pytest

from kelpie_core.echo_model import EchoModel
from kelpie_core.model.message import Message, Role
from kelpie_core.model.turn import Usage
from kelpie_core.ports import LanguageModel, ModelChunk, ModelFinished, ModelRequest, TextDelta
from tests.core.wire.letta_samples import AGENT_ID, message


def chunks(*messages: Message, system: str = "") -> list[ModelChunk]:
    """Return what the model answers."""
    model: LanguageModel = EchoModel()
    request = ModelRequest(agent_id=AGENT_ID, model="a/b", system=system, messages=messages, tools=())

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

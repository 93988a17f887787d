"""Real providers. Each test asks one question of the cheapest kind, and is skipped only for want of a key."""

import asyncio
import os

import pytest

from kelpie_core.model.tool import ToolCall
from kelpie_core.ports import REQUIRED, ModelFinished, TextDelta, ToolCallDelta
from kelpie_server.config import Config
from kelpie_server.world.language_model.chat_endpoint import ChatEndpoint
from kelpie_server.world.language_model.models import Models
from tests.server.world.language_model.samples import request, returned, said, told, tool, user

PROVIDERS = {
    "openai": ("OPENAI_API_KEY", "gpt-4o-mini"),
    "anthropic": ("ANTHROPIC_API_KEY", "claude-haiku-4-5"),
}


def asked(provider, *, direct=False, **fields):
    """Return the text, the first call and the end that a provider gives; skip the test without its key."""
    variable, model = PROVIDERS[provider]
    key = os.environ.get(variable)
    if not key:
        pytest.skip(f"{variable} is not set")

    async def run():
        models = Models(Config(**{f"{provider}_api_key": key}))  # type: ignore[arg-type]
        if direct:
            models._adapters["openai"] = ChatEndpoint(models._client_for, models._patience)
        settings = {"max_output_tokens": 64, "temperature": 0}
        messages = fields.pop("messages")
        question = request(*messages, model=f"{provider}/{model}", model_settings=settings, **fields)
        try:
            chunks = [chunk async for chunk in models.stream(question)]
        finally:
            await models.aclose()
        calls = [chunk for chunk in chunks if isinstance(chunk, ToolCallDelta)]
        text = "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))
        return text, calls, chunks[-1]

    return asyncio.run(run())


@pytest.mark.live
@pytest.mark.parametrize(("provider", "direct"), [("openai", False), ("openai", True), ("anthropic", False)])
def test_answer(provider, direct):
    """A real model answers a plain question, and its tokens are counted."""
    text, calls, end = asked(provider, direct=direct, messages=[user("Reply with the single word: pong")])
    assert ("pong", []) == (text.strip(" .!\n").lower(), calls)
    assert isinstance(end, ModelFinished)
    assert end.usage.prompt_tokens > 0 < end.usage.completion_tokens


@pytest.mark.live
@pytest.mark.parametrize(("provider", "direct"), [("openai", False), ("openai", True), ("anthropic", False)])
def test_tool(provider, direct):
    """A real model calls the tool that it must, and takes our account of a call and its return."""
    made = (ToolCall(id="call-1", name="look", arguments='{"text": "sea"}'),)
    window = [user("Look for sea."), said(calls=made), told(returned("call-1", "blue")), user("Now look for sky.")]
    _, calls, end = asked(provider, direct=direct, messages=window, tools=(tool(),), tool_choice=REQUIRED)
    arguments = "".join(call.arguments for call in calls)
    assert ("look", True, ModelFinished) == (calls[0].name, "sky" in arguments, type(end))

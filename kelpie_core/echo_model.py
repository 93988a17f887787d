"""A language model that needs no key and no network: it says back what it was told.

It understands nothing else, and it is honest about it: every answer begins with "echo: ". Tokens are words. Where the
model must call a tool and `send_message` is offered, it answers by that: so agents that speak by calls work too.
"""

import re
from collections.abc import AsyncIterator

import msgspec

from kelpie_core.model.content import text_of
from kelpie_core.model.message import Role
from kelpie_core.model.turn import Usage
from kelpie_core.ports import ModelChunk, ModelFinished, ModelRequest, TextDelta, ToolCallDelta
from kelpie_core.turn.conduct import SEND_MESSAGE

# A chunk is a word with the space before it; space at the very end is a chunk of its own.
_CHUNK = re.compile(r"\s*\S+|\s+\Z")


class EchoModel:
    """The `LanguageModel` that answers "echo: " and the text of the last user message."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        """Yield the answer word by word, then the count of words."""
        answer = f"echo: {_last_user_text(request)}"
        if request.tool_choice is not None and any(tool.name == SEND_MESSAGE for tool in request.tools):
            arguments = msgspec.json.encode({"message": answer}).decode()
            yield ToolCallDelta(index=0, name=SEND_MESSAGE, arguments=arguments)
        else:
            for chunk in _CHUNK.findall(answer):
                yield TextDelta(text=chunk)
        prompt = (request.system, *(text_of(message.content) for message in request.messages))
        yield ModelFinished(
            usage=Usage(prompt_tokens=sum(map(_count_words, prompt)), completion_tokens=_count_words(answer))
        )


def _last_user_text(request: ModelRequest) -> str:
    texts = (text_of(message.content) for message in reversed(request.messages) if message.role is Role.USER)
    return next(texts, "")


def _count_words(text: str) -> int:
    return len(text.split())

"""A real server whose model does what the user's message says, word by word: for killing it in the middle of things.

`python -m tests.server.scripted_server --port N --data PATH`. The scripts are those of kelpie_sim's scripted model.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from kelpie_core.model.content import text_of
from kelpie_core.model.message import Role
from kelpie_core.ports import ModelChunk, ModelFinished, ModelRequest
from kelpie_server.config import Config
from kelpie_server.serving import serve
from kelpie_sim.agents.language_model import chunks_of

CHUNK_SECONDS = 0.002


class SlowScriptedModel:
    """A model that takes its time for every piece."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        """Yield the reply that the last message of the user asks for."""
        last = max(n for n, message in enumerate(request.messages) if message.role is Role.USER)
        step = sum(message.role is Role.ASSISTANT for message in request.messages[last + 1 :])
        for chunk in chunks_of(text_of(request.messages[last].content), step, len(request.messages)):
            await asyncio.sleep(CHUNK_SECONDS)
            yield chunk
        yield ModelFinished()


if __name__ == "__main__":
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    config = Config(port=int(options["--port"]), data=Path(options["--data"]), model_default="kelpie/echo")
    asyncio.run(serve(config, SlowScriptedModel()))

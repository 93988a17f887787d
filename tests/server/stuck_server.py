"""A real server whose model never answers: for killing it in the middle of a turn."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from kelpie_core.ports import ModelChunk, ModelRequest, TextDelta
from kelpie_server.config import Config
from kelpie_server.serving import serve


class StuckModel:
    """A model that begins to answer and never ends."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        """Yield one piece."""
        yield TextDelta(text="well")
        await asyncio.Event().wait()


if __name__ == "__main__":
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    asyncio.run(
        serve(Config(port=int(options["--port"]), data=Path(options["--data"]), drain_seconds=0.1), StuckModel())
    )

"""How long a model may be silent: until its first piece, and between pieces.

Signs of life that say nothing, as comments in a stream, do not count.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

import attrs

from kelpie_core.errors import ModelError

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Patience:
    """How long to wait for a connection, for the first piece, for each further one."""

    connect_seconds: float = 10.0
    first_seconds: float = 300.0
    next_seconds: float = 120.0


async def paced(pieces: AsyncGenerator[T, None], patience: Patience) -> AsyncGenerator[T, None]:
    """Yield the pieces; raise ModelError llm_timeout, with the source closed, when one takes too long."""
    seconds, what = patience.first_seconds, "gave no first piece"
    async with aclosing(pieces):
        while True:
            try:
                async with asyncio.timeout(seconds):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise ModelError(f"the model {what} within {seconds:g} s", kind="llm_timeout") from error
            yield piece
            seconds, what = patience.next_seconds, "went silent: no further piece came"

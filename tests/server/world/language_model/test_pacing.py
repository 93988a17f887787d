"""How long a model may be silent."""

import asyncio

import pytest

from kelpie_core.errors import ModelError
from kelpie_server.world.language_model.pacing import Patience, paced
from tests.twins import virtual

PATIENCE = Patience(first_seconds=10, next_seconds=5)


async def pieces(*waits, closed=None):
    """Yield a number after each wait."""
    try:
        for number, seconds in enumerate(waits):
            await asyncio.sleep(seconds)
            yield number
    finally:
        if closed is not None:
            closed.append(asyncio.get_running_loop().time())


@virtual
async def test_pieces_in_time_pass():
    """The first piece has its own time, each further one its own."""
    assert [0, 1, 2] == [piece async for piece in paced(pieces(9, 4, 4), PATIENCE)]


@pytest.mark.parametrize(
    ("waits", "heard", "at", "words"),
    [
        ((11,), [], 10, "gave no first piece within 10 s"),
        ((9, 6), [0], 14, "went silent: no further piece came within 5 s"),
    ],
)
@virtual
async def test_silence_is_an_error(waits, heard, at, words):
    """A piece that takes too long is a timeout, and the source is closed then."""
    closed: list[float] = []
    got: list[int] = []

    async def listen():
        async for piece in paced(pieces(*waits, closed=closed), PATIENCE):
            got.append(piece)

    with pytest.raises(ModelError, match=words) as failure:
        await listen()
    assert (heard, [at], "llm_timeout", True) == (got, closed, failure.value.kind, failure.value.retriable)


@virtual
async def test_source_is_closed_when_nobody_listens():
    """Who stops to listen closes the source at once."""
    closed: list[float] = []
    stream = paced(pieces(1, 1, closed=closed), PATIENCE)
    assert 0 == await anext(stream)
    await stream.aclose()
    assert [1] == closed

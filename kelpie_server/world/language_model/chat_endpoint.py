"""Any endpoint that speaks OpenAI's chat completions, asked directly.

Ollama, vLLM, LM Studio, llama.cpp, proxies, OpenAI itself. A reply that nobody waits for any more is dropped with its
connection at once.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import httpx2
import msgspec

from kelpie_core.errors import ModelError
from kelpie_core.ports import ModelChunk
from kelpie_server.world.language_model.calls import Call, ClientFor
from kelpie_server.world.language_model.event_lines import EventLines, LineTooLong
from kelpie_server.world.language_model.failures import Refusal, body_in, failure_of, shown
from kelpie_server.world.language_model.json_body import decoded, encoded
from kelpie_server.world.language_model.openai_body import chat_body, names_of
from kelpie_server.world.language_model.openai_chunks import ChatChunks
from kelpie_server.world.language_model.pacing import Patience

DONE = b"[DONE]"
BODY_BYTES_MAX = 32 * 1024 * 1024
# So long a connection may take to end behind [DONE]; one that does can be used again.
DRAIN_SECONDS = 0.25


class ChatEndpoint:
    """The `Adapter` on HTTP alone."""

    def __init__(self, client_for: ClientFor, patience: Patience) -> None:
        self._client_for = client_for
        self._timeout = httpx2.Timeout(None, connect=patience.connect_seconds)

    async def stream(self, call: Call) -> AsyncGenerator[ModelChunk, None]:
        """Yield the reply; raise ModelError."""
        names = names_of(call.request)
        body = encoded(chat_body(call.request, call.model, names, official=call.endpoint.official))
        endpoint = call.endpoint
        chunks = ChatChunks(provider=endpoint.provider, names=names, key=endpoint.key)
        try:
            async with self._client_for(endpoint.base_url).stream(
                "POST",
                f"{endpoint.base_url}/chat/completions",
                content=body,
                headers=_headers(endpoint.key),
                timeout=self._timeout,
            ) as response:
                await _check(response, call)
                async with contextlib.aclosing(response.aiter_bytes()) as received:
                    async for piece in _pieces(response, received, chunks):
                        yield piece
                    await _drain(received)
        except httpx2.HTTPError as error:
            raise unreachable(error, endpoint.provider, endpoint.key) from None
        except (httpx2.InvalidURL, LineTooLong, msgspec.DecodeError) as error:
            words = shown(str(error), endpoint.key)
            raise ModelError(f"{endpoint.provider}: the answer is not what it should be: {words}") from None


def unreachable(error: BaseException, provider: str, key: str | None) -> ModelError:
    """Return what a failure of the way to a provider means."""
    words = shown(str(error) or type(error).__name__, key)
    if isinstance(error, httpx2.TimeoutException):
        return ModelError(f"{provider}: no connection in time: {words}", kind="llm_timeout")
    return ModelError(f"{provider}: the connection failed: {words}", kind="llm_error")


def _headers(key: str | None) -> dict[str, str]:
    headers = {"content-type": "application/json", "accept": "text/event-stream"}
    return headers if key is None else {**headers, "authorization": f"Bearer {key}"}


async def _check(response: httpx2.Response, call: Call) -> None:
    """Raise ModelError if the status says that there is no answer."""
    if response.status_code < 300:
        return
    data = b""
    with contextlib.suppress(httpx2.HTTPError):  # the status says enough
        data = await _whole(response.aiter_bytes())
    raise failure_of(
        Refusal(
            provider=call.endpoint.provider,
            status=response.status_code,
            body=body_in(data),
            headers=response.headers,
            key=call.endpoint.key,
        )
    )


async def _pieces(
    response: httpx2.Response, received: AsyncIterator[bytes], chunks: ChatChunks
) -> AsyncIterator[ModelChunk]:
    """Yield the pieces of an answer; one that was not streamed is a single chunk."""
    if "json" in response.headers.get("content-type", ""):
        for piece in chunks.feed(decoded(await _whole(received))):
            yield piece
        yield chunks.end(done=True)
        return
    done = False
    async for data in _events(received):
        done = data.strip() == DONE
        if done:
            break
        for piece in chunks.feed(decoded(data)):
            yield piece
    yield chunks.end(done=done)


async def _events(received: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    lines = EventLines()
    async for piece in received:
        for data in lines.feed(piece):
            yield data
    for data in lines.end():
        yield data


async def _whole(received: AsyncIterator[bytes]) -> bytes:
    data = b""
    async for piece in received:
        data += piece
        if len(data) > BODY_BYTES_MAX:
            raise LineTooLong(f"the answer has more than {BODY_BYTES_MAX} bytes")
    return data


async def _drain(received: AsyncIterator[bytes]) -> None:
    """Read to the end of the body, so that the connection can be used again; give up soon."""
    with contextlib.suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in received:
                pass

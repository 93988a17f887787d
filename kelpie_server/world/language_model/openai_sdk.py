"""OpenAI asked through its own SDK, the extra kelpie[openai]. Connections, retries and timeouts stay ours."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import openai

from kelpie_core.errors import ModelError
from kelpie_core.ports import ModelChunk
from kelpie_server.world.language_model.calls import Call, ClientFor, Endpoint
from kelpie_server.world.language_model.chat_endpoint import unreachable
from kelpie_server.world.language_model.failures import Refusal, failure_of, shown
from kelpie_server.world.language_model.json_body import mended
from kelpie_server.world.language_model.openai_body import chat_body, names_of
from kelpie_server.world.language_model.openai_chunks import ChatChunks
from kelpie_server.world.language_model.pacing import Patience

NO_KEY = "none"


class OpenAISdk:
    """The `Adapter` on the SDK."""

    def __init__(self, client_for: ClientFor, patience: Patience) -> None:
        self._client_for = client_for
        self._timeout = httpx2.Timeout(None, connect=patience.connect_seconds)
        self._clients: dict[Endpoint, openai.AsyncOpenAI] = {}

    async def stream(self, call: Call) -> AsyncGenerator[ModelChunk, None]:
        """Yield the reply; raise ModelError."""
        endpoint, names = call.endpoint, names_of(call.request)
        body: dict[str, Any] = mended(chat_body(call.request, call.model, names, official=endpoint.official))
        model, messages, _ = body.pop("model"), body.pop("messages"), body.pop("stream")
        chunks = ChatChunks(provider=endpoint.provider, names=names, key=endpoint.key)
        try:
            async with await self._client(endpoint).chat.completions.create(
                model=model, messages=messages, stream=True, extra_body=body
            ) as answer:
                async for chunk in answer:
                    for piece in chunks.feed(chunk.to_dict()):
                        yield piece
            yield chunks.end(done=False)
        except (openai.OpenAIError, httpx2.HTTPError) as error:
            raise failure_in(error, endpoint) from None
        except ValueError as error:
            words = shown(str(error), endpoint.key)
            raise ModelError(f"{endpoint.provider}: the answer is not what it should be: {words}") from None

    def _client(self, endpoint: Endpoint) -> openai.AsyncOpenAI:
        client = self._clients.get(endpoint)
        if client is None:
            client = self._clients[endpoint] = openai.AsyncOpenAI(
                api_key=endpoint.key or NO_KEY,
                base_url=endpoint.base_url,
                http_client=self._client_for(endpoint.base_url),
                max_retries=0,
                timeout=self._timeout,
            )
        return client


def failure_in(error: Exception, endpoint: Endpoint) -> ModelError:
    """Return what an error of the SDK means."""
    if isinstance(error, openai.APITimeoutError):
        return ModelError(f"{endpoint.provider}: no connection in time", kind="llm_timeout")
    if isinstance(error, openai.APIConnectionError):
        return unreachable(error.__cause__ or error, endpoint.provider, endpoint.key)
    if isinstance(error, openai.APIError):
        status = error.status_code if isinstance(error, openai.APIStatusError) else None
        headers = error.response.headers if isinstance(error, openai.APIStatusError) else {}
        body = error.body if isinstance(error.body, dict | list) else {"message": error.message}
        return failure_of(
            Refusal(provider=endpoint.provider, status=status, body=body, headers=headers, key=endpoint.key)
        )
    return unreachable(error, endpoint.provider, endpoint.key)

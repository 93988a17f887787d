"""Anthropic asked through its own SDK, the extra kelpie[anthropic]. Connections, retries and timeouts stay ours."""

from collections.abc import AsyncGenerator
from typing import Any

import anthropic
import httpx2

from kelpie_core.errors import ModelError
from kelpie_core.ports import ModelChunk
from kelpie_server.world.language_model.anthropic_body import message_parameters
from kelpie_server.world.language_model.anthropic_events import MessageEvents
from kelpie_server.world.language_model.calls import Call, ClientFor, Endpoint
from kelpie_server.world.language_model.chat_endpoint import unreachable
from kelpie_server.world.language_model.failures import Refusal, failure_of, shown
from kelpie_server.world.language_model.json_body import mended
from kelpie_server.world.language_model.openai_body import names_of
from kelpie_server.world.language_model.pacing import Patience

NO_KEY = "none"


class AnthropicSdk:
    """The `Adapter` on the SDK."""

    def __init__(self, client_for: ClientFor, patience: Patience) -> None:
        self._client_for = client_for
        self._timeout = httpx2.Timeout(None, connect=patience.connect_seconds)
        self._clients: dict[Endpoint, anthropic.AsyncAnthropic] = {}

    async def stream(self, call: Call) -> AsyncGenerator[ModelChunk, None]:
        """Yield the reply; raise ModelError."""
        endpoint, names = call.endpoint, names_of(call.request)
        parameters: dict[str, Any] = mended(message_parameters(call, names))
        events = MessageEvents(provider=endpoint.provider, names=names, key=endpoint.key)
        try:
            async with await self._client(endpoint).messages.create(**parameters, stream=True) as answer:
                async for event in answer:
                    for piece in events.feed(event.to_dict()):
                        yield piece
            yield events.end()
        except (anthropic.AnthropicError, httpx2.HTTPError) as error:
            raise failure_in(error, endpoint) from None
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # An event that is none: the SDK passes on whatever has the form of one.
            words = shown(f"{type(error).__name__} {error}", endpoint.key)
            raise ModelError(f"{endpoint.provider}: the answer is not what it should be: {words}") from None

    def _client(self, endpoint: Endpoint) -> anthropic.AsyncAnthropic:
        client = self._clients.get(endpoint)
        if client is None:
            client = self._clients[endpoint] = anthropic.AsyncAnthropic(
                api_key=endpoint.key or NO_KEY,
                base_url=endpoint.base_url,
                http_client=self._client_for(endpoint.base_url),
                max_retries=0,
                timeout=self._timeout,
            )
        return client


def failure_in(error: Exception, endpoint: Endpoint) -> ModelError:
    """Return what an error of the SDK means."""
    if isinstance(error, anthropic.APITimeoutError):
        return ModelError(f"{endpoint.provider}: no connection in time", kind="llm_timeout")
    if isinstance(error, anthropic.APIConnectionError):
        return unreachable(error.__cause__ or error, endpoint.provider, endpoint.key)
    if isinstance(error, anthropic.APIError):
        # In the middle of a stream the status is that of its head, and says nothing.
        response = error.response if isinstance(error, anthropic.APIStatusError) else None
        body = error.body if isinstance(error.body, dict | list) else {"message": error.message}
        return failure_of(
            Refusal(
                provider=endpoint.provider,
                status=None if response is None else response.status_code,
                body=body,
                headers={} if response is None else response.headers,
                key=endpoint.key,
            )
        )
    return unreachable(error, endpoint.provider, endpoint.key)

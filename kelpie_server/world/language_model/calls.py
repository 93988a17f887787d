"""What an adapter is given: where to ask, which model, what; and the clients it asks through."""

from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Protocol

import attrs

from kelpie_core.ports import ModelChunk, ModelRequest

if TYPE_CHECKING:
    import httpx2


@attrs.frozen(kw_only=True)
class Endpoint:
    """Where a provider is asked. `official`: in OpenAI's own dialect. The key goes to this address and no other."""

    provider: str
    base_url: str
    key: str | None = attrs.field(default=None, repr=False)
    official: bool = False


@attrs.frozen(kw_only=True)
class Call:
    """One question to a model, by the provider's name for it."""

    endpoint: Endpoint
    model: str
    request: ModelRequest
    is_own: Callable[[str | None], bool] = attrs.field(default=lambda handle: False, eq=False, repr=False)
    """Whether a handle is this provider's: what it thought is sent back to nobody else."""


class Adapter(Protocol):
    """One way to speak with providers."""

    def stream(self, call: Call) -> AsyncGenerator[ModelChunk, None]:
        """Yield the reply in pieces, ModelFinished last; raise ModelError."""


ClientFor = Callable[[str], "httpx2.AsyncClient"]
"""Gives the HTTP client for a base URL. Who gives it closes it."""

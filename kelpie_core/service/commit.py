"""Running a transaction to its end: bounded retries with backoff, so that every caller retries alike.

The body may run several times and must therefore be idempotent: ids are chosen before it, and it looks whether an
earlier attempt of its own went through (a commit whose acknowledgement was lost is found again, never done twice).
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from kelpie_core.errors import Conflict, StoreError
from kelpie_core.limits import CONFLICT_RETRIES_MAX, RETRY_BACKOFF_MS, RETRY_BACKOFF_MS_MAX, STORE_RETRIES_MAX
from kelpie_core.ports import Ports, Transaction

T = TypeVar("T")


async def commit(ports: Ports, body: Callable[[Transaction], Awaitable[T]]) -> T:
    """Return what `body` returned in the transaction that went through.

    Raises Conflict after CONFLICT_RETRIES_MAX retries, StoreError after STORE_RETRIES_MAX or if it is not retriable
    (`uncertain` if that was so of any attempt), and whatever `body` raises.
    """
    conflicts = failures = 0
    uncertain = False
    while True:
        try:
            async with ports.store.transaction() as transaction:
                result = await body(transaction)
            return result
        except StoreError as error:
            # What an earlier attempt left in doubt stays in doubt, however clear the last one failed.
            uncertain = error.uncertain = uncertain or error.uncertain
            conflicts += isinstance(error, Conflict)
            failures += not isinstance(error, Conflict)
            if not error.retriable or conflicts > CONFLICT_RETRIES_MAX or failures > STORE_RETRIES_MAX:
                raise
        await back_off(ports, conflicts + failures)


async def back_off(
    ports: Ports, attempt: int, *, first_ms: int = RETRY_BACKOFF_MS, max_ms: int = RETRY_BACKOFF_MS_MAX
) -> None:
    """Sleep before the next attempt (1 is the first retry): exponential, capped, half of it drawn from entropy."""
    full_ms = min(first_ms << min(attempt - 1, 20), max_ms)
    jitter = ports.entropy.bits(16) / 0xFFFF
    await ports.clock.sleep(full_ms * (0.5 + jitter / 2) / 1000)

"""A clock that stands still until a test moves it."""

import asyncio
import datetime as dt

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class ManualClock:
    """A `Clock` whose time passes in `advance` alone. Sleeps are counted, so that a test can wait for one to begin."""

    def __init__(self) -> None:
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> dt.datetime:
        """Return the time of day."""
        return START + dt.timedelta(seconds=self._elapsed)

    def monotonic_ns(self) -> int:
        """Return nanoseconds since the start."""
        return int(self._elapsed * 1e9)

    async def sleep(self, seconds: float) -> None:
        """Return when the time was moved that far."""
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._elapsed + seconds, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move the time, wake who has slept enough, and let everybody do what can be done at once."""
        await settle()
        self._elapsed += seconds
        due = [one for one in self._sleepers if one[0] <= self._elapsed]
        self._sleepers = [one for one in self._sleepers if one[0] > self._elapsed]
        for _, woken in due:
            if not woken.done():
                woken.set_result(None)
        await settle()


async def settle(turns: int = 200) -> None:
    """Let every task of the loop run as far as it can without time or news."""
    for _ in range(turns):
        await asyncio.sleep(0)

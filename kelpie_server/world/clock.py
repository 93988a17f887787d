"""The real clock."""

import asyncio
import datetime as dt
import time


class SystemClock:
    """The `Clock` of this machine."""

    def now(self) -> dt.datetime:
        """Return the time of day, aware, in UTC."""
        return dt.datetime.now(dt.UTC)

    def monotonic_ns(self) -> int:
        """Return nanoseconds since some start; never goes back."""
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        await asyncio.sleep(seconds)

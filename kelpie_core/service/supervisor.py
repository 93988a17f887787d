"""The turns that live in this process, and who listens to them.

A turn runs in a task of its own, so that a listener that goes away stops nothing. Every listener hears either
`TurnEnded` or an error: never silence.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import attrs

from kelpie_core.errors import CallerError, LeaseLost, NotFound, StoreError, WorldError
from kelpie_core.model.agent import Lease
from kelpie_core.model.run import Run
from kelpie_core.model.turn import StopReason
from kelpie_core.ports import Ports
from kelpie_core.service.recovery import release
from kelpie_core.service.turn_events import TurnEnded, TurnEvent
from kelpie_core.service.turns import TurnDriver
from kelpie_core.texts import encodable

Heard = TurnEvent | BaseException


@attrs.define(eq=False)
class LiveTurn:
    """A turn that runs in this process."""

    driver: TurnDriver
    task: asyncio.Task[None]
    listeners: "list[asyncio.Queue[Heard]]"


@attrs.define(eq=False)
class Supervisor:
    """Starts turns, lets others listen, stops them, waits for them."""

    _ports: Ports
    _live: dict[str, LiveTurn] = attrs.field(factory=dict, init=False)
    _claimed: dict[str, None] = attrs.field(factory=dict, init=False)

    def start(self, run: Run, lease: Lease, *, tokens: bool = False) -> "AsyncIterator[TurnEvent]":
        """Drive the run in a task of its own and return its events. Nothing is lost if nobody listens."""
        listeners: list[asyncio.Queue[Heard]] = []
        driver = TurnDriver(
            ports=self._ports, run=run, lease=lease, hear=lambda event: _tell(listeners, event), tokens=tokens
        )
        heard = _listen(listeners)
        task = asyncio.ensure_future(self._drive(driver, listeners))
        self._live[run.id] = LiveTurn(driver=driver, task=task, listeners=listeners)
        return heard

    @contextlib.contextmanager
    def claiming(self, run_id: str) -> Iterator[bool]:
        """Claim a run for the block, in which it may be begun or taken up; say whether it was free.

        Two tasks of one process that take up one run at one moment would ask for the very same lease, and each would
        find it granted.
        """
        if self.is_live(run_id) or run_id in self._claimed:
            yield False
            return
        self._claimed[run_id] = None
        try:
            yield True
        finally:
            del self._claimed[run_id]

    def listen(self, run_id: str) -> "AsyncIterator[TurnEvent] | None":
        """Return the events of a live turn from now on; None if it does not live here."""
        live = self._live.get(run_id)
        return None if live is None else _listen(live.listeners)

    def stop(self, run_id: str) -> None:
        """Tell a turn of this process to end as cancelled; nothing happens if it does not live here."""
        live = self._live.get(run_id)
        if live is not None:
            live.driver.stop()

    def is_live(self, run_id: str) -> bool:
        """Return whether the turn runs in this process."""
        return run_id in self._live

    async def aclose(self, grace_seconds: float) -> None:
        """Wait for the turns to end, at most that long; leave the others to recovery, their leases given back."""
        tasks = [live.task for live in self._live.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.wait(tasks)

    async def _drive(self, driver: TurnDriver, listeners: "list[asyncio.Queue[Heard]]") -> None:
        try:
            await self._drive_to_an_end(driver)
        except asyncio.CancelledError:
            # Not the listeners' own cancellation: to them the turn has left this process.
            _tell(listeners, LeaseLost(driver.run.id))
        except BaseException as error:
            _tell(listeners, error)
            if not isinstance(error, CallerError | WorldError):
                raise
        finally:
            del self._live[driver.run.id]

    async def _drive_to_an_end(self, driver: TurnDriver) -> None:
        try:
            await driver.drive()
        except (LeaseLost, NotFound):
            raise
        except StoreError as error:
            await self._break_off(driver, error, f"the store failed: {error}")
        except asyncio.CancelledError:
            await release(self._ports, driver.run, driver.lease)
            raise
        except Exception as error:
            await self._break_off(driver, error, f"{type(error).__name__}: {error}")
            raise

    async def _break_off(self, driver: TurnDriver, error: Exception, words: str) -> None:
        """Account the run as failed; raise the error itself if even that cannot be stored: recovery has it then."""
        try:
            await driver.break_off(StopReason.ERROR, encodable(words))
        except (StoreError, NotFound) as second:
            if isinstance(error, StoreError):
                error.uncertain = True  # the input is stored: to send it again would double it
            raise error from second


async def _events_of(queue: "asyncio.Queue[Heard]") -> AsyncIterator[TurnEvent]:
    while True:
        heard = await queue.get()
        if isinstance(heard, BaseException):
            raise heard
        yield heard
        if isinstance(heard, TurnEnded):
            return


def _listen(listeners: "list[asyncio.Queue[Heard]]") -> AsyncIterator[TurnEvent]:
    queue: asyncio.Queue[Heard] = asyncio.Queue()
    listeners.append(queue)
    return _events_of(queue)


def _tell(listeners: "list[asyncio.Queue[Heard]]", heard: Heard) -> None:
    for queue in listeners:
        queue.put_nowait(heard)

"""The turns that live in this process, and who listens to them.

A turn runs in a task of its own, so that a listener that goes away stops nothing. Every listener hears either
`TurnEnded` or an error: never silence. What a listener has not taken yet is bounded: one that falls behind is told so,
and can read what is stored. The turn waits for nobody.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import attrs

from kelpie_core.errors import CallerError, FellBehind, LeaseLost, NotFound, StoreError, WorldError
from kelpie_core.limits import LISTENER_EVENTS_MAX
from kelpie_core.model.agent import Lease
from kelpie_core.model.run import Run
from kelpie_core.model.turn import StopReason
from kelpie_core.ports import Ports
from kelpie_core.service.log_writer import LogWriter
from kelpie_core.service.recovery import release
from kelpie_core.service.turn_events import TurnEnded, TurnEvent
from kelpie_core.service.turns import TurnDriver
from kelpie_core.texts import encodable

Heard = TurnEvent | BaseException
STOPPING = "the server is stopping: no turn begins here any more"


@attrs.define(eq=False)
class LiveTurn:
    """A turn that runs in this process; `log` is written if it runs in the background."""

    driver: TurnDriver
    log: LogWriter | None
    listeners: "list[asyncio.Queue[Heard]]"

    def hear(self, event: TurnEvent) -> None:
        """Tell everybody of an event."""
        _tell(self.listeners, event)
        if self.log is not None:
            self.log.hear(event)


@attrs.define(eq=False)
class Supervisor:
    """Starts turns, lets others listen, stops them, waits for them."""

    _ports: Ports
    _live: dict[str, LiveTurn] = attrs.field(factory=dict, init=False)
    # Not in LiveTurn: what a turn died of leads to that, and must not keep its task from being missed.
    _tasks: dict[str, asyncio.Task[None]] = attrs.field(factory=dict, init=False)
    _claimed: dict[str, asyncio.Event] = attrs.field(factory=dict, init=False)
    _is_closing: bool = attrs.field(default=False, init=False)
    _is_closed: bool = attrs.field(default=False, init=False)

    def start(self, run: Run, lease: Lease, *, tokens: bool = False, resumed: bool = True) -> None:
        """Drive the run in a task of its own. Who listens before this task waits for anything misses nothing.

        Not `resumed`: the run has just begun here, and no other process has worked on it. Raises StoreError if it is
        too late to begin anything here: the run is left to recovery.
        """
        if self._is_closed:
            raise StoreError(STOPPING, uncertain=True)
        log = LogWriter(self._ports, run, lease) if run.background else None
        driver = TurnDriver(
            ports=self._ports,
            run=run,
            lease=lease,
            hear=lambda event: live.hear(event),
            tokens=tokens,
            resumed=resumed,
        )
        live = self._live[run.id] = LiveTurn(driver=driver, log=log, listeners=[])
        self._tasks[run.id] = asyncio.ensure_future(self._drive(live))

    @contextlib.contextmanager
    def claiming(self, run_id: str) -> Iterator[bool]:
        """Claim a run for the block, in which it may be begun or taken up; say whether it was free.

        Two tasks of one process that take up one run at one moment would ask for the very same lease, and each would
        find it granted. Raises StoreError once the process is about to leave.
        """
        if self.is_live(run_id) or run_id in self._claimed:
            yield False
            return
        self.check_open()
        ended = self._claimed[run_id] = asyncio.Event()
        try:
            yield True
        finally:
            del self._claimed[run_id]
            ended.set()

    def check_open(self) -> None:
        """Raise StoreError if no turn may begin here any more."""
        if self._is_closing:
            raise StoreError(STOPPING)

    def listen(self, run_id: str) -> "AsyncIterator[TurnEvent] | None":
        """Return the events of a live turn from now on; None if it does not live here."""
        live = self._live.get(run_id)
        return None if live is None else _listen(live.listeners)

    def log_of(self, run_id: str) -> LogWriter | None:
        """Return who writes the log of a turn that lives here."""
        live = self._live.get(run_id)
        return live.log if live is not None and live.log is not None and live.log.is_writing else None

    def stop(self, run_id: str) -> None:
        """Tell a turn of this process to end as cancelled; nothing happens if it does not live here."""
        live = self._live.get(run_id)
        if live is not None:
            live.driver.stop()

    @property
    def live_turns(self) -> int:
        """Return how many turns run in this process."""
        return len(self._live)

    def is_live(self, run_id: str) -> bool:
        """Return whether the turn runs in this process."""
        return run_id in self._live

    async def aclose(self, grace_seconds: float) -> None:
        """Wait for the turns to end, at most that long; leave the others to recovery, their leases given back.

        From now on none begins. What is just being begun counts: it is waited for first.
        """
        self._is_closing = True
        began_ns = self._ports.clock.monotonic_ns()
        await _all_set(tuple(self._claimed.values()), grace_seconds)
        self._is_closed = True
        tasks = tuple(self._tasks.values())
        if tasks:
            left = grace_seconds - (self._ports.clock.monotonic_ns() - began_ns) / 1e9
            _, late = await asyncio.wait(tasks, timeout=max(left, 0))
            for task in late:
                task.cancel()
            await asyncio.wait(tasks)

    async def _drive(self, live: LiveTurn) -> None:
        try:
            await self._drive_to_an_end(live)
        except asyncio.CancelledError:
            if live.log is not None:
                live.log.cancel()
            # Not the listeners' own cancellation: to them the turn has left this process.
            _tell(live.listeners, LeaseLost(live.driver.run.id))
        except BaseException as error:
            _tell(live.listeners, error)
            if not isinstance(error, CallerError | WorldError):
                raise
        finally:
            try:
                if live.log is not None:
                    await live.log.aclose()
            finally:
                del self._live[live.driver.run.id], self._tasks[live.driver.run.id]

    async def _drive_to_an_end(self, live: LiveTurn) -> None:
        driver = live.driver
        try:
            if live.log is not None:
                driver.tokens = (await live.log.open()).tokens
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
    for queue in tuple(listeners):
        if queue.qsize() < LISTENER_EVENTS_MAX:
            queue.put_nowait(heard)
            continue
        listeners.remove(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(FellBehind(LISTENER_EVENTS_MAX))


async def _all_set(events: "tuple[asyncio.Event, ...]", seconds_max: float) -> None:
    """Return once all events are set, or that much time has passed."""
    if events:
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        _, late = await asyncio.wait(waits, timeout=seconds_max)
        for wait in late:
            wait.cancel()

"""The part of an event loop that reaches the real world: refused here, by name of the call.

What it cannot simulate raises at once, because a call that quietly did something else would make a run that proves
nothing. Two things are answered instead: the network, once a simulated one is attached to the loop, and blocking jobs
for an executor, which run as one step of their own in the loop's only thread.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections.abc import Callable, Coroutine
from functools import partial
from types import CoroutineType
from typing import Any, NoReturn, Protocol, TypeVar

from kelpie_sim.errors import HostDead, Unsupported
from kelpie_sim.incarnation import Jobs

T = TypeVar("T")
# Asked as a job begins, and what it returns as the job ends: for how many nanoseconds more its disk is at work.
JobTimer = Callable[[], Callable[[], int]]
NS_PER_SECOND = 1_000_000_000

REFUSED_AT_ONCE = (
    "add_reader", "add_signal_handler", "add_writer", "remove_reader", "remove_signal_handler", "remove_writer",
)  # fmt: skip
REFUSED_WHEN_AWAITED = (
    "connect_accepted_socket", "connect_read_pipe", "connect_write_pipe",
    "create_unix_connection", "create_unix_server", "sendfile", "sock_accept", "sock_connect", "sock_recv",
    "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall", "sock_sendfile", "sock_sendto",
    "subprocess_exec", "subprocess_shell",
)  # fmt: skip


def _no_time() -> Callable[[], int]:
    return lambda: 0


def _end_job(future: asyncio.Future[T], settle: Callable[[], None]) -> None:
    if not future.cancelled():
        settle()


class Network(Protocol):
    """What a simulated network answers for the loop; the arguments are those of the loop's methods."""

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any: ...
    async def create_datagram_endpoint(self, *args: Any, **kwargs: Any) -> Any: ...
    async def create_server(self, *args: Any, **kwargs: Any) -> Any: ...
    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any: ...
    async def getnameinfo(self, *args: Any, **kwargs: Any) -> Any: ...
    async def start_tls(self, *args: Any, **kwargs: Any) -> Any: ...
    def wrap_bio(self, *args: Any, **kwargs: Any) -> Any: ...
    def program_ended(self) -> None: ...


class NoRealWorld(asyncio.base_events.BaseEventLoop):
    """An event loop without selector, sockets, pipes, processes, signals and threads."""

    __slots__ = ("_closed", "_stopping", "_thread_id", "job_timer", "make_network", "network", "refusals")

    # Of the base class, which keeps them from type checkers.
    _task_factory: Any
    _asyncgens_shutdown_called: bool
    _check_closed: Callable[[], None]
    _check_running: Callable[[], None]

    def __init__(self) -> None:
        # Not by the base class, which looks at clocks and the environment each time, a tenth of an empty run. What it
        # would set is set in this class, but for what a loop looks at all the time.
        self._closed = False
        self._stopping = False
        self._thread_id: int | None = None
        self.network: Network | None = None
        self.make_network: Callable[[], Network] | None = None
        self.job_timer: JobTimer = _no_time
        self.refusals: list[str] = []

    def refuse(self, call: str, instead: str = "") -> NoReturn:
        """Raise Unsupported, and remember it in case that the program swallows it."""
        self.refusals.append(call)
        raise Unsupported(call, instead)

    def _network_for(self, call: str) -> Network:
        if self.network is None and self.make_network is not None:
            self.network = self.make_network()
        if self.network is None:
            self.refuse(f"loop.{call}", "attach a simulated network to the loop")
        return self.network

    def run_until_complete(self, future: Any) -> Any:
        """Run until the future is done, as the base class does, and tell the network when that was."""
        try:
            if type(future) is not CoroutineType:
                return super().run_until_complete(future)
            return self._run_main(future)
        finally:
            if self.network is not None:
                self.network.program_ended()

    def _run_main(self, main: Coroutine[Any, Any, T]) -> T:
        """Do what the base class does, which for a coroutine comes to this."""
        task = self.create_task(main)
        task.add_done_callback(self._main_ended)
        try:
            self.run_forever()
        except BaseException:
            if task.done() and not task.cancelled():
                task.exception()  # Marked as seen: nobody else has the task.
            raise
        finally:
            task.remove_done_callback(self._main_ended)
        if not task.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        return task.result()

    def _main_ended(self, task: asyncio.Task[Any]) -> None:
        # With these two the run is over already.
        if task.cancelled() or not isinstance(task.exception(), SystemExit | KeyboardInterrupt):
            self._stopping = True

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Connect over the simulated network. Raise Unsupported without one."""
        return await self._network_for("create_connection").create_connection(*args, **kwargs)

    async def create_datagram_endpoint(self, *args: Any, **kwargs: Any) -> Any:
        """Bind a UDP port of the simulated network. Raise Unsupported without one."""
        return await self._network_for("create_datagram_endpoint").create_datagram_endpoint(*args, **kwargs)

    async def create_server(self, *args: Any, **kwargs: Any) -> Any:
        """Listen on the simulated network. Raise Unsupported without one."""
        return await self._network_for("create_server").create_server(*args, **kwargs)

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        """Resolve a name in the simulated network. Raise Unsupported without one."""
        return await self._network_for("getaddrinfo").getaddrinfo(*args, **kwargs)

    async def getnameinfo(self, *args: Any, **kwargs: Any) -> Any:
        """Name an address of the simulated network. Raise Unsupported without one."""
        return await self._network_for("getnameinfo").getnameinfo(*args, **kwargs)

    async def start_tls(self, *args: Any, **kwargs: Any) -> Any:
        """Upgrade a connection of the simulated network. Raise Unsupported without one."""
        return await self._network_for("start_tls").start_tls(*args, **kwargs)

    def run_in_executor(  # type: ignore[override]  # typeshed promises a future to the exact type of func.
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run a blocking job as one step of its own, whatever the executor; it has ended when its disk is done."""
        future: asyncio.Future[T] = self.create_future()
        self.call_soon(self._run_job, future, func, args)
        return future

    def _run_job(self, future: asyncio.Future[T], func: Callable[..., T], args: tuple[Any, ...]) -> None:
        if future.cancelled():
            return
        time_left_ns = self.job_timer()
        # In a real thread no loop would be running, and code may look for one.
        events._set_running_loop(None)
        Jobs.loop = self
        try:
            settle: Callable[[], None] = partial(future.set_result, func(*args))
        except (KeyboardInterrupt, HostDead):
            raise
        except BaseException as error:
            settle = partial(future.set_exception, error)
        finally:
            Jobs.loop = None
            events._set_running_loop(self)
        self.end_job(future, settle, time_left_ns())
        # It holds an error, whose traceback holds this frame.
        del settle

    def end_job(self, future: asyncio.Future[T], settle: Callable[[], None], left_ns: int) -> None:
        """Let a job end when its disk is done: then `settle` gives the future its result."""
        if left_ns:
            self.call_later(left_ns / NS_PER_SECOND, _end_job, future, settle)
        else:
            _end_job(future, settle)

    def set_debug(self, enabled: bool) -> None:
        """Switch the debug mode of asyncio on or off."""
        super().set_debug(enabled)
        self.__dict__["get_debug"] = lambda: enabled

    def set_default_executor(self, executor: object) -> None:
        """Take note of nothing: every job runs inline."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Do nothing: there is no pool."""

    def _stop_serving(self, sock: Any) -> None:
        """Give a listening socket's port back: asyncio's server asks for this when it is closed."""
        sock.close()

    def _write_to_self(self) -> None:
        """Do nothing: there is no selector to wake."""

    def _process_events(self, event_list: object) -> None:
        """Do nothing: there is no selector to have events."""


def _share_base_fields() -> None:
    """Set in the class what asyncio gives to each new loop. The queues among it stay empty: whatever would fill them is
    overridden."""
    loop = asyncio.base_events.BaseEventLoop()
    loop.close()
    for name, value in vars(loop).items():
        if name not in NoRealWorld.__slots__:
            setattr(NoRealWorld, name, value)
    # Each task and each future asks, so it is answered in C: `bool()` is False. See set_debug.
    NoRealWorld.get_debug = bool  # type: ignore[assignment,method-assign]


def _refusal(name: str) -> Callable[..., object]:
    def refused(self: NoRealWorld, *args: object, **kwargs: object) -> object:
        self.refuse(f"loop.{name}")

    return refused


def _awaited_refusal(name: str) -> Callable[..., object]:
    async def refused(self: NoRealWorld, *args: object, **kwargs: object) -> object:
        self.refuse(f"loop.{name}")

    return refused


_share_base_fields()
for _name in REFUSED_AT_ONCE:
    setattr(NoRealWorld, _name, _refusal(_name))
for _name in REFUSED_WHEN_AWAITED:
    setattr(NoRealWorld, _name, _awaited_refusal(_name))

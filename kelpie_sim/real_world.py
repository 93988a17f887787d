"""The part of an event loop that reaches the real world: refused here, by name of the call.

What it cannot simulate raises at once, because a call that quietly did something else would make a run that proves
nothing. Two things are answered instead: the network, once a simulated one is attached to the loop, and blocking jobs
for an executor, which run as one step of their own in the loop's only thread.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections.abc import Callable
from typing import Any, NoReturn, Protocol, TypeVar

from kelpie_sim.errors import HostDead, Unsupported

T = TypeVar("T")

REFUSED_AT_ONCE = (
    "add_reader", "add_signal_handler", "add_writer", "remove_reader", "remove_signal_handler", "remove_writer",
)  # fmt: skip
REFUSED_WHEN_AWAITED = (
    "connect_accepted_socket", "connect_read_pipe", "connect_write_pipe", "create_datagram_endpoint",
    "create_unix_connection", "create_unix_server", "sendfile", "sock_accept", "sock_connect", "sock_recv",
    "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall", "sock_sendfile", "sock_sendto",
    "start_tls", "subprocess_exec", "subprocess_shell",
)  # fmt: skip


class Network(Protocol):
    """What a simulated network answers for the loop; the arguments are those of the loop's methods."""

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any: ...
    async def create_server(self, *args: Any, **kwargs: Any) -> Any: ...
    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any: ...
    async def getnameinfo(self, *args: Any, **kwargs: Any) -> Any: ...


class NoRealWorld(asyncio.base_events.BaseEventLoop):
    """An event loop without selector, sockets, pipes, processes, signals and threads."""

    __slots__ = ("network", "refusals")

    # Of the base class, which keeps them from type checkers.
    _closed: bool
    _stopping: bool
    _thread_id: int | None
    _task_factory: Any
    _asyncgens_shutdown_called: bool
    _check_closed: Callable[[], None]
    _check_running: Callable[[], None]

    def __init__(self) -> None:
        super().__init__()
        self.network: Network | None = None
        self.refusals: list[str] = []

    def refuse(self, call: str, instead: str = "") -> NoReturn:
        """Raise Unsupported, and remember it in case that the program swallows it."""
        self.refusals.append(call)
        raise Unsupported(call, instead)

    def _network_for(self, call: str) -> Network:
        if self.network is None:
            self.refuse(f"loop.{call}", "attach a simulated network to the loop")
        return self.network

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Connect over the simulated network. Raise Unsupported without one."""
        return await self._network_for("create_connection").create_connection(*args, **kwargs)

    async def create_server(self, *args: Any, **kwargs: Any) -> Any:
        """Listen on the simulated network. Raise Unsupported without one."""
        return await self._network_for("create_server").create_server(*args, **kwargs)

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        """Resolve a name in the simulated network. Raise Unsupported without one."""
        return await self._network_for("getaddrinfo").getaddrinfo(*args, **kwargs)

    async def getnameinfo(self, *args: Any, **kwargs: Any) -> Any:
        """Name an address of the simulated network. Raise Unsupported without one."""
        return await self._network_for("getnameinfo").getnameinfo(*args, **kwargs)

    def run_in_executor(  # type: ignore[override]  # typeshed promises a future to the exact type of func.
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run a blocking job as one step of its own, whatever the executor."""
        future: asyncio.Future[T] = self.create_future()
        self.call_soon(self._run_job, future, func, args)
        return future

    def _run_job(self, future: asyncio.Future[T], func: Callable[..., T], args: tuple[Any, ...]) -> None:
        if future.cancelled():
            return
        # In a real thread no loop would be running, and code may look for one.
        events._set_running_loop(None)
        try:
            result = func(*args)
        except (KeyboardInterrupt, HostDead):
            raise
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        finally:
            events._set_running_loop(self)

    def set_default_executor(self, executor: object) -> None:
        """Take note of nothing: every job runs inline."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Do nothing: there is no pool."""

    def _write_to_self(self) -> None:
        """Do nothing: there is no selector to wake."""

    def _process_events(self, event_list: object) -> None:
        """Do nothing: there is no selector to have events."""


def _refusal(name: str) -> Callable[..., object]:
    def refused(self: NoRealWorld, *args: object, **kwargs: object) -> object:
        self.refuse(f"loop.{name}")

    return refused


def _awaited_refusal(name: str) -> Callable[..., object]:
    async def refused(self: NoRealWorld, *args: object, **kwargs: object) -> object:
        self.refuse(f"loop.{name}")

    return refused


for _name in REFUSED_AT_ONCE:
    setattr(NoRealWorld, _name, _refusal(_name))
for _name in REFUSED_WHEN_AWAITED:
    setattr(NoRealWorld, _name, _awaited_refusal(_name))

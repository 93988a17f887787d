"""uvicorn and sse_starlette: no signals, connections and streams in order, nothing shared between hosts.

uvicorn walks the set of its connections when it shuts down, and takes the signals of the process while it serves: two
servers in one process would take them from each other. sse_starlette looks for the server behind those signals, and
keeps its streams per thread: both would leak from host to host, and from a crashed server to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kelpie_sim.guards.active import current
from kelpie_sim.libraries.adapter import Adapter, rebind
from kelpie_sim.libraries.local import HostLocal, hash_by_serial

_serving: HostLocal[list[object]] = HostLocal(list)


@contextmanager
def serving(server: object) -> Iterator[None]:
    """Let the libraries find the server of this host, which has a `should_exit`, for as long as it serves."""
    servers = _serving.get()
    servers.append(server)
    try:
        yield
    finally:
        servers.remove(server)


def _fit_server(server: Any) -> None:
    real = server.Server.capture_signals

    def capture_signals(self: object) -> Any:
        return real(self) if current() is None else serving(self)

    server.Server.capture_signals = capture_signals


def _hashed(class_name: str) -> Callable[[Any], None]:
    def fit(module: Any) -> None:
        getattr(module, class_name).__hash__ = hash_by_serial

    return fit


def _fit_sse(sse: Any) -> None:
    states: HostLocal[Any] = HostLocal(sse._ShutdownState)
    real_state, real_server = sse._get_shutdown_state, sse._get_uvicorn_server

    def _get_shutdown_state() -> Any:
        return real_state() if current() is None else states.get()

    def _get_uvicorn_server() -> Any:
        if current() is None:
            return real_server()
        servers = _serving.get()
        return servers[-1] if servers else None

    sse._get_shutdown_state = _get_shutdown_state
    sse._get_uvicorn_server = _get_uvicorn_server
    rebind(sse.AppStatus, _status_class(sse.AppStatus))


def _status_class(real: Any) -> Any:
    """Return the class with a `should_exit` per host."""
    flags: HostLocal[dict[str, bool]] = HostLocal(lambda: {"should_exit": False})

    class PerHost(type):
        @property
        def should_exit(cls) -> bool:
            """Whether the server of this host is to stop."""
            return real.should_exit if current() is None else flags.get()["should_exit"]

        @should_exit.setter
        def should_exit(cls, value: bool) -> None:
            if current() is None:
                real.should_exit = value
            else:
                flags.get()["should_exit"] = value

    return PerHost(real.__name__, (real,), {"__module__": real.__module__})


def _uvicorn(module: str, fit: Callable[[Any], None]) -> Adapter:
    return Adapter(library="uvicorn", module=module, known_from=(0, 34), known_before=(1,), fit=fit)


SERVERS = (
    _uvicorn("uvicorn.server", _fit_server),
    _uvicorn("uvicorn.protocols.http.h11_impl", _hashed("H11Protocol")),
    _uvicorn("uvicorn.protocols.http.httptools_impl", _hashed("HttpToolsProtocol")),
    _uvicorn("uvicorn.protocols.websockets.wsproto_impl", _hashed("WSProtocol")),
    _uvicorn("uvicorn.protocols.websockets.websockets_impl", _hashed("WebSocketProtocol")),
    _uvicorn("uvicorn.protocols.websockets.websockets_sansio_impl", _hashed("WebSocketsSansIOProtocol")),
    Adapter(library="sse-starlette", module="sse_starlette.sse", known_from=(3, 7), known_before=(4,), fit=_fit_sse),
)

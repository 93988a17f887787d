"""uvicorn and sse_starlette in the world: no signals, nothing shared between hosts."""

import asyncio
import importlib
import pathlib
import re
import signal
import sys
from types import ModuleType

import pytest
import sse_starlette.sse as sse
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kelpie_sim.libraries.local import hash_by_serial
from kelpie_sim.libraries.servers import serving
from tests.sim.programs import World


class Stoppable:
    """What a library takes for a server."""

    should_exit = False


def test_server_takes_no_signals():
    """While servers serve in a run, the handlers of the process stay what they were, in any order of their ends."""
    before = signal.getsignal(signal.SIGTERM)

    async def main():
        one, two = (uvicorn.Server(uvicorn.Config(Starlette(), log_config=None)) for _ in range(2))
        first, second = one.capture_signals(), two.capture_signals()
        first.__enter__()
        second.__enter__()
        during = signal.getsignal(signal.SIGTERM)
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        return during

    assert before is World().run(main())
    assert before is signal.getsignal(signal.SIGTERM)


def test_server_takes_signals_outside_of_a_run():
    """After a run has adapted it, a real server handles signals as ever."""
    World().run(asyncio.sleep(0))
    server = uvicorn.Server(uvicorn.Config(Starlette(), log_config=None))
    with server.capture_signals():
        assert server.handle_exit == signal.getsignal(signal.SIGTERM)


def test_connections_hash_by_number():
    """The connections that uvicorn keeps in a set hash by a number of the run."""
    world = World()

    async def main():
        config = uvicorn.Config(Starlette(), log_config=None)
        config.load()
        state = uvicorn.server.ServerState()
        made = [kind(config=config, server_state=state, app_state={}) for kind in (H11Protocol, HttpToolsProtocol) * 2]
        return [hash(protocol) for protocol in made]

    hashes = world.run(main())
    assert list(range(hashes[0], hashes[0] + 4)) == hashes


def test_each_host_has_its_own_shutdown_of_streams():
    """Streams find the server of their own host, and whether that one is to stop."""
    world = World()

    async def stop():
        with serving(Stoppable()):
            sse.AppStatus.should_exit = True
            name = type(sse._get_uvicorn_server()).__name__
            return sse.AppStatus.should_exit, name, len(sse._get_shutdown_state().events)

    async def look():
        return sse.AppStatus.should_exit, sse._get_uvicorn_server(), len(sse._get_shutdown_state().events)

    async def main():
        return [await world.host("one").start(stop), await world.host("two").start(look), await look()]

    assert [(True, "Stoppable", 0), (False, None, 0), (False, None, 0)] == world.run(main())
    assert False is sse.AppStatus.should_exit


def test_restarted_server_does_not_stop_for_the_one_that_died():
    """What one life of a host was told about its end is not told to the next."""
    world = World()
    host = world.host("server")

    async def stop():
        sse.AppStatus.handle_exit()
        return sse.AppStatus.should_exit

    async def look():
        return sse.AppStatus.should_exit

    async def main():
        first = await host.start(stop)
        host.crash()
        return first, await host.start(look)

    original = sse.AppStatus.original_handler
    sse.AppStatus.original_handler = None
    try:
        assert (True, False) == world.run(main())
    finally:
        sse.AppStatus.original_handler = original


def test_flag_outside_of_a_run_is_the_original():
    """Outside of a run the flag of the process is read and written."""
    World().run(asyncio.sleep(0))
    sse.AppStatus.should_exit = True
    try:
        assert sse.AppStatus.should_exit is True
    finally:
        sse.AppStatus.should_exit = False


class Missing(ModuleType):
    """Stands for a package that is not installed here: each name in it is a class."""

    __version__ = "15.0"

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


@pytest.mark.filterwarnings("ignore:The `websockets` implementation is deprecated")
@pytest.mark.parametrize(
    ("package", "module", "protocol"),
    [
        ("wsproto", "wsproto_impl", "WSProtocol"),
        ("websockets", "websockets_impl", "WebSocketProtocol"),
        ("websockets", "websockets_sansio_impl", "WebSocketsSansIOProtocol"),
    ],
)
def test_web_sockets_hash_by_number(package, module, protocol, monkeypatch):
    """Web sockets are kept in the same set as the other connections, whichever library speaks their protocol."""
    World().run(asyncio.sleep(0))
    source = pathlib.Path(uvicorn.__file__).parent / f"protocols/websockets/{module}.py"
    for name in {package, *re.findall(rf"(?:from|import) ({package}[.\w]*)", source.read_text())}:
        monkeypatch.setitem(sys.modules, name, Missing(name))
    name = f"uvicorn.protocols.websockets.{module}"
    try:
        assert hash_by_serial is getattr(importlib.import_module(name), protocol).__hash__
    finally:
        sys.modules.pop(name, None)

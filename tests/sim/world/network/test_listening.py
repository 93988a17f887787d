"""Servers: asyncio's own class, with the behaviour of the running Python."""

import asyncio
import errno
import socket
import sys
from typing import Any

import pytest

from kelpie_sim.world.machine import DescriptorExhaustion
from kelpie_sim.world.network.faults import NetworkConnectionExhaustion
from tests.sim.world.network.wires import BOTH, Recorder, World, ask, collecting, echo


def test_bound_port_is_taken():
    """Two servers cannot have one port; closing gives it back, and so does a crash."""
    world = World()

    async def main():
        loop = asyncio.get_running_loop()
        first = await loop.create_server(Recorder, "0.0.0.0", 80)
        with pytest.raises(OSError, match="address already in use") as caught:
            await loop.create_server(Recorder, "0.0.0.0", 80)
        first.close()
        await loop.create_server(Recorder, "0.0.0.0", 80)
        world.serve("server", echo)
        await asyncio.sleep(1)
        world.hosts["server"].restart()
        await asyncio.sleep(1)
        return caught.value.errno, await ask(80, b"x\n")

    assert (errno.EADDRINUSE, [b"x\n"]) == world.run(main())


def test_port_0_is_any_port():
    """A server on port 0 gets a free one and tells it; several hosts make several sockets."""
    world = World()

    async def main():
        server = await asyncio.start_server(echo, ["127.0.0.1", "harness"], 0)
        ports: list[int] = [sock.getsockname()[1] for sock in server.sockets]
        return len(set(ports)), await ask(ports[0], b"x\n", host="localhost")

    assert (2, [b"x\n"]) == world.run(main())


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("::", ["fd00::1", "::1"]),
        ("::1", ["::1"]),
        ("fd00::1", ["fd00::1"]),
        ("server", ["10.0.0.1", "fd00::1"]),
        ("localhost", ["127.0.0.1", "::1"]),
        (None, ["10.0.0.1", "fd00::1", "127.0.0.1", "::1"]),
        ("", ["10.0.0.1", "fd00::1", "127.0.0.1", "::1"]),
        ("0.0.0.0", ["10.0.0.1", "127.0.0.1"]),
    ],
)
def test_where_a_server_is_reached(host, reached):
    """A server is reached at the addresses that it was bound to, "::" without IPv4, and no host at all at each."""
    world = World(families=BOTH)

    async def serve():
        await (await asyncio.start_server(echo, host, 80)).serve_forever()

    async def talks(address):
        try:
            return [b"x\n"] == await ask(80, b"x\n", host=address)
        except ConnectionRefusedError:
            return False

    async def main():
        world.host("server").start(serve)
        await asyncio.sleep(1)
        everywhere = ("10.0.0.1", "fd00::1", "127.0.0.1", "::1")
        return [address for address in everywhere if await world.on("server", talks(address))]

    assert reached == world.run(main())


def test_addresses_of_a_server():
    """Sockets of both families tell their addresses in their family's form, and a family may be asked for."""
    world = World(families=BOTH)

    async def main():
        both = await asyncio.start_server(echo, None, 80)
        six = await asyncio.start_server(echo, None, 81, family=socket.AF_INET6)
        return [[(sock.family, sock.getsockname()) for sock in server.sockets] for server in (both, six)]

    four, other = (socket.AF_INET, ("0.0.0.0", 80)), (socket.AF_INET6, ("::", 80, 0, 0))
    assert [[four, other], [(socket.AF_INET6, ("::", 81, 0, 0))]] == world.run(main())


def test_no_descriptor_for_a_listening_socket():
    """A host with no descriptor left cannot listen; sockets that it had bound for the same server are given back."""
    world = World(DescriptorExhaustion(hosts=("box",), subjects=("listen",), after=1, max_triggers=1))

    async def listen():
        try:
            server = await asyncio.start_server(echo, ["127.0.0.1", "::1"], 80)
        except OSError as error:
            return error.errno
        return len(server.sockets)

    async def main():
        box = [await world.on("box", listen()) for _ in range(2)]
        return box, await world.on("other", listen())

    assert (([errno.EMFILE, 2], 2), {"DescriptorExhaustion": 1}) == (world.run(main()), world.fired())


def test_server_that_has_not_started_refuses():
    """With `start_serving=False` nobody is answered until it starts."""
    world = World()

    async def main():
        server = await asyncio.start_server(echo, None, 80, start_serving=False)
        with pytest.raises(ConnectionRefusedError):
            await ask(80, host="localhost")
        before = server.is_serving()
        await server.start_serving()
        return before, server.is_serving(), await ask(80, b"x\n", host="localhost"), server.get_loop() is world.loop

    assert (False, True, [b"x\n"], True) == world.run(main())


def test_closed_server_refuses_and_keeps_its_connections():
    """After `close` no connection is taken, and those that are there go on."""
    world = World()

    async def main():
        server = await asyncio.start_server(echo, None, 80)
        reader, writer = await asyncio.open_connection("localhost", 80)
        await asyncio.sleep(1)
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await ask(80, host="localhost")
        writer.write(b"still\n")
        answer = await reader.readline()
        writer.close()
        return answer, server.sockets

    assert (b"still\n", ()) == world.run(main())


def test_wait_closed_is_that_of_the_running_python():
    """From Python 3.12 on `wait_closed` waits for the connections; before, a closed server is waited for no more."""
    world = World()

    async def main():
        server = await asyncio.start_server(echo, None, 80)
        _, writer = await asyncio.open_connection("localhost", 80)
        await asyncio.sleep(1)
        server.close()
        asyncio.get_running_loop().call_later(50, writer.close)
        started = world.loop.time()
        await server.wait_closed()
        return round(world.loop.time() - started)

    assert (50 if sys.version_info >= (3, 12) else 0) == world.run(main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")
def test_close_clients():
    """`close_clients` closes every connection of a server."""
    world = World()

    async def main():
        ends: list[Any] = []
        server: Any = await asyncio.get_running_loop().create_server(collecting(ends, Recorder), None, 80)
        for _ in range(5):
            await asyncio.get_running_loop().create_connection(Recorder, "localhost", 80)
        await asyncio.sleep(1)
        server.close()
        server.close_clients()
        await server.wait_closed()
        return [end.calls[-1] for end in ends]

    assert ["lost"] * 5 == world.run(main())


def test_serve_forever_ends_when_it_is_cancelled():
    """`serve_forever` serves until its task is cancelled, and closes the server."""
    world = World()

    async def main():
        server = await asyncio.start_server(echo, None, 80)
        task = asyncio.ensure_future(server.serve_forever())
        await asyncio.sleep(1)
        answers = await ask(80, b"x\n", host="localhost")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return answers, server.is_serving()

    assert ([b"x\n"], False) == world.run(main())


def test_callbacks_belong_to_the_servers_host():
    """Whatever a server does for a connection is done by its own host, in a copy of the server's context."""
    world = World()
    seen: list[Any] = []

    async def handle(reader, writer):
        task: Any = asyncio.current_task()
        seen.append(task.get_name().split("/")[0])
        writer.close()

    async def main():
        world.serve("server", handle)
        await asyncio.sleep(1)
        await world.on("client", ask(80))
        await asyncio.sleep(1)

    world.run(main())
    assert ["server"] == seen


def test_full_backlog_is_silent():
    """While a server cannot accept, connections beyond its backlog get no answer."""
    world = World()

    async def main():
        world.serve("server", echo, backlog=1)
        await asyncio.sleep(1)
        world.hosts["server"].pause()
        tasks = []
        for _ in range(3):
            tasks.append(asyncio.ensure_future(ask(80, b"x\n")))
            await asyncio.sleep(0.1)
        await asyncio.sleep(30)
        world.hosts["server"].resume()
        await asyncio.gather(*tasks)
        return round(world.loop.time())

    assert 32 == world.run(main())


def test_client_that_gives_up_is_not_let_in():
    """A connection that was reset before the server's program saw it never shows up there."""
    world = World()
    seen: list[Any] = []

    async def main():
        world.serve_protocol("server", collecting(seen, Recorder))
        await asyncio.sleep(1)
        world.host("client").start(lambda: ask(80, b"x\n"))
        # Right after the client is answered, and before its last packet arrives.
        await asyncio.sleep(0.025)
        world.network.partition("client", "server")
        world.hosts["client"].exit(SystemExit(0))
        await asyncio.sleep(10)
        world.network.heal()
        await asyncio.sleep(100)
        return seen

    assert [] == world.run(main())


def test_server_that_closes_while_a_client_connects():
    """A connection whose last packet finds its server closed is reset; the program never sees it."""
    world = World()
    seen: list[Any] = []

    async def main():
        loop = asyncio.get_running_loop()
        server = await world.on("server", loop.create_server(collecting(seen, Recorder), "0.0.0.0", 80))
        _, client = await loop.create_connection(Recorder, "server", 80)
        server.close()
        return (await client.lost).errno, seen

    assert (errno.ECONNRESET, []) == world.run(main())


def test_connection_exhaustion():
    """A server that takes no more connections resets the new one; its program never sees it."""
    world = World(NetworkConnectionExhaustion(max_triggers=1))
    seen: list[Any] = []

    async def main():
        world.serve_protocol("server", collecting(seen, Recorder))
        await asyncio.sleep(1)
        _, client = await asyncio.get_running_loop().create_connection(Recorder, "server", 80)
        error, before = (await client.lost).errno, len(seen)
        transport, _ = await asyncio.get_running_loop().create_connection(Recorder, "server", 80)
        await asyncio.sleep(1)
        transport.close()
        return error, before, len(seen)

    assert ((errno.ECONNRESET, 0, 1), {"NetworkConnectionExhaustion": 1}) == (world.run(main()), world.fired())

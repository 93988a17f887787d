"""Opening a connection: who answers, who refuses, who is silent."""

import asyncio
import errno
import socket

import pytest

from kelpie_sim.world.machine import DescriptorExhaustion
from kelpie_sim.world.network.faults import (
    NetworkConnectFail,
    NetworkConnectTimeout,
    NetworkDelay,
    NetworkPacketLoss,
    NetworkPartition,
)
from tests.sim.world.network.wires import World, ask, echo


def outcome(world, port=80, host="server", server=True):
    """Return what comes of a connection, and how many seconds that takes."""

    async def main():
        if server:
            world.serve("server", echo)
        await asyncio.sleep(1)
        started = world.loop.time()
        try:
            result: object = await ask(port, b"x\n", host=host)
        except OSError as error:
            result = error.errno
        return result, round(world.loop.time() - started, 2)

    return world.run(main())


def test_three_packets_and_an_echo():
    """A connection takes one round trip, an answer another one."""
    assert ([b"x\n"], 0.04) == outcome(World())


def test_nobody_listens():
    """A port without a server refuses after one round trip."""
    assert (errno.ECONNREFUSED, 0.02) == outcome(World(), port=81)


def test_host_that_is_down():
    """A machine without power is silent: the system gives up after 127 seconds."""
    world = World()
    world.host("server")
    assert (errno.ETIMEDOUT, 127.0) == outcome(world, server=False)


def test_unknown_name_and_unknown_address():
    """A name that nobody has is not resolved; an address that nobody has cannot be reached."""
    assert (socket.EAI_NONAME, 0.0) == outcome(World(), host="nowhere")
    assert (errno.EHOSTUNREACH, 0.0) == outcome(World(), host="10.9.9.9")


def test_first_packet_is_sent_again():
    """A partition that heals within a second costs a second; connecting goes on by itself."""
    world = World()

    async def main():
        world.serve("server", echo)
        await asyncio.sleep(1)
        world.network.partition("harness", "server")
        asyncio.get_running_loop().call_later(0.5, world.network.heal)
        started = world.loop.time()
        return await ask(80, b"x\n"), round(world.loop.time() - started, 2)

    assert ([b"x\n"], 1.04) == world.run(main())


def test_answer_is_lost():
    """With only the way back cut, the client hears nothing, and the server's program never learns of it."""
    world = World()
    seen = []

    async def handle(reader, writer):
        seen.append("connected")
        writer.close()

    async def main():
        world.serve("server", handle)
        await asyncio.sleep(1)
        world.network.partition("server", "harness", one_way=True)
        with pytest.raises(TimeoutError):
            await asyncio.open_connection("server", 80)
        return seen

    assert [] == world.run(main())


def test_held_link_connects_when_it_is_released():
    """Packets of a held link wait; the connection comes about after the release."""
    world = World()

    async def main():
        world.serve("server", echo)
        await asyncio.sleep(1)
        world.network.hold("server", "harness")
        asyncio.get_running_loop().call_later(50, world.network.release)
        started = world.loop.time()
        return await ask(80, b"x\n"), round(world.loop.time() - started)

    assert ([b"x\n"], 50) == world.run(main())


def test_server_that_comes_up_late():
    """A client that began before the machine was up gets through at its next try."""
    world = World()

    async def main():
        world.host("server")
        task = asyncio.ensure_future(ask(80, b"x\n"))
        await asyncio.sleep(2)
        world.serve("server", echo)
        return await task, round(world.loop.time(), 2)

    assert ([b"x\n"], 3.04) == world.run(main())


def test_own_host():
    """A host reaches itself by localhost, by its name and by its address."""
    world = World()

    async def main():
        world.serve("server", echo)
        await asyncio.sleep(1)
        address = world.network.address_of("server")
        return [await world.on("server", ask(80, b"x\n", host=name)) for name in ("localhost", "server", address)]

    assert [[b"x\n"]] * 3 == world.run(main())


def test_localhost_is_not_another_host():
    """A server on localhost is for its own host only, and nobody's localhost is somebody else's."""
    world = World()

    async def main():
        async def serve():
            await (await asyncio.start_server(echo, "localhost", 80)).serve_forever()

        world.host("server").start(serve)
        await asyncio.sleep(1)
        for name in ("server", "localhost"):
            with pytest.raises(ConnectionRefusedError):
                await world.on("client", ask(80, b"x\n", host=name))
        return await world.on("server", ask(80, b"x\n", host="localhost"))

    assert [b"x\n"] == world.run(main())


def test_local_address():
    """`local_addr` sets where a connection comes from."""
    world = World()

    async def main():
        world.serve("server", echo)
        await asyncio.sleep(1)
        _, writer = await asyncio.open_connection("server", 80, local_addr=("10.0.0.2", 4_000))
        writer.close()
        return writer.get_extra_info("sockname")

    assert ("10.0.0.2", 4_000) == world.run(main())


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        (NetworkConnectFail(), (errno.ECONNREFUSED, 0.0)),
        (NetworkConnectTimeout(timeout_ms=20_000), (errno.ETIMEDOUT, 20.0)),
        (NetworkPacketLoss(on="connect"), ([b"x\n"], 1.04)),
        (NetworkDelay(on="connect", delay_ms=300), ([b"x\n"], 0.34)),
        (NetworkPartition(on="connect", duration_ms=2_500), ([b"x\n"], 3.04)),
    ],
)
def test_faults_at_connect(fault, result):
    """Each fault that acts on `connect` shows in what comes of it and in the time it takes."""
    world = World(fault)
    assert (result, {fault.kind: 1}) == (outcome(world), world.fired())


def test_no_descriptor_left():
    """A host out of descriptors cannot connect, and a server that is lets its clients wait until it can accept."""
    fault = DescriptorExhaustion(hosts=("client",), subjects=("connect",))
    world = World(fault, DescriptorExhaustion(hosts=("server",), subjects=("accept",), max_triggers=3))

    async def main():
        world.serve("server", echo)
        await asyncio.sleep(1)
        with pytest.raises(OSError, match="Too many open files"):
            await world.on("client", ask(80, b"x\n"))
        started = world.loop.time()
        return await ask(80, b"x\n"), round(world.loop.time() - started, 1)

    assert (([b"x\n"], 3.0), {"DescriptorExhaustion": 4}) == (world.run(main()), world.fired())


def test_who_gives_up_is_told_nothing_or_all():
    """A connection that is cancelled at any step tells its protocol of its end only if it told of its beginning."""

    class Witness(asyncio.Protocol):
        def __init__(self):
            self.seen = []

        def connection_made(self, transport):
            self.seen.append("made")

        def connection_lost(self, error):
            self.seen.append("lost")

    def run(seed: int, yields: int) -> tuple[str, ...]:
        world, witness = World(seed=seed), Witness()
        world.serve_protocol("server", asyncio.Protocol)

        async def client():
            loop = asyncio.get_running_loop()
            task = asyncio.create_task(loop.create_connection(lambda: witness, "server", 80))
            await asyncio.sleep(0.02)
            for _ in range(yields):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()[0].close()
            await asyncio.sleep(1)

        world.run(world.on("client", client()))
        return tuple(witness.seen)

    seen = {run(seed, yields) for seed in range(40) for yields in range(5)}
    assert {(), ("made", "lost")} == seen

"""UDP: what is lost, doubled, overtaken, cut, too long, or comes to a closed port."""

import asyncio
import errno
import socket
from typing import Any

import pytest

from kelpie_sim.errors import HostDead, Unsupported
from kelpie_sim.world.machine import DescriptorExhaustion
from kelpie_sim.world.network import Law, Uniform
from kelpie_sim.world.network.faults import (
    NetworkClog,
    NetworkDelay,
    NetworkJitter,
    NetworkMessageDuplicate,
    NetworkMessageReorder,
    NetworkPacketCorruption,
    NetworkPacketLoss,
    NetworkPartition,
)
from tests.sim.world.network.wires import BOTH, MS, World


class Datagrams(asyncio.DatagramProtocol):
    """A protocol that writes down what comes, and when."""

    def __init__(self, answers=False):
        self.answers = answers
        self.seen = []
        self.errors = []
        self.ended = False
        self.transport: Any = None

    def connection_made(self, transport):
        """It may send."""
        self.transport = transport

    def datagram_received(self, data, addr):
        """A datagram has come."""
        self.seen.append((round(asyncio.get_running_loop().time(), 3), data))
        if self.answers:
            self.transport.sendto(data, addr)

    def error_received(self, exc):
        """Something did not work."""
        self.errors.append(exc.errno)

    def connection_lost(self, exc):
        """It is closed."""
        self.ended = True


async def endpoint(world, name, protocol, **options):
    """Return the endpoint of a protocol on a host."""
    return (await world.on(name, world.loop.create_datagram_endpoint(lambda: protocol, **options)))[0]


def sent(world, *pieces, seconds=100.0, gap=0.0):
    """Return what arrives of datagrams that one host sends to another from the first second on."""
    protocol = Datagrams()

    async def main():
        await endpoint(world, "b", protocol, local_addr=("0.0.0.0", 53))
        sender = await endpoint(world, "a", Datagrams(), remote_addr=("b", 53))
        await asyncio.sleep(1 - world.loop.time())
        for piece in pieces:
            sender.sendto(piece)
            await asyncio.sleep(gap)
        await asyncio.sleep(seconds)
        sender.close()

    world.run(main())
    return protocol.seen


def test_there_and_back():
    """A datagram comes with its sender's address, and an answer finds its way back."""
    world = World()
    server, client = Datagrams(answers=True), Datagrams()

    async def main():
        await endpoint(world, "b", server, local_addr=("0.0.0.0", 53))
        sender = await endpoint(world, "a", client, remote_addr=("b", 53))
        sender.sendto(b"hello")
        await asyncio.sleep(1)
        told = sender.get_extra_info("peername"), sender.get_extra_info("socket").getpeername()
        sender.close()
        await asyncio.sleep(1)
        return told, client.ended, sender.is_closing()

    assert ((("10.0.0.1", 53), ("10.0.0.1", 53)), True, True) == world.run(main())
    assert ([(0.01, b"hello")], [(0.02, b"hello")]) == (server.seen, client.seen)


def test_six():
    """A datagram goes over IPv6 too, with addresses of four parts; the other family of the same port is another."""
    world = World(families=BOTH)
    four, six, client = Datagrams(), Datagrams(answers=True), Datagrams()

    async def main():
        await endpoint(world, "b", four, local_addr=("0.0.0.0", 53))
        await endpoint(world, "b", six, local_addr=("::", 53))
        literal = await endpoint(world, "a", client, remote_addr=("fd00::1", 53))
        literal.sendto(b"six")
        named = await endpoint(world, "a", client, local_addr=("::", 7), remote_addr=("b", 53))
        named.sendto(b"by name")
        loose = await endpoint(world, "a", Datagrams())
        loose.sendto(b"four", ("b", 53))
        await asyncio.sleep(1)
        return [end.get_extra_info(what) for end in (literal, named) for what in ("peername", "sockname")]

    told = world.run(main())
    assert [("fd00::1", 53, 0, 0), ("::", 7, 0, 0)] == [told[0], told[3]]
    assert [[b"four"], [b"by name", b"six"], [b"by name", b"six"]] == [
        sorted(data for _, data in end.seen) for end in (four, six, client)
    ]


def test_families_do_not_mix():
    """An endpoint of one family cannot send to the other, nor be bound in one and connected in another."""
    world = World(families=BOTH)
    protocol = Datagrams()

    async def main():
        six = await endpoint(world, "a", protocol, family=socket.AF_INET6)
        six.sendto(b"x", ("10.0.0.1", 53))
        with pytest.raises(ValueError, match="can not get address information"):
            await endpoint(world, "a", Datagrams(), local_addr=("::", 7), remote_addr=("10.0.0.1", 53))

    world.run(main())
    assert [socket.EAI_ADDRFAMILY] == protocol.errors


def test_law_of_loss_and_duplication():
    """A law may lose datagrams, and double them."""
    assert 0 < len(sent(World(law=Law(loss=0.5)), *[b"x"] * 50)) < 50
    assert 50 < len(sent(World(law=Law(duplication=0.5)), *[b"x"] * 50)) < 100


def test_datagrams_overtake_each_other():
    """Where the latency varies, datagrams do not arrive in the order in which they were sent."""
    pieces = [b"%d" % n for n in range(20)]
    seen = [data for _, data in sent(World(law=Law(latency=Uniform(1 * MS, 100 * MS))), *pieces)]
    assert (sorted(pieces), True) == (sorted(seen), pieces != seen)


def test_size_limits():
    """A datagram that UDP cannot hold is an error for its sender; one that a link does not let through vanishes."""
    protocol = Datagrams()
    law = Law(datagram_bytes_max=1_400)
    world = World(law=law)

    async def main():
        sender = await endpoint(world, "a", protocol, remote_addr=("b", 53))
        sender.sendto(bytes(65_508))
        sender.close()

    world.host("b")
    world.run(main())
    assert [errno.EMSGSIZE] == protocol.errors
    assert [b"short"] == [data for _, data in sent(World(law=law), b"x" * 1_401, b"short")]


def test_closed_port():
    """Only an endpoint with a remote hears that the port at the other end is closed."""
    world = World()
    connected, loose = Datagrams(), Datagrams()

    async def main():
        world.host("b").start(asyncio.Event().wait)
        near = await endpoint(world, "a", connected, remote_addr=("b", 53))
        far = await endpoint(world, "a", loose)
        near.sendto(b"x")
        far.sendto(b"x", ("10.0.0.1", 53))
        await asyncio.sleep(1)
        world.hosts["b"].crash()
        near.sendto(b"y")
        await asyncio.sleep(1)

    world.run(main())
    assert ([errno.ECONNREFUSED], []) == (connected.errors, loose.errors)


def test_connected_endpoint_hears_its_remote_only():
    """An endpoint with a remote takes nothing from others, and sends to nobody else."""
    world = World()
    protocol = Datagrams()

    async def main():
        near = await endpoint(world, "a", protocol, local_addr=("0.0.0.0", 7), remote_addr=("b", 53))
        stranger = await endpoint(world, "c", Datagrams())
        stranger.sendto(b"psst", (world.network.address_of("a"), 7))
        with pytest.raises(ValueError, match="must be None or"):
            near.sendto(b"x", ("10.0.0.9", 1))
        await asyncio.sleep(1)
        with pytest.raises(ValueError, match="needs an address"):
            stranger.sendto(b"x")
        with pytest.raises(TypeError, match="bytes-like"):
            stranger.sendto("text")

    world.host("b")
    world.run(main())
    assert [] == protocol.seen


def test_troubles_of_the_link():
    """A cut link loses datagrams; a held one, and a clogged one, keep them."""

    def main(trouble):
        world = World()
        protocol = Datagrams()

        async def main():
            await endpoint(world, "b", protocol, local_addr=("0.0.0.0", 53))
            sender = await endpoint(world, "a", Datagrams(), remote_addr=("b", 53))
            trouble(world.network)
            sender.sendto(b"x")
            await asyncio.sleep(20)
            world.network.heal()
            await asyncio.sleep(20)

        world.run(main())
        return [at for at, _ in protocol.seen]

    assert [] == main(lambda network: network.partition("a", "b"))
    assert [20.0] == main(lambda network: network.hold("a", "b"))
    assert [5.0] == main(lambda network: network.clog("a", "b", seconds=5))


def test_crash_and_port():
    """A crash gives the port back and fences the dead; two endpoints cannot share a port."""
    world = World()

    async def main():
        old = await endpoint(world, "b", Datagrams(), local_addr=("0.0.0.0", 53))
        with pytest.raises(OSError, match="in use"):
            await endpoint(world, "b", Datagrams(), local_addr=("0.0.0.0", 53))
        world.hosts["b"].crash()
        with pytest.raises(HostDead):
            old.sendto(b"x", ("10.0.0.1", 1))
        await endpoint(world, "b", Datagrams(), local_addr=("0.0.0.0", 53))

    world.run(main())


def test_no_descriptor_for_an_endpoint():
    """A host that has no descriptor left cannot open a port for datagrams, and the others can."""
    world = World(DescriptorExhaustion(hosts=("box",), subjects=("bind",)))

    async def bind():
        try:
            await asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, ("0.0.0.0", 53))
        except OSError as error:
            return error.errno
        return 0

    async def main():
        return [await world.on(name, bind()) for name in ("box", "other")]

    assert ([errno.EMFILE, 0], {"DescriptorExhaustion": 1}) == (world.run(main()), world.fired())


def test_endpoint_given_up_on_a_host_that_stands_still():
    """Whoever gives up before its endpoint was begun is told nothing, then or later, and the port is free again."""
    world = World()
    heard = []

    class Protocol(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            heard.append("made")

        def connection_lost(self, error):
            heard.append("lost")

    async def bind():
        loop = asyncio.get_running_loop()
        opening = asyncio.ensure_future(loop.create_datagram_endpoint(Protocol, local_addr=("0.0.0.0", 53)))
        await asyncio.sleep(0)
        opening.cancel()
        host.pause()
        await asyncio.wait([opening])
        return opening.cancelled(), list(heard)

    async def main():
        task = host.spawn(bind())
        await asyncio.sleep(1)
        host.resume()
        return await task

    async def idle():
        await asyncio.Event().wait()

    host = world.host("box")

    async def start():
        host.start(idle)
        return await main()

    assert ((True, []), ()) == (world.run(start()), world.loop.lost_exceptions())


def test_what_is_refused():
    """Real sockets and other address families are refused by name."""
    world = World()

    async def main():
        for options in ({"sock": object()}, {"local_addr": "/a/path"}):
            with pytest.raises(Unsupported, match="create_datagram_endpoint"):
                await world.loop.create_datagram_endpoint(Datagrams, **options)

    world.run(main())


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (NetworkPacketLoss(max_triggers=1), [(1.11, b"two")]),
        (NetworkMessageDuplicate(max_triggers=1), [(1.01, b"one"), (1.01, b"one"), (1.11, b"two")]),
        (NetworkDelay(max_triggers=1, delay_ms=500), [(1.11, b"two"), (1.51, b"one")]),
        (NetworkPartition(max_triggers=1, duration_ms=50), [(1.11, b"two")]),
        (NetworkClog(max_triggers=1, duration_ms=50), [(1.05, b"one"), (1.11, b"two")]),
    ],
)
def test_faults(fault, expected):
    """Each fault shows in what arrives and when."""
    world = World(fault)
    assert (expected, {fault.kind: 1}) == (sent(world, b"one", b"two", gap=0.1), world.fired())


def test_fault_at_a_datagram_that_is_lost_anyway():
    """What the law loses no fault can change, and none counts as fired."""
    world = World(NetworkMessageDuplicate(), law=Law(loss=1.0))
    assert ([], {"NetworkMessageDuplicate": 0}) == (sent(world, b"one"), world.fired())


def test_faults_that_draw():
    """Jitter and reordering hold a datagram back for a while; corruption flips one bit."""
    for kind in (NetworkJitter(jitter_ms_max=500), NetworkMessageReorder(delay_ms_max=500)):
        world = World(kind)
        seen = [data for _, data in sent(world, b"1", b"2", b"3", b"4", gap=0.05)]
        assert (True, 4) == (seen != sorted(seen), world.fired()[kind.kind])
    world = World(NetworkPacketCorruption())
    (data,) = [data for _, data in sent(world, bytes(8), b"") if data]
    assert (1, {"NetworkPacketCorruption": 1}) == (int.from_bytes(data).bit_count(), world.fired())

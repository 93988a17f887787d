"""What the parts of the network share."""

import asyncio

from kelpie_sim.world.network import Network
from kelpie_sim.world.network.faults import NetworkDelay
from kelpie_sim.world.network.medium import PAYLOAD_HEAD_BYTES, PAYLOAD_SHOWN_BYTES_MAX
from tests.sim import programs
from tests.sim.world.network.wires import World


def records(world):
    """Return the records of a run's trace that are about packets."""
    return [line.split(": ", 1)[1] for line in world.trace.lines() if ": net " in line]


def test_who_is_up():
    """A host is up while it runs, and its machine still when its process has ended; the harness always is."""
    world = World()
    medium = world.network._medium

    async def main():
        seen = []
        host = world.host("a")
        for act in (lambda: None, lambda: host.start(asyncio.Event().wait), host.crash, host.restart):
            act()
            seen.append((medium.is_up("a"), medium.is_alive("a"), medium.incarnation_of("a")))
        host.exit(SystemExit(0))
        return [*seen, (medium.is_up("a"), medium.is_alive("a")), medium.is_up("harness")]

    expected = [(False, False, 0), (True, True, 1), (False, False, 1), (True, True, 2), (True, False), True]
    assert expected == world.run(main())


def test_hosts_without_a_world():
    """A network that was given no hosts learns of them when their code uses it."""
    world = programs.World()
    network = Network(world.loop, world.streams)

    async def main():
        host = world.host("a")
        host.start(asyncio.Event().wait)
        server = await host.spawn(world.loop.create_server(asyncio.Protocol, None, 80))
        ports = [len([*network._medium.listeners])]
        host.crash()
        return [*ports, len([*network._medium.listeners])], server.is_serving(), network.address_of("a")

    assert ([2, 0], True, "10.0.0.1") == world.run(main())


def test_one_watch_per_host():
    """However much a host does, the network watches its power once."""
    world = World()

    async def main():
        for port in (80, 81, 82):
            await world.on("a", world.loop.create_server(asyncio.Protocol, None, port))
        return len(world.hosts["a"].on_crash)

    assert 1 == world.run(main())


def test_payloads_on_the_trace():
    """A short payload is on the trace as it is, a long one as its hash and its beginning: one changed byte shows."""

    def sent(payload):
        world = World(keep=True)

        async def main():
            medium = world.network._medium
            medium.dropped(medium.sent(medium.link("a", "b"), "test", payload), "why")

        world.run(main())
        return records(world)

    assert ["net send 1 'a' 'b' 'test' 2 b'hi'", "net drop 1 'why'"] == sent(b"hi")
    long, other = sent(bytes(PAYLOAD_SHOWN_BYTES_MAX + 1)), sent(bytes(PAYLOAD_SHOWN_BYTES_MAX) + b"x")
    assert (True, True) == (long[0].startswith("net send 1 'a' 'b' 'test' 65 b"), long != other)
    request = b"POST /things HTTP/1.1\r\n" + bytes(100)
    (head,) = [line.rpartition(" b")[2] for line in sent(request) if "net send" in line]
    assert repr(request[:PAYLOAD_HEAD_BYTES])[1:] == head


def test_risky_operations():
    """Only operations at which a fault of this run could strike are asked about."""
    world = World(NetworkDelay(on=("send", "connect")))

    async def main():
        return world.network._medium.risky

    assert {"send", "connect"} == world.run(main())


def test_free_ports():
    """Ports are given out in order, those with a listener left out, and again from the start after the last."""
    world = World()

    async def main():
        medium = world.network._medium
        await world.loop.create_server(asyncio.Protocol, None, 49_153)
        seen = [medium.free_port("harness") for _ in range(2)]
        medium._ports["harness"] = 65_535
        return [*seen, medium.free_port("harness")]

    assert [49_152, 49_154, 49_152] == world.run(main())

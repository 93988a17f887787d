"""What the loop asks of the network."""

import asyncio
import errno
import socket
from typing import Any

import pytest

from kelpie_sim.errors import Unsupported
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import simulate
from kelpie_sim.world.network.faults import DnsFail, DnsSlow, NetworkDelay
from tests.sim import programs
from tests.sim.world.network.wires import BOTH, Recorder, World, ask, echo


def test_getaddrinfo():
    """Names resolve to their addresses, as stream and as datagram; the form is that of the socket module."""
    world = World(families=BOTH)

    async def main():
        world.host("a")
        loop = world.loop
        both = await loop.getaddrinfo("a", "http")
        six = await loop.getaddrinfo("a", 80, family=socket.AF_INET6, type=socket.SOCK_STREAM)
        one = await loop.getaddrinfo("a", 80, type=socket.SOCK_STREAM, family=socket.AF_INET, flags=socket.AI_CANONNAME)
        anywhere = await loop.getaddrinfo(None, None, flags=socket.AI_PASSIVE, proto=socket.IPPROTO_UDP)
        here = await loop.getaddrinfo(None, b"443", type=socket.SOCK_DGRAM)
        return both, six, one, anywhere, here

    stream, datagram = (socket.AF_INET, socket.SOCK_STREAM, 6), (socket.AF_INET, socket.SOCK_DGRAM, 17)
    stream6, datagram6 = (socket.AF_INET6, *stream[1:]), (socket.AF_INET6, *datagram[1:])
    four, other = ("10.0.0.1", 80), ("fd00::1", 80, 0, 0)
    expected = (
        [(*stream, "", four), (*datagram, "", four), (*stream6, "", other), (*datagram6, "", other)],
        [(*stream6, "", other)],
        [(*stream, "a", four)],
        [(*datagram, "", ("0.0.0.0", 0)), (*datagram6, "", ("::", 0, 0, 0))],
        [(*datagram6, "", ("::1", 443, 0, 0)), (*datagram, "", ("127.0.0.1", 443))],
    )
    assert expected == world.run(main())


def test_names_that_do_not_resolve():
    """Unknown hosts, unknown services and other families have the resolver's errors."""
    world = World()

    async def main():
        errors = []
        for ask_for in (("nowhere", 80), ("harness", "gopher-ish")):
            with pytest.raises(socket.gaierror) as caught:
                await world.loop.getaddrinfo(*ask_for)
            errors.append(caught.value.errno)
        for address, family in (("10.0.0.1", socket.AF_INET6), ("fd00::1", socket.AF_INET), ("harness", 12_345)):
            with pytest.raises(socket.gaierror) as caught:
                await world.loop.getaddrinfo(address, 80, family=family)
            errors.append(caught.value.errno)
        return errors

    wrong_family = [socket.EAI_ADDRFAMILY, socket.EAI_ADDRFAMILY, socket.EAI_FAMILY]
    assert [socket.EAI_NONAME, socket.EAI_SERVICE, *wrong_family] == world.run(main())


def test_getnameinfo():
    """An address is named by its host, unless a number is wanted; one that nobody has stays a number."""
    world = World()

    async def main():
        world.host("a")
        ask_for = world.loop.getnameinfo
        with pytest.raises(socket.gaierror):
            await ask_for(("10.1.1.1", 80), socket.NI_NAMEREQD)
        return (
            await ask_for(("10.0.0.1", 80)),
            await ask_for(("10.0.0.1", 80), socket.NI_NUMERICHOST),
            await ask_for(("10.1.1.1", 80)),
            await ask_for(("fd00::1", 80, 0, 0)),
        )

    assert (("a", "80"), ("10.0.0.1", "80"), ("10.1.1.1", "80"), ("a", "80")) == world.run(main())


def test_dns_faults():
    """The resolver can fail for now, or take its time; subjects are the names."""
    world = World(DnsFail(subjects=("flaky",)), DnsSlow(delay_ms=3_000, subjects=("slow",)))

    async def main():
        for name in ("flaky", "slow", "fine"):
            world.host(name)
        with pytest.raises(socket.gaierror) as caught:
            await world.loop.getaddrinfo("flaky", 80)
        await world.loop.getaddrinfo("slow", 80)
        await world.loop.getaddrinfo("fine", 80)
        return caught.value.errno, world.loop.time()

    assert ((socket.EAI_AGAIN, 3.0), {"DnsFail": 1, "DnsSlow": 1}) == (world.run(main()), world.fired())


def test_what_is_refused_by_name():
    """Real sockets, unix sockets, files over sockets and the low-level calls are refused by the name of the call."""
    world = World()

    async def main():
        loop: Any = world.loop
        protocol, sock = Recorder, object()
        calls = {
            "create_connection with sock=": lambda: loop.create_connection(protocol, sock=sock),
            "create_server with sock=": lambda: loop.create_server(protocol, sock=sock),
            "create_unix_connection": lambda: loop.create_unix_connection(protocol, "path"),
            "create_unix_server": lambda: loop.create_unix_server(protocol, "path"),
            "sendfile": lambda: loop.sendfile(None, None),
            "sock_recv": lambda: loop.sock_recv(sock, 1),
            "sock_sendto": lambda: loop.sock_sendto(sock, b"", None),
        }
        for name, call in calls.items():
            with pytest.raises(Unsupported, match=f"loop.{name}"):
                await call()
        return len(loop.refusals)

    assert 7 == world.run(main())


def test_arguments_that_make_no_sense():
    """Wrong combinations of arguments are the caller's errors, as with asyncio's own loop."""
    world = World()

    async def main():
        loop = world.loop
        with pytest.raises(ValueError, match="host and port was not specified"):
            await loop.create_connection(Recorder)
        with pytest.raises(ValueError, match="only meaningful with ssl"):
            await loop.create_connection(Recorder, "harness", 80, server_hostname="x")
        with pytest.raises(ValueError, match="Neither host/port"):
            await loop.create_server(Recorder)
        with pytest.raises(OSError, match="cannot assign") as caught:
            await loop.create_server(Recorder, "10.0.0.77", 80)
        return caught.value.errno

    assert errno.EADDRNOTAVAIL == world.run(main())


def test_cancelled_connect_leaves_nothing_open():
    """A task that is cancelled while it connects leaves no connection behind, at whatever point that is."""
    left = []
    for seed in range(16):
        world = World(seed=seed)

        async def main(world=world):
            world.serve("server", echo)
            await asyncio.sleep(1)
            for ms in (5, 15, 20, 20, 20, 20):
                task = asyncio.ensure_future(world.loop.create_connection(Recorder, "server", 80))
                await asyncio.sleep(ms / 1_000)
                task.cancel()
                left.append(task)
            await asyncio.sleep(10)
            return [dict(ends) for name, ends in world.network._medium.endpoints.items() if ends]

        open_ends = sum(len(ends) for ends in world.run(main()))
        # Those that were connected before the cancellation have two ends each.
        assert 2 * sum(not task.cancelled() for task in left[-6:]) == open_ends


def test_server_that_cannot_have_all_its_addresses_has_none():
    """When one address cannot be bound, those before it are given back."""
    world = World()

    async def main():
        with pytest.raises(OSError, match="cannot assign"):
            await world.loop.create_server(Recorder, ["127.0.0.1", "10.0.0.77"], 80)
        server = await world.loop.create_server(Recorder, "127.0.0.1", 80)
        return len(server.sockets)

    assert 1 == world.run(main())


def test_network_of_a_world():
    """A world has a network, made when first needed; its faults strike in any scenario, and heal ends all harm."""
    seen: list[object] = []

    async def serve():
        await (await asyncio.start_server(echo, "0.0.0.0", 80)).serve_forever()

    async def program(world):
        world.host("server").start(serve)
        world.host("other")
        await world.sleep(1)
        seen.append(await ask(80, b"x\n"))
        world.network.partition("server")
        world.host("other").start(serve)
        world.heal()
        seen.append((await ask(80, b"y\n"), world.network.address_of("server")))

    scenario = Scenario(name="net", run=program, faults=lambda swarm: (NetworkDelay(on="send", max_triggers=1),))
    outcome = simulate(scenario, 1)
    assert ([[b"x\n"], ([b"y\n"], "10.0.0.1")], None) == (seen, outcome.finding)
    assert [("NetworkDelay", 1)] == [(report.kind, report.fired) for report in outcome.faults]
    assert outcome.digest == simulate(scenario, 1).digest


def test_no_network():
    """A loop without a network refuses by name, and takes one that is made when it is first needed."""
    world = programs.World()

    async def main():
        with pytest.raises(Unsupported, match=r"loop.getaddrinfo .*attach a simulated network"):
            await world.loop.getaddrinfo("harness", 80)

    world.run(main())
    late = World()
    made: Any = late.loop.network
    late.loop.network, late.loop.make_network = None, lambda: made

    async def talk():
        await asyncio.start_server(echo, None, 80)
        return await ask(80, b"x\n", host="localhost")

    assert ([b"x\n"], True) == (late.run(talk()), late.loop.network is made)

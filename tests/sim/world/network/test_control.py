"""The levers of a network: partitions, clogs, holds, laws, and their ends."""

import asyncio

from kelpie_sim.world.network import Fixed, Law
from kelpie_sim.world.network.links import Obstacle
from tests.sim.world.network.wires import MS, Recorder, World, collecting


class Mesh:
    """Hosts that all listen; `reach` tells who gets a byte through to whom within a while."""

    def __init__(self, world, *names):
        self.world = world
        self.names = names
        self.got = {}

    async def start(self):
        """Start all hosts and connect each with each."""
        self.links = {}
        for name in self.names:
            ends = self.got[name] = []
            self.world.serve_protocol(name, collecting(ends, Recorder))
        await asyncio.sleep(1)
        for one in self.names:
            for other in self.names:
                if one != other:
                    coro = self.world.loop.create_connection(Recorder, other, 80)
                    transport, _ = await self.world.on(one, coro)
                    await asyncio.sleep(0.1)
                    self.links[one + other] = transport, self.got[other][-1]

    async def arrived(self, seconds=0.15):
        """Write on all connections, and return after a while over which of them it arrived."""
        before = {pair: len(far.received) for pair, (_, far) in self.links.items()}
        for near, _ in self.links.values():
            near.write(b"x")
        await asyncio.sleep(seconds)
        return " ".join(pair for pair, (_, far) in self.links.items() if len(far.received) > before[pair])


def with_mesh(program, *names, world=None):
    """Run a program with a mesh of hosts."""
    world = world or World()
    mesh = Mesh(world, *names)

    async def main():
        await mesh.start()
        return await program(mesh, world.network)

    return world.run(main()), world


def test_partition_shapes():
    """Two hosts, two groups, one against all others, or one way only: what crosses is cut, the rest is not."""

    async def program(mesh, network):
        seen = []
        for options in (("a", "b"), (("a", "b"), ("c",)), ("c",)):
            network.partition(*options)
            seen.append(await mesh.arrived())
            network.heal()
            await asyncio.sleep(100)
        network.partition("a", mesh.world.hosts["b"], one_way=True)
        return [*seen, await mesh.arrived()]

    expected = ["ac bc ca cb", "ab ba", "ab ba", "ac ba bc ca cb"]
    seen, world = with_mesh(program, "a", "b", "c")
    assert (expected, "network: cut a to b") == (seen, world.lines[-1])


def test_overlapping_sides():
    """A host on both sides stays in touch with itself."""

    async def program(mesh, network):
        network.partition(("a", "b"), ("a", "b"))
        return await mesh.arrived(), network._medium.link("a", "a").obstacle(0)

    assert ("", None) == with_mesh(program, "a", "b")[0]


def test_heal_of_one_link_heals_no_other():
    """Healing between two sides leaves the rest cut."""

    async def program(mesh, network):
        network.partition("a")
        network.heal("a", "b")
        return await mesh.arrived()

    assert "ab ba bc cb" == with_mesh(program, "a", "b", "c")[0]


def test_hold_and_release():
    """A held link keeps what is sent, and lets all of it go at the release."""

    async def program(mesh, network):
        network.hold("a", "b")
        held = await mesh.arrived(50)
        network.release("a", "b")
        await asyncio.sleep(0.01)
        return held, mesh.links["ab"][1].received

    assert ("", b"x") == with_mesh(program, "a", "b")[0]


def test_clog_and_unclog():
    """A clogged link is stuck for its time, or until it is unclogged; nothing is lost."""

    async def program(mesh, network):
        network.clog("a", "b", seconds=5)
        seen = [await mesh.arrived(4.9), mesh.links["ab"][1].received]
        await asyncio.sleep(0.2)
        seen.append(mesh.links["ab"][1].received)
        network.clog("a", "b", seconds=1_000)
        seen.append(await mesh.arrived(10))
        network.unclog("a", "b")
        await asyncio.sleep(0.01)
        return [*seen, mesh.links["ab"][1].received]

    assert ["", b"", b"x", "", b"xx"] == with_mesh(program, "a", "b")[0]


def test_slow_link():
    """A clog with `slow_ms` lets everything through, later."""

    async def program(mesh, network):
        network.clog("a", "b", seconds=10, slow_ms=500)
        early = await mesh.arrived(0.4)
        await asyncio.sleep(0.2)
        late = mesh.links["ab"][1].received
        await asyncio.sleep(10)
        return early, late, await mesh.arrived()

    assert ("", b"x", "ab ba") == with_mesh(program, "a", "b")[0]


def test_swizzle():
    """Swizzle-clogging clogs some hosts one by one, and unclogs them in another order; then all is well."""

    async def program(mesh, network):
        await network.swizzle(mesh.names, seconds_max=2)
        await asyncio.sleep(1)
        return await mesh.arrived()

    orders = set()
    for seed in range(6):
        all_well, world = with_mesh(program, "a", "b", "c", world=World(seed=seed))
        assert "ab ac ba bc ca cb" == all_well
        story = [line.split()[1:3] for line in world.lines]
        clogged = [name for what, name in story if what == "clog"]
        unclogged = [name for what, name in story if what == "unclog"]
        assert sorted(clogged) == sorted(unclogged)
        orders.add((*clogged, *unclogged))
    assert 3 < len(orders)


def test_swizzle_frees_no_link_of_a_clogged_host():
    """While two hosts are being unclogged, the link between them stays clogged until both are free."""

    async def program(mesh, network):
        link, seen = network._medium.link("a", "b"), []
        swizzling = asyncio.ensure_future(network.swizzle(mesh.names, seconds_max=2))
        while not swizzling.done():
            seen.append((sum(" unclog " in line for line in world.lines), link.obstacle(world.loop.time_ns)))
            await asyncio.sleep(0.05)
        return {unclogged: obstacle for unclogged, obstacle in seen if unclogged}

    # A seed under which both hosts are clogged.
    world = World(seed=1)
    assert {1: Obstacle.WAIT, 2: None} == with_mesh(program, "a", "b", world=world)[0]


def test_laws():
    """A law holds for a pair of hosts, or for all links, also for those to come; the loopback keeps its own."""

    async def program(mesh, network):
        network.obey(Law(latency=Fixed(100 * MS)), "a", "b")
        one = await mesh.arrived(0.09)
        await asyncio.sleep(1)
        network.obey(Law(latency=Fixed(200 * MS)))
        all_links = await mesh.arrived(0.19)
        return one, all_links, network._medium.link("new", "a").law.latency, network._medium.link("a", "a").law.latency

    expected = ("ac bc ca cb", "", Fixed(200 * MS), Fixed(20_000))
    assert expected == with_mesh(program, "a", "b", "c")[0]


def test_control_is_on_the_trace():
    """Each lever leaves a record."""

    async def program(mesh, network):
        network.partition(("a", "b"), "c")
        network.heal()

    _, world = with_mesh(program, "a", "b", "c", world=World(keep=True))
    lines = [line.split(": ")[1] for line in world.trace.lines() if "net control" in line]
    assert ["net control 'cut' 'a+b' 'and' 'c'", "net control 'heal' 'all' 'and' 'all'"] == lines


def test_names_and_addresses():
    """An alias leads to its host; addresses follow the order in which hosts were made."""
    world = World()

    async def main():
        for name in ("a", "b"):
            world.host(name)
        world.network.alias("api.example.com", "b")
        found = await world.loop.getaddrinfo("API.example.com", 80)
        return found[0][4][0], world.network.address_of("a"), world.network.address_of("b")

    assert ("10.0.0.2", "10.0.0.1", "10.0.0.2") == world.run(main())

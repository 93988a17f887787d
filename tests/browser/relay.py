"""A program to look at: clients ask servers over a network that loses things, a server crashes, and one law breaks."""

import asyncio
from functools import partial

from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World
from kelpie_sim.world.network.faults import NetworkPacketLoss
from kelpie_sim.world.network.laws import Law, Uniform

CLIENTS = 3
SERVERS = 3
PORT = 7000
CRASH_AT = 0.4
ANSWER_SECONDS = 0.2


class Servers(asyncio.DatagramProtocol):
    """What runs on each server: it counts, and answers with what came."""

    def __init__(self, counts: dict[str, int], name: str) -> None:
        self.counts = counts
        self.name = name
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, address: object) -> None:
        """Count, in a task of its own."""
        asyncio.get_running_loop().create_task(self._answer(data, address))

    async def _answer(self, data: bytes, address: object) -> None:
        await asyncio.sleep(0.002)
        self.counts[self.name] = self.counts.get(self.name, 0) + 1
        assert self.transport is not None
        self.transport.sendto(data, address)  # type: ignore[arg-type]


class Answers(asyncio.DatagramProtocol):
    """What a client hears."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, address: object) -> None:
        """Keep the answer."""
        self.heard.put_nowait(data)


async def _serve(counts: dict[str, int], name: str) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Servers(counts, name), local_addr=(name, PORT))
    await loop.create_future()


async def _ask(world: World, name: str, rounds: int) -> None:
    loop, stream = asyncio.get_running_loop(), world.streams.stream(f"choice/{name}")
    for turn in range(rounds):
        server = f"server-{stream.below(SERVERS)}"
        transport, answers = await loop.create_datagram_endpoint(Answers, remote_addr=(server, PORT))
        op = world.history.invoke(name, "put", turn=turn, server=server, text=f"<b>{turn}</b> </script>")
        transport.sendto(b"hello %d" % turn)
        try:
            op.ok(heard=await asyncio.wait_for(answers.heard.get(), ANSWER_SECONDS))
        except TimeoutError:
            op.info("no answer")
        transport.close()
        await asyncio.sleep(0.05)


async def _crash(world: World) -> None:
    await world.sleep(CRASH_AT)
    world.story("server-1 loses power")
    world.host("server-1").crash()
    await world.sleep(3)
    world.host("server-1").restart()


def relay(rounds: int, *, fails: bool = True) -> Scenario:
    """Return the scenario with so many questions per client; a longer one has more entries."""

    async def run(world: World) -> None:
        counts: dict[str, int] = {}
        world.network.obey(Law(latency=Uniform(1_000_000, 20_000_000)))
        for number in range(SERVERS):
            name = f"server-{number}"
            world.host(name).start(partial(_serve, counts, name))
        clients = [f"client-{number}" for number in range(CLIENTS)]
        asked = [world.host(name).start(partial(_ask, world, name, rounds)) for name in clients]
        await asyncio.gather(_crash(world), *asked)
        arrived = sum(counts.values())
        world.check(not fails, f"nothing is ever lost: {arrived} of {CLIENTS * rounds} arrived")

    return Scenario(name="relay", run=run, faults=lambda swarm: (NetworkPacketLoss(probability=0.05),))

"""Trying the addresses of a name."""

import asyncio
import errno
import socket
from functools import partial

import pytest

from kelpie_sim.world.network import Network
from kelpie_sim.world.network.dialling import interleaved
from kelpie_sim.world.network.sockets import sockaddr
from tests.sim.world.network.wires import BOTH, Recorder, World, echo

FOUR, SIX = ("10.0.0.1", 80), ("fd00::1", 80, 0, 0)


def dialled(host="server", bound=None, world=None, trouble=lambda network: None, **options):
    """Return the peer's address, or the error, the milliseconds it took, and how many ends are open after all."""
    world = world or World(families=BOTH)

    async def main():
        async def serve():
            await (await asyncio.start_server(echo, bound, 80)).serve_forever()

        world.host("server").start(serve)
        await asyncio.sleep(1)
        trouble(world.network)
        started = world.loop.time()
        try:
            transport, _ = await world.loop.create_connection(Recorder, host, 80, **options)
            result: object = transport.get_extra_info("peername")
            transport.close()
        except OSError as error:
            result = error.errno or str(error)
        spent_ms = round(1_000 * (world.loop.time() - started))
        await asyncio.sleep(1)
        return result, spent_ms, sum(len(ends) for ends in world.network._medium.endpoints.values())

    return world.run(main())


def test_best_address_first():
    """A name is tried at its IPv4 address first, and at the other where nobody listens there."""
    assert (FOUR, 20, 0) == dialled()
    assert (SIX, 40, 0) == dialled(bound="::")
    assert (SIX, 20, 0) == dialled(family=socket.AF_INET6)


@pytest.mark.parametrize("host", ["fd00::1", "FD00:0:0::1"])
def test_literal(host):
    """A literal address is connected to as it is, however it is written."""
    assert (SIX, 20, 0) == dialled(host=host)


def test_own_host():
    """ "::1" and "::" are one's own host, and both ends have addresses of that family."""
    world = World(families=BOTH)

    async def main():
        await asyncio.start_server(echo, "::1", 80)
        seen = []
        for host in ("::1", "::", "localhost"):
            _, writer = await asyncio.open_connection(host, 80)
            seen.append((writer.get_extra_info("peername"), writer.get_extra_info("sockname")[0]))
            writer.close()
        return seen

    assert [(("::1", 80, 0, 0), "::1")] * 3 == world.run(main())


def test_what_is_raised():
    """One error is raised as it is, several as one that tells them all, or as a group if that is wanted."""
    refused = f"[Errno {errno.ECONNREFUSED}] Connect call failed"
    text = f"Multiple exceptions: {refused} {FOUR}, {refused} {SIX}"
    assert [(text, 40, 0), (errno.ECONNREFUSED, 20, 0)] == [
        dialled(bound="127.0.0.1"),
        dialled(bound="127.0.0.1", family=socket.AF_INET),
    ]
    assert (text, 40, 0) == dialled(bound="127.0.0.1", happy_eyeballs_delay=5)
    with pytest.raises(ExceptionGroup, match="create_connection failed") as caught:
        dialled(bound="127.0.0.1", all_errors=True)
    assert [ConnectionRefusedError] * 2 == [type(error) for error in caught.value.exceptions]


def test_happy_eyeballs():
    """The second address is tried when the first has not answered within the delay, and as soon as it fails."""

    def slow(network: Network) -> None:
        network.hold("harness", "server")
        asyncio.get_running_loop().call_later(0.4, network.release)

    assert (FOUR, 410, 0) == dialled(trouble=slow)
    assert (SIX, 40, 0) == dialled(bound="::", happy_eyeballs_delay=0.25)
    assert (FOUR, 20, 0) == dialled(happy_eyeballs_delay=0.25)


def test_race_that_is_close():
    """Of two attempts that come about at once, whichever is first wins, and the other leaves nothing behind."""

    def hold(network: Network) -> None:
        network.hold("harness", "server")
        asyncio.get_running_loop().call_later(0.4, network.release)

    world_of = partial(World, families=BOTH)
    seen = {dialled(trouble=hold, happy_eyeballs_delay=0.25, world=world_of(seed=seed)) for seed in range(20)}
    assert {(FOUR, 410, 0), (SIX, 410, 0)} == seen


def test_race_that_is_given_up():
    """Whoever gives up in the step in which the race is won has no connection, and none is left."""

    def run(seed: int) -> tuple[bool, int]:
        world = World(families=BOTH, seed=seed)

        async def main():
            world.serve("server", echo)
            await asyncio.sleep(1)
            connect = world.loop.create_connection(Recorder, "server", 80, happy_eyeballs_delay=0.25)
            task = asyncio.ensure_future(connect)
            await asyncio.sleep(0.02)
            for _ in range(seed % 7):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await asyncio.sleep(1)
            return task.cancelled(), sum(len(ends) for ends in world.network._medium.endpoints.values())

        result: tuple[bool, int] = world.run(main())
        return result

    assert {(True, 0), (False, 2)} == {run(seed) for seed in range(70)}


def test_local_address_of_the_right_family():
    """Of the own addresses the one of the target's family counts; without one there is no connection."""
    assert (SIX, 20, 0) == dialled(host="fd00::1", local_addr=("harness", 4_000))
    result, _, _ = dialled(host="fd00::1", local_addr=("10.0.0.2", 4_000))
    assert "no matching local address with family=10 found" == result


def test_interleaved():
    """Families take turns, and the first may have a head start."""
    four, six = [sockaddr(f"10.0.0.{n}", 1) for n in range(3)], [sockaddr(f"fd00::{n}", 1) for n in range(2)]
    assert [four[0], six[0], four[1], six[1], four[2]] == interleaved([*four, *six], 1)
    assert [four[0], four[1], six[0], four[2], six[1]] == interleaved([*four, *six], 2)
    assert [six[0], six[1]] == interleaved(six, 1)

"""TCP transports: what a protocol and asyncio's streams see of a connection."""

import asyncio
import errno
import socket
import struct
from typing import Any

import pytest

from kelpie_sim.errors import HostDead
from kelpie_sim.seed import Streams
from kelpie_sim.world.network import Law, Uniform
from tests.sim.world.network.wires import MS, STEADY, Recorder, World, ask, collecting, echo


async def pair(world, **options):
    """Return the protocols at both ends of a new connection."""
    ends: list[Any] = []

    def server():
        ends.append(Recorder())
        return ends[-1]

    world.serve_protocol("server", server, **options)
    await asyncio.sleep(1)
    _, client = await asyncio.get_running_loop().create_connection(Recorder, "server", 80)
    await asyncio.sleep(1)
    return client, ends[0]


def test_echo_between_hosts():
    """Lines go from one host to another and back, in order, each way taking the link's latency."""
    world = World()

    async def main():
        world.serve("server", echo)
        await asyncio.sleep(1)
        started = world.loop.time()
        answers = await world.on("client", ask(80, b"a\n", b"b\n"))
        return answers, round(world.loop.time() - started, 3)

    assert ([b"a\n", b"b\n"], 0.06) == world.run(main())


def test_calls_of_a_protocol_in_order():
    """A protocol is told that it is connected, what came, that this was all, and that the connection is gone."""

    async def main():
        client, server = await pair(world)
        client.transport.write(b"one")
        await asyncio.sleep(1)
        client.transport.write(b"two")
        client.transport.close()
        return await server.lost, await client.lost, server.calls, client.calls

    world = World()
    calls = ["made", b"one", b"two", "eof", "lost"]
    assert (None, None, calls, ["made", "lost"]) == world.run(main())


def test_what_is_there_is_read_at_once():
    """Pieces that arrive together come as one; what a program wrote as one piece may come as two."""

    async def main():
        client, server = await pair(world)
        for piece in (b"a", b"b", b"c"):
            client.transport.write(piece)
        await asyncio.sleep(1)
        world.network.obey(Law(latency=Uniform(1 * MS, 50 * MS), splitting=1.0))
        client.transport.write(b"0123456789")
        await asyncio.sleep(1)
        return server.calls[1], server.received, len(server.calls)

    world = World()
    assert (b"abc", b"abc0123456789", 4) == world.run(main())


def test_half_close():
    """After `write_eof` the other direction stays open, and writing is refused."""
    world = World()

    async def total(reader, writer):
        writer.write(b"%d" % len(await reader.read()))
        writer.close()

    async def main():
        world.serve("server", total)
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection("server", 80)
        writer.write(b"x" * 1_000)
        writer.write_eof()
        with pytest.raises(RuntimeError, match="after write_eof"):
            writer.write(b"more")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer, writer.can_write_eof()

    assert (b"1000", True) == world.run(main())


def test_half_close_behind_what_waits():
    """The end that `write_eof` announces comes behind all that still waits for the window."""

    async def main():
        client, server = await pair(world)
        client.transport.write(b"x" * 300_000)
        client.transport.write_eof()
        client.transport.write_eof()
        await asyncio.sleep(10)
        return len(server.received), server.calls.count("eof"), client.calls[-1]

    world = World()
    assert (300_000, 1, "lost") == world.run(main())


def test_nothing_is_left_of_closed_connections():
    """The network forgets a connection when both its ends are closed, so memory stays flat."""
    world = World()

    async def main():
        world.serve("server", echo)
        await asyncio.sleep(1)
        for _ in range(5):
            await world.on("client", ask(80, b"x\n"))
        await asyncio.sleep(1)
        return [dict(ends) for ends in world.network._medium.endpoints.values()]

    assert [{}, {}] == world.run(main())


def test_protocol_that_crashes_its_own_host():
    """A step that cuts its own power unwinds, and is no error of the protocol."""
    world = World()

    class Fatal(Recorder):
        def data_received(self, data):
            world.hosts["server"].crash()

    async def main():
        ends: list[Any] = []
        world.serve_protocol("server", collecting(ends, Fatal))
        await asyncio.sleep(1)
        transport, _ = await world.loop.create_connection(Recorder, "server", 80)
        transport.write(b"x")
        await asyncio.sleep(1)
        return ends[0].calls, world.hosts["server"].alive

    assert ((["made"], False), ()) == (world.run(main()), world.loop.lost_exceptions())


def test_eof_closes_unless_the_protocol_wants_to_go_on():
    """`eof_received` that returns something true keeps the connection open for writing."""

    async def main():
        client, server = await pair(world)
        client.keep_open = True
        server.transport.write_eof()
        server.transport.write_eof()
        await asyncio.sleep(1)
        client.transport.write(b"still here")
        await asyncio.sleep(1)
        open_still = not client.transport.is_closing()
        client.transport.close()
        await server.lost
        return open_still, server.received, server.calls[-2:], client.calls.count("eof")

    world = World()
    assert (True, b"still here", ["eof", "lost"], 1) == world.run(main())


def test_backpressure():
    """A reader that does not read stops the writer; what waits is bounded by the water marks, and nothing is lost."""

    async def main():
        client, server = await pair(world)
        server.transport.pause_reading()
        client.transport.set_write_buffer_limits(high=1_000, low=100)
        client.transport.write(b"x" * 200_000)
        await asyncio.sleep(1)
        waiting, calls = client.transport.get_write_buffer_size(), list(client.calls)
        server.transport.resume_reading()
        await asyncio.sleep(10)
        left = client.transport.get_write_buffer_size()
        return waiting, calls, left, client.calls, len(server.received), server.transport.is_reading()

    world = World()
    assert (134_464, ["made", "pause"], 0, ["made", "pause", "resume"], 200_000, True) == world.run(main())


def test_drain_waits_for_the_reader():
    """`drain` returns when the reader has taken enough, not before."""
    world = World()

    async def late(reader, writer):
        await asyncio.sleep(100)
        while await reader.read(10_000):
            pass
        writer.close()

    async def main():
        world.serve("server", late)
        await asyncio.sleep(1)
        _, writer = await asyncio.open_connection("server", 80)
        started = world.loop.time()
        writer.write(b"x" * 1_000_000)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        return 99 < world.loop.time() - started < 102

    assert world.run(main())


def test_close_sends_what_is_left():
    """A transport that is closed while bytes wait sends them all before the end."""

    async def main():
        client, server = await pair(world)
        client.transport.write(b"x" * 300_000)
        client.transport.close()
        client.transport.close()
        await asyncio.gather(client.lost, server.lost)
        return len(server.received), server.calls[-2:]

    world = World()
    assert (300_000, ["eof", "lost"]) == world.run(main())


def test_abort_loses_what_is_left():
    """`abort` drops what waits for the window; as with real sockets the peer sees an early end of the stream."""

    async def main():
        client, server = await pair(world)
        client.transport.write(b"x" * 300_000)
        client.transport.abort()
        return await client.lost, await server.lost, len(server.received)

    world = World()
    assert (None, None, 65_536) == world.run(main())


def test_close_with_unread_bytes_resets():
    """A socket that is closed while something is unread resets the connection."""

    async def main():
        client, server = await pair(world)
        server.transport.pause_reading()
        client.transport.write(b"never read")
        await asyncio.sleep(1)
        server.transport.close()
        return (await client.lost).errno, client.calls

    world = World()
    assert (errno.ECONNRESET, ["made", "lost"]) == world.run(main())


def test_linger_of_zero_resets():
    """With SO_LINGER 0 a close is a reset."""

    async def main():
        client, server = await pair(world)
        sock = client.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.transport.close()
        return (await server.lost).errno

    world = World()
    assert errno.ECONNRESET == world.run(main())


def test_bytes_for_a_closed_socket_are_answered_by_a_reset():
    """Who writes to a peer that has closed learns it by the reset, and at the write after that."""

    async def main():
        client, server = await pair(world)
        client.keep_open = True
        server.transport.close()
        await asyncio.sleep(1)
        client.transport.write(b"into the void")
        await asyncio.sleep(1)
        seen = list(client.calls)
        client.transport.write(b"again")
        return seen, type(await client.lost)

    world = World()
    assert (["made", "eof"], BrokenPipeError) == world.run(main())


def test_paused_reader_does_not_see_a_reset():
    """A reset is noticed by those who read; who paused finds out when it goes on."""

    async def main():
        client, server = await pair(world)
        client.transport.pause_reading()
        sock = server.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.transport.close()
        await asyncio.sleep(10)
        seen = list(client.calls)
        client.transport.resume_reading()
        return seen, (await client.lost).errno

    world = World()
    assert (["made"], errno.ECONNRESET) == world.run(main())


class Buffers(asyncio.BufferedProtocol):
    """A buffered protocol with a small buffer."""

    def __init__(self):
        self.buffer = bytearray(4)
        self.received = b""

    def get_buffer(self, sizehint):
        """Return the buffer."""
        return self.buffer

    def buffer_updated(self, nbytes):
        """Take what is in it."""
        self.received += self.buffer[:nbytes]


def test_buffered_protocol():
    """A buffered protocol gets its bytes through its own buffer, as often as it takes."""
    world = World()
    made: list[Any] = []

    async def main():
        world.serve_protocol("server", collecting(made, Buffers))
        await asyncio.sleep(1)
        _, writer = await asyncio.open_connection("server", 80)
        writer.write(b"0123456789")
        await asyncio.sleep(1)
        writer.close()
        return made[0].received

    assert b"0123456789" == world.run(main())


def test_error_of_a_protocol_ends_its_connection():
    """A protocol that raises loses its connection, and the error is reported."""

    class Faulty(Recorder):
        def data_received(self, data):
            raise ValueError("planned")

    world = World()

    async def main():
        world.serve_protocol("server", Faulty)
        await asyncio.sleep(1)
        _, client = await asyncio.get_running_loop().create_connection(Recorder, "server", 80)
        client.transport.write(b"x")
        await client.lost
        return client.calls

    assert ["made", "eof", "lost"] == world.run(main())
    assert ["planned"] == [str(lost.exception) for lost in world.loop.lost_exceptions()]


def test_writing_what_is_not_bytes():
    """Text is refused; views and byte arrays are copied."""

    async def main():
        client, server = await pair(world)
        with pytest.raises(TypeError, match="bytes-like"):
            client.transport.write("text")
        data = bytearray(b"abc")
        client.transport.write(data)
        data[:] = b"xyz"
        client.transport.writelines([b"d", memoryview(b"e")])
        client.transport.write(b"")
        await asyncio.sleep(1)
        return server.received

    world = World()
    assert b"abcde" == world.run(main())


def test_what_a_transport_tells_of_itself():
    """Addresses, socket, protocol and state are those of asyncio's transports."""

    async def main():
        client, server = await pair(world)
        near, far = client.transport, server.transport
        told = [near.get_extra_info("peername"), near.get_extra_info("sockname") == far.get_extra_info("peername")]
        told += [near.get_extra_info("socket").getpeername(), near.get_extra_info("sslcontext"), near.is_closing()]
        told += [near.get_protocol() is client, repr(near).startswith("<StreamTransport ('10.0.0.")]
        near.close()
        return [*told, near.is_closing(), near.is_reading(), hash(near), hash(far)]

    world = World()
    expected = [("10.0.0.1", 80), True, ("10.0.0.1", 80), None, False, True, True, True, False, 1, 2]
    assert expected == world.run(main())


def test_crash_says_nothing():
    """Peers of a host that lost power hear nothing at all while they only read."""

    async def main():
        client, server = await pair(world)
        world.hosts["server"].crash()
        await asyncio.sleep(3_600)
        return client.calls, client.lost.done(), server.calls

    world = World()
    assert (["made"], False, ["made"]) == world.run(main())


def test_writing_to_a_host_that_is_down_times_out():
    """Bytes for a dead machine are sent again for a quarter of an hour, then the connection breaks with ETIMEDOUT."""

    async def main():
        client, _ = await pair(world)
        world.hosts["server"].crash()
        started = world.loop.time()
        client.transport.write(b"anybody there?")
        error = await client.lost
        return error.errno, round((world.loop.time() - started) / 60)

    world = World()
    assert (errno.ETIMEDOUT, 8) == world.run(main())


def test_half_open_connection_is_found_after_a_restart():
    """A host that lived again does not know its old connections: who writes to it is reset."""

    async def main():
        client, _ = await pair(world)
        world.hosts["server"].crash()
        client.transport.write(b"hello")
        await asyncio.sleep(5)
        seen = list(client.calls)
        world.hosts["server"].restart()
        return seen, (await client.lost).errno

    world = World()
    assert (["made"], errno.ECONNRESET) == world.run(main())


def test_writing_to_a_socket_that_was_closed_before_its_host_died():
    """The machine's silence counts also for a connection that its program had closed already."""

    async def main():
        client, server = await pair(world)
        client.keep_open = True
        server.transport.close()
        await asyncio.sleep(1)
        world.hosts["server"].crash()
        client.transport.write(b"x" * 100_000)
        error = await client.lost
        return error.errno, client.calls

    world = World()
    assert (errno.ETIMEDOUT, ["made", "eof", "lost"]) == world.run(main())


def test_prefix_of_what_was_on_the_wire_survives_a_crash():
    """Of what a host sent right before it lost power, its peer gets a prefix: sometimes all, sometimes part or none."""
    lengths = set()
    for seed in range(60):
        world = World(seed=seed)

        async def main(world=world):
            client, server = await pair(world)
            for piece in (b"one ", b"two ", b"three"):
                server.transport.write(piece)
            world.hosts["server"].crash()
            await asyncio.sleep(100)
            assert b"one two three".startswith(client.received)
            return len(client.received)

        lengths.add(world.run(main()))
    assert {0, 13} < lengths


def test_exit_of_a_process_closes_its_sockets():
    """A process that ends leaves a machine that is up: its peers see the end, and new connections are refused."""

    async def main():
        client, _ = await pair(world)
        world.hosts["server"].exit(SystemExit(0))
        error = await client.lost
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("server", 80)
        return error, client.calls

    world = World()
    assert (None, ["made", "eof", "lost"]) == world.run(main())


def test_dead_code_cannot_write():
    """A transport of a life that is over refuses: HostDead, whoever calls."""

    async def main():
        _, server = await pair(world)
        world.hosts["server"].crash()
        for touch in (lambda: server.transport.write(b"x"), server.transport.write_eof):
            with pytest.raises(HostDead):
                touch()

    world = World()
    world.run(main())


def test_partition_delays_and_loses_nothing():
    """What is sent over a cut link arrives after it is healed, once and in order."""

    async def main():
        client, server = await pair(world)
        world.network.partition("server")
        client.transport.write(b"a")
        client.transport.write(b"b")
        await asyncio.sleep(10)
        before = server.received
        world.network.heal()
        await asyncio.sleep(30)
        return before, server.received

    world = World()
    assert (b"", b"ab") == world.run(main())


def test_long_partition_breaks_the_writer():
    """A partition that outlasts all retries breaks the writer's connection; the other end hears nothing."""

    async def main():
        client, server = await pair(world)
        world.network.partition("server")
        client.transport.write(b"a")
        return (await client.lost).errno, server.calls

    world = World()
    assert (errno.ETIMEDOUT, ["made"]) == world.run(main())


@pytest.mark.parametrize("strategy", ["fifo", "random"])
def test_bytes_arrive_whole_and_in_order(strategy):
    """Whatever the seed and the law, a stream comes out as it went in."""
    sent = bytes(range(256)) * 600
    for seed in range(8):
        law = Law(latency=Uniform(0, 5 * MS), splitting=0.5, loss=0.1, bytes_per_second=1_000_000)
        world = World(seed=seed, law=law, strategy=strategy)

        async def main(world=world):
            client, server = await pair(world)
            for start in range(0, len(sent), 7_001):
                client.transport.write(sent[start : start + 7_001])
                await asyncio.sleep(0.001)
            client.transport.close()
            await server.lost
            return server.received

        assert sent == world.run(main())


def test_same_seed_same_bytes():
    """The same seed gives the same digest, another seed another one; the bytes themselves count."""

    def digest(seed, word):
        world = World(seed=seed, law=Law())

        async def main():
            world.serve("server", echo)
            await asyncio.sleep(1)
            await asyncio.gather(*(world.on(f"client {n}", ask(80, word, b"end\n")) for n in range(5)))

        world.run(main())
        return world.trace.digest()

    assert digest(1, b"word\n") == digest(1, b"word\n")
    assert 3 == len({digest(1, b"word\n"), digest(2, b"word\n"), digest(1, b"worm\n")})


def test_steady_law_is_what_tests_stand_on():
    """The law of these tests draws nothing."""
    assert (10 * MS, 0.0) == (STEADY.latency.drawer(Streams(1).stream("x"))(), STEADY.splitting)

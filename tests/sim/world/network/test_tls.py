"""TLS: refused by name, or passed in the clear with the names checked."""

import asyncio
import ssl

import pytest

from kelpie_sim.errors import Unsupported
from tests.sim.world.network.wires import Recorder, World, collecting, echo

CLIENT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
SERVER = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
ANYBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ANYBODY.check_hostname = False


def connected(world, host="server", server=SERVER, **options):
    """Return an echo over TLS, or the error that came of it."""

    async def main():
        world.network.alias("api.example.com", "server")
        world.serve("server", echo, ssl=server)
        await asyncio.sleep(1)
        try:
            reader, writer = await asyncio.open_connection(host, 80, **options)
        except OSError as error:
            return type(error)
        writer.write(b"secret\n")
        answer = await reader.readline()
        writer.close()
        return answer, writer.get_extra_info("ssl_object").server_hostname

    return world.run(main())


def test_refused_by_name():
    """Without tls="pass" each call that wants TLS is refused by its name."""
    world = World()

    async def main():
        loop = world.loop
        calls = (
            lambda: loop.create_server(Recorder, None, 80, ssl=SERVER),
            lambda: loop.create_connection(Recorder, "harness", 80, ssl=CLIENT),
            lambda: loop.start_tls(None, None, CLIENT),
        )
        names = ("loop.create_server with ssl=", "loop.create_connection with ssl=", "loop.start_tls")
        for call, name in zip(calls, names, strict=True):
            with pytest.raises(Unsupported, match=name):
                await call()
        with pytest.raises(Unsupported, match=r"ssl\.SSLContext\.wrap_bio"):
            CLIENT.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())

    world.run(main())


def test_names_are_checked():
    """A client gets through to each name of the server, and to no other, unless it does not check."""
    for name in ("server", "api.example.com", "10.0.0.1"):
        assert (b"secret\n", name) == connected(World(tls="pass"), name, ssl=CLIENT)
    wrong = {"server_hostname": "bank.example.com"}
    assert ssl.SSLCertVerificationError is connected(World(tls="pass"), ssl=CLIENT, **wrong)
    assert (b"secret\n", "bank.example.com") == connected(World(tls="pass"), ssl=ANYBODY, **wrong)


def test_tls_to_a_plain_server():
    """A client that speaks TLS to a server that does not fails in the handshake."""
    assert ssl.SSLError is connected(World(tls="pass"), server=None, ssl=CLIENT)


def test_plain_client_at_a_tls_server():
    """A client that does not speak TLS is hung up on, and the server's program never sees it."""
    world = World(tls="pass")
    seen: list[Recorder] = []

    async def main():
        world.serve_protocol("server", collecting(seen, Recorder), ssl=SERVER)
        await asyncio.sleep(1)
        transport, client = await world.loop.create_connection(Recorder, "server", 80)
        transport.write(b"GET / HTTP/1.1\r\n\r\n")
        await client.lost
        return client.calls, seen

    assert (["made", "eof", "lost"], []) == world.run(main())


def test_handshake_timeout():
    """A server that says nothing is given up on."""
    world = World(tls="pass")

    async def main():
        world.serve_protocol("server", Recorder)
        await asyncio.sleep(1)
        with pytest.raises(ConnectionAbortedError, match="longer than 5"):
            await world.loop.create_connection(Recorder, "server", 80, ssl=CLIENT, ssl_handshake_timeout=5)
        return round(world.loop.time())

    assert 6 == world.run(main())


def test_peer_that_hangs_up_in_the_handshake():
    """A connection that ends in the handshake is a reset for the client."""
    world = World(tls="pass")

    async def hang_up(reader, writer):
        writer.close()

    async def main():
        world.serve("server", hang_up)
        await asyncio.sleep(1)
        with pytest.raises(ConnectionResetError):
            await world.loop.create_connection(Recorder, "server", 80, ssl=CLIENT)

    world.run(main())


def test_start_tls_on_a_connection():
    """A connection can be upgraded in the middle; what both ends said before stays plain."""
    world = World(tls="pass")

    async def upgrade(reader, writer):
        writer.write(b"ready\n")
        await writer.start_tls(SERVER)
        writer.write(await reader.readline())
        writer.close()

    async def main():
        world.serve("server", upgrade)
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection("server", 80)
        first = await reader.readline()
        await writer.start_tls(CLIENT, server_hostname="server")
        writer.write(b"secret\n")
        return first, await reader.readline(), writer.get_extra_info("sslcontext") is CLIENT

    assert (b"ready\n", b"secret\n", True) == world.run(main())


def test_what_the_stand_in_tells():
    """The TLS object tells the version, the certificate's names, and that nothing was negotiated."""
    world = World(tls="pass")
    told = []

    async def handle(reader, writer):
        tls = writer.get_extra_info("ssl_object")
        told.append((tls.server_side, tls.getpeercert(), tls.version()))
        writer.close()

    async def main():
        world.serve("server", handle, ssl=SERVER)
        await asyncio.sleep(1)
        _, writer = await asyncio.open_connection("server", 80, ssl=CLIENT)
        tls = writer.get_extra_info("ssl_object")
        await asyncio.sleep(1)
        writer.close()
        names = [name for _, name in tls.getpeercert()["subjectAltName"]]
        return names, tls.selected_alpn_protocol(), tls.compression(), tls.cipher()[1], tls.getpeercert(True) != b""

    names = ["10.0.0.1", "127.0.0.1", "::1", "fd00::1", "localhost", "server"]
    assert (names, None, None, "TLSv1.3", True) == world.run(main())
    assert [(True, None, "TLSv1.3")] == told


class Ends:
    """A client and a server between buffers, and what one has to say to the other."""

    def __init__(self, network, wanted, context=CLIENT):
        self.here, self.there = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = network.wrap_bio(context, self.here, self.there, server_hostname=wanted)
        self.server = network.wrap_bio(SERVER, self.there, self.here, server_side=True)

    def greet(self):
        """Greet as far as nobody has to wait."""
        with pytest.raises(ssl.SSLWantReadError):
            self.client.do_handshake()
        self.server.do_handshake()
        self.client.do_handshake()


def between_buffers(program):
    """Return what a program gives that has a network which passes TLS."""
    world = World(tls="pass")

    async def main():
        return program(world.network)

    return world.run(main())


def test_bytes_between_buffers():
    """What is written at one end of a stand-in between buffers is read at the other, whatever the pieces."""

    def program(network):
        ends = Ends(network, b"harness")
        ends.greet()
        seen = [ends.client.write(b"secret"), ends.server.read(4), ends.server.pending()]
        piece = bytearray(4)
        seen += [ends.server.read(4, piece), bytes(piece)]
        with pytest.raises(ssl.SSLWantReadError):
            ends.server.read()
        ends.there.write_eof()
        ends.client.unwrap()
        return [*seen, ends.server.read(), ends.server.server_side, ends.client.shared_ciphers()]

    assert [6, b"secr", 2, 2, b"et\0\0", b"", True, None] == between_buffers(program)


def test_names_between_buffers():
    """A certificate is checked by the names of the host that asked for the server's stand-in."""

    def program(network):
        Ends(network, "bank.example.com", ANYBODY).greet()
        ends = Ends(network, "bank.example.com")
        with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for 'bank\.example\.com'"):
            ends.greet()
        return ends.client.get_channel_binding(), ends.client.selected_alpn_protocol()

    assert (None, None) == between_buffers(program)


def test_plain_bytes_and_silence_between_buffers():
    """Whoever answers something else, or hangs up, fails the handshake."""

    def program(network):
        ends = Ends(network, "harness")
        ends.there.write(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
            ends.server.do_handshake()
        ends.here.write_eof()
        with pytest.raises(ssl.SSLEOFError):
            ends.client.do_handshake()

    between_buffers(program)

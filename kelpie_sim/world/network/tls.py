"""TLS that passes bytes in the clear: who speaks it, and whom a certificate names, is kept; the mathematics is not.

Why: OpenSSL draws its own randomness, which no seed governs. A network whose `tls` is "pass" lets `ssl=` through: both
ends exchange a greeting, the server names itself by all names of its host, and the client checks the name it wanted, as
a certificate check does. A client that speaks TLS to a plain server fails, and so does a plain client at a TLS server.
What speaks TLS over buffers of its own (anyio, and so httpx) gets a stand-in for its ssl.SSLObject that does the same.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable

from kelpie_sim.world.network.streams import StreamTransport

CLIENT_HELLO = b"\x16\x03\x01 client hello "
SERVER_HELLO = b"\x16\x03\x03 server hello "
END = b"\n"
HELLO_BYTES_MAX = 65_536
HANDSHAKE_TIMEOUT_SECONDS = 60.0
# True stands for a context that checks names.
TlsContext = ssl.SSLContext | bool


class TlsObject:
    """The stand-in for an ssl.SSLObject: what programs ask of one."""

    def __init__(
        self, context: TlsContext, server_side: bool, server_hostname: str | None, names: tuple[str, ...]
    ) -> None:
        self.context = context
        self.server_side = server_side
        self.server_hostname = server_hostname
        self._names = names

    def getpeercert(self, binary_form: bool = False) -> dict[str, object] | bytes | None:
        """Return the certificate of the other end: the names of a server, nothing of a client."""
        if self.server_side:
            return None
        if binary_form:
            return ",".join(self._names).encode()
        return {"subjectAltName": tuple(("DNS", name) for name in self._names)}

    def selected_alpn_protocol(self) -> str | None:
        """Return None: no protocol is negotiated."""
        return None

    def cipher(self) -> tuple[str, str, int]:
        """Return the name of a cipher that is none."""
        return ("NONE", "TLSv1.3", 0)

    def version(self) -> str:
        """Return the version that is pretended."""
        return "TLSv1.3"

    def compression(self) -> None:
        """Return None: nothing is compressed."""
        return

    def shared_ciphers(self) -> None:
        """Return None: there are no ciphers."""
        return

    def get_channel_binding(self, cb_type: str = "tls-unique") -> None:
        """Return None: nothing binds to a channel that is in the clear."""
        return


def client_hello(server_hostname: str | None) -> bytes:
    """Return what a client says first: whom it wants."""
    return CLIENT_HELLO + (server_hostname or "").encode() + END


def server_hello(names: Iterable[str]) -> bytes:
    """Return what a server answers: who it is."""
    return SERVER_HELLO + ",".join(sorted(names)).encode() + END


def split_hello(received: bytes, expected: bytes) -> tuple[str, bytes] | None:
    """Return what the other end's hello says, and what came after it; None while it is not whole.

    Raise ssl.SSLError if it is none.
    """
    if not expected.startswith(received[: len(expected)]) or len(received) > HELLO_BYTES_MAX:
        raise ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    if END not in received:
        return None
    hello, rest = received.split(END, 1)
    return hello[len(expected) :].decode(), rest


def check_certificate(context: TlsContext, server_hostname: str | None, names: tuple[str, ...]) -> None:
    """Raise ssl.SSLCertVerificationError if the client checks names, and wants another server than it got."""
    checks = isinstance(context, bool) or context.check_hostname
    if checks and server_hostname not in names:
        reason = f"Hostname mismatch, certificate is not valid for {server_hostname!r}"
        raise ssl.SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {reason}")


class ClearObject(TlsObject):
    """The stand-in for an ssl.SSLObject between two buffers: what it would encrypt, it passes on."""

    def __init__(
        self,
        context: TlsContext,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_hostname: str | None,
        own_names: Iterable[str] | None,
    ) -> None:
        """`own_names` are those of a server; of None, it is the client's side."""
        super().__init__(context, own_names is not None, server_hostname, ())
        self._incoming = incoming
        self._outgoing = outgoing
        self._own_names = own_names
        self._received = b""
        self._has_greeted = False

    def do_handshake(self) -> None:
        """Greet. Raise ssl.SSLWantReadError until the other end has greeted, ssl.SSLError when it does not."""
        if not self.server_side and not self._has_greeted:
            self._has_greeted = True
            self._outgoing.write(client_hello(self.server_hostname))
        self._received += self._incoming.read()
        found = split_hello(self._received, CLIENT_HELLO if self.server_side else SERVER_HELLO)
        if found is None:
            self._wait("EOF occurred in violation of protocol")
            return
        text, self._received = found
        if self._own_names is not None:
            self._outgoing.write(server_hello(self._own_names))
        else:
            self._names = tuple(text.split(","))
            check_certificate(self.context, self.server_hostname, self._names)

    def _wait(self, ended: str = "") -> None:
        """Ask for more. Raise ssl.SSLWantReadError; at the end ssl.SSLEOFError, if it must not come here."""
        if not self._incoming.eof:
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)")
        if ended:
            raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, ended)

    def read(self, bytes_max: int = 1_024, buffer: bytearray | None = None) -> bytes | int:
        """Return what has come, or fill the buffer and return how much; nothing at the end.

        Raise ssl.SSLWantReadError.
        """
        self._received += self._incoming.read()
        data, self._received = self._received[:bytes_max], self._received[bytes_max:]
        if not data:
            self._wait()
        if buffer is None:
            return data
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: bytes) -> int:
        """Pass bytes on; return how many."""
        return self._outgoing.write(data)

    def pending(self) -> int:
        """Return how many bytes are there to read."""
        return len(self._received) + self._incoming.pending

    def unwrap(self) -> None:
        """Say goodbye: in the clear, the end of the stream says it."""


class Handshake(asyncio.Protocol):
    """Stands in for the program's protocol until both ends have greeted each other."""

    def __init__(
        self, transport: StreamTransport, context: TlsContext, server_hostname: str | None, done: asyncio.Future[None]
    ) -> None:
        """Greet. A `server_hostname` of None means the server's side."""
        self._tls = transport
        self._context = context
        self._server_hostname = server_hostname
        self._done = done
        self._received = b""
        self.rest = b""

    @property
    def _server_side(self) -> bool:
        return self._server_hostname is None

    def greet(self) -> None:
        """Say the client's hello."""
        self._tls.write(client_hello(self._server_hostname))

    def data_received(self, data: bytes) -> None:
        """Read the other end's hello."""
        self._received += data
        try:
            found = split_hello(self._received, CLIENT_HELLO if self._server_side else SERVER_HELLO)
            if found is not None:
                text, self.rest = found
                self._greeted(text)
        except ssl.SSLError as error:
            self._fail(error)

    def _greeted(self, text: str) -> None:
        transport = self._tls
        if self._server_side:
            names = tuple(sorted(transport.medium.names.names_of(transport.host)))
            transport.write(server_hello(names))
        else:
            names = tuple(text.split(","))
            check_certificate(self._context, self._server_hostname, names)
        tls_object = TlsObject(self._context, self._server_side, self._server_hostname, names)
        peercert, cipher = tls_object.getpeercert(), tls_object.cipher()
        transport.extra.update(ssl_object=tls_object, sslcontext=self._context, peercert=peercert, cipher=cipher)
        transport.pause_reading()
        if not self._done.done():
            self._done.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)
        self._tls.close()

    def eof_received(self) -> None:
        """The other end hung up."""
        self._fail(ConnectionResetError("the connection ended in the TLS handshake"))

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._fail(error or ConnectionResetError("the connection ended in the TLS handshake"))


async def shake_tls(
    transport: StreamTransport, context: TlsContext, server_hostname: str | None, timeout: float | None
) -> bytes:
    """Greet over a connection; afterwards it is paused, and what was received beyond the greeting is returned.

    Raise ssl.SSLError, ConnectionResetError, or ConnectionAbortedError when it takes too long.
    """
    loop = transport.medium.loop
    done = loop.create_future()
    handshake = Handshake(transport, context, server_hostname, done)
    transport.set_protocol(handshake)
    transport.told()
    if server_hostname is not None:
        handshake.greet()
    transport.resume_reading()
    seconds = HANDSHAKE_TIMEOUT_SECONDS if timeout is None else timeout
    try:
        async with asyncio.timeout(seconds):
            await done
    except TimeoutError:
        transport.abort()
        text = f"SSL handshake is taking longer than {seconds} seconds: aborting the connection"
        raise ConnectionAbortedError(text) from None
    except BaseException:
        transport.close()
        raise
    return handshake.rest


def take_over(
    transport: StreamTransport,
    protocol: asyncio.BaseProtocol,
    rest: bytes,
    made: asyncio.Future[None] | None,
    *,
    tell: bool,
) -> None:
    """Hand a greeted connection to its protocol, with what has come already. It runs as a step of the host."""
    transport.set_protocol(protocol)
    transport.told()
    try:
        if tell:
            protocol.connection_made(transport)
        if rest:
            transport.receive(rest)
    finally:
        transport.resume_reading()
        if made is not None and not made.done():
            made.set_result(None)

"""A TCP connection as asyncio sees it: a transport at each end, two pipes between them.

It behaves as asyncio's own socket transport on Linux does, down to what it leaves out: `abort` drops what is not on the
wire yet and closes, so the peer sees an end of stream, not a reset; a reset comes back when the socket is closed while
something is unread (or with SO_LINGER 0), and whenever a packet reaches a closed socket; who does not read and does not
write learns nothing.

Each callback of a protocol is a step of its own, in the context in which the connection or the server was made. A
transport never has two steps under way whose order matters, since a strategy may run them in any.
"""

from __future__ import annotations

import asyncio
import errno
from asyncio import transports
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from kelpie_sim.errors import HostDead
from kelpie_sim.incarnation import Incarnation
from kelpie_sim.world.network.faults import DELIVER, SEND
from kelpie_sim.world.network.harm import harm_delivery, harm_send
from kelpie_sim.world.network.laws import US
from kelpie_sim.world.network.medium import Medium
from kelpie_sim.world.network.pipes import EOF, RETRY_NS_MIN, Pipe
from kelpie_sim.world.network.sockets import Address, SimSocket, described

if TYPE_CHECKING:
    from kelpie_sim.world.network.listening import SimServer

# What is under way or unread in one direction; the rest waits in the sender's buffer.
WINDOW_BYTES = 65_536
# Longer writes may arrive in pieces by themselves.
SEGMENT_BYTES = 1_460
CUT_CHANCE = 0.5
SPLIT_GAP_NS = 1 * US


class StreamTransport(transports._FlowControlMixin):
    """One end of a connection. `extra` is what `get_extra_info` tells; `socket_closed`: the system has forgotten it."""

    __slots__ = (
        "__weakref__", "_backlog", "_backlog_bytes", "_broken", "_buffered", "_closing", "_conn_lost", "_connected",
        "_eof_received", "_eof_sent", "_paused", "_protocol", "_risky", "context", "extra", "host", "inward", "life",
        "medium", "outward", "serial", "server", "sock", "socket_closed",
    )  # fmt: skip

    _start_tls_compatible = True
    inward: Pipe
    outward: Pipe

    def __init__(
        self,
        medium: Medium,
        serial: int,
        host: str,
        life: Incarnation | None,
        context: Context,
        addresses: tuple[Address, Address],
    ) -> None:
        # The serial comes first: asyncio's server keeps its transports in a set.
        self.serial = serial
        self.sock = SimSocket(*addresses, readable=self._readable)
        self.extra = described(self.sock)
        super().__init__(self.extra, medium.loop)
        self.medium = medium
        self.host = host
        self.life = life
        self.context = context
        self.socket_closed = False
        self._protocol: Any = None
        self._buffered = False
        self._connected = False
        self.server: SimServer | None = None
        self._backlog = deque[bytes]()
        self._backlog_bytes = 0
        self._risky = DELIVER in medium.risky
        self._broken: OSError | None = None
        self._closing = False
        self._conn_lost = 0
        self._eof_received = False
        self._eof_sent = False
        self._paused = False

    def __hash__(self) -> int:
        return self.serial

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.sock.own} -> {self.sock.peer}{' closing' if self._closing else ''}>"

    @property
    def alive(self) -> bool:
        """Whether the host still lives the life in which this was made."""
        return self.life is None or self.life.alive

    def _check_alive(self) -> None:
        if self.life is not None and not self.life.alive:
            raise HostDead(f"host {self.host!r} is no longer in incarnation {self.life.number}")

    def _soon(self, callback: Callable[..., object], *args: object) -> None:
        self.medium.at(0, self.context, callback, *args)

    # --- made

    def begin(self, made: asyncio.Future[None] | None = None) -> None:
        """Tell the protocol that the connection is there, then start to read. It runs as a step of the host.

        Whoever gave up before that step is told nothing, now or at the end.
        """
        if self._closing:
            return
        self.told()
        try:
            self._protocol.connection_made(self)
        finally:
            if self.is_reading():
                self.inward.go_on()
            if made is not None and not made.done():
                made.set_result(None)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Set who gets the callbacks from here on."""
        self._protocol = protocol
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def told(self) -> None:
        """Take note that the protocol knows of the connection, and so is to hear of its end."""
        self._connected = True

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who gets the callbacks."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    # --- reading

    def is_reading(self) -> bool:
        """Say whether the protocol gets what arrives."""
        return not self._closing and not self._paused

    def pause_reading(self) -> None:
        """Leave what arrives where it is; the peer's window closes."""
        if self.is_reading():
            self._paused = True
            self.inward.stop()

    def resume_reading(self) -> None:
        """Take what arrives again."""
        self._check_alive()
        if self._paused and not self._closing:
            self._paused = False
            self.inward.go_on()
            if self._broken is not None:
                self._soon(self._read_broken)

    def _read_broken(self) -> None:
        if self._broken is not None and self.is_reading() and not self._conn_lost:
            self._fatal_error(self._broken, "Fatal read error on socket transport")

    def receive(self, data: bytes) -> None:
        """Something has arrived: bytes, or the end of the stream. It runs as a step of the host."""
        if self._risky and harm_delivery(self):
            return
        if not data:
            self._receive_eof()
        elif self._buffered:
            self._fill_buffers(data)
        else:
            try:
                self._protocol.data_received(data)
            except (SystemExit, KeyboardInterrupt, HostDead):
                raise
            except BaseException as error:
                self._fatal_error(error, "Fatal error: protocol.data_received() call failed.")

    def _fill_buffers(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._conn_lost:
            try:
                buffer = self._protocol.get_buffer(-1)
                if not len(buffer):
                    raise RuntimeError("get_buffer() returned an empty buffer")
                size = min(len(buffer), len(view))
                memoryview(buffer)[:size] = view[:size]
                self._protocol.buffer_updated(size)
            except (SystemExit, KeyboardInterrupt, HostDead):
                raise
            except BaseException as error:
                self._fatal_error(error, "Fatal error: a buffered protocol's call failed.")
                return
            view = view[size:]

    def _receive_eof(self) -> None:
        self._eof_received = True
        try:
            keep_open = self._protocol.eof_received()
        except (SystemExit, KeyboardInterrupt, HostDead):
            raise
        except BaseException as error:
            self._fatal_error(error, "Fatal error: protocol.eof_received() call failed.")
            return
        if not keep_open:
            self.close()

    def _readable(self) -> bool:
        return self._eof_received or self._broken is not None or self.inward.has_arrived()

    # --- writing

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait for the window to open."""
        return self._backlog_bytes

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes. Raise TypeError for what is not bytes, RuntimeError after `write_eof`, HostDead for the dead."""
        if type(data) is not bytes:
            data = _copied(data)
        if self._eof_sent:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data:
            return
        if self._conn_lost:
            self._conn_lost += 1
            return
        life = self.life
        if life is not None and not life.alive:
            self._check_alive()
        if self._broken is not None:
            self._fatal_error(self._broken, "Fatal write error on socket transport")
            return
        outward, size = self.outward, len(data)
        if self._backlog_bytes or outward.in_flight + size > WINDOW_BYTES:
            self._backlog.append(data)
            self._backlog_bytes += size
            self._flush()
            self._maybe_pause_protocol()  # type: ignore[attr-defined]  # The base class has it.
        elif size > SEGMENT_BYTES or outward.link.eventful:
            self._send(data)
        else:
            outward.put(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send several pieces as one."""
        self.write(b"".join(list_of_data))

    def _send(self, data: bytes) -> None:
        """Send what may meet a fault, be lost at first, or arrive in two pieces."""
        outward = self.outward
        if SEND in self.medium.risky and harm_send(self, data):
            return
        stream, law = outward.link.stream, outward.link.law
        if law.loss and stream.chance(law.loss):
            outward.put_late(data, RETRY_NS_MIN)
        elif len(data) > 1 and stream.chance(max(law.splitting, CUT_CHANCE if len(data) > SEGMENT_BYTES else 0)):
            cut = 1 + stream.below(len(data) - 1)
            outward.put(data[:cut])
            outward.part(SPLIT_GAP_NS)
            outward.put(data[cut:])
        else:
            outward.put(data)

    def _flush(self) -> None:
        """Send as much of the buffer as the window lets through."""
        backlog, outward = self._backlog, self.outward
        while backlog and (room := WINDOW_BYTES - outward.in_flight) > 0:
            data = backlog.popleft()
            if len(data) > room:
                backlog.appendleft(data[room:])
                data = data[:room]
            self._backlog_bytes -= len(data)
            self._send(data)
        outward.starved = bool(backlog)

    def window_opened(self) -> None:
        """The receiver has taken something. It runs as a step of the host."""
        if self._conn_lost:
            return
        self._flush()
        self._maybe_resume_protocol()  # type: ignore[attr-defined]
        if self._backlog:
            return
        if self._closing:
            self._conn_lost += 1
            self._connection_lost(None)
        elif self._eof_sent:
            self.outward.put(EOF)

    def can_write_eof(self) -> bool:
        """Say that half-closing works."""
        return True

    def write_eof(self) -> None:
        """Close the outward direction once all is sent."""
        self._check_alive()
        if self._closing or self._eof_sent:
            return
        self._eof_sent = True
        if not self._backlog and self._broken is None:
            self.outward.put(EOF)

    # --- the end

    def is_closing(self) -> bool:
        """Say whether it is closed or about to be; after the run everything is, so that finalizers keep quiet."""
        return self._closing or self.medium.loop._closed

    def close(self) -> None:
        """Stop reading, send what is left, then close."""
        if self._closing:
            return
        self._closing = True
        self.inward.stop()
        if not self._backlog:
            self._conn_lost += 1
            self._soon(self._connection_lost, None)

    def abort(self) -> None:
        """Close at once; what waits for the window is lost."""
        self._force_close(None)

    def _fatal_error(self, error: BaseException, message: str) -> None:
        if not isinstance(error, OSError):
            context = {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
            self.medium.loop.call_exception_handler(context)
        self._force_close(error)

    def _force_close(self, error: BaseException | None) -> None:
        if self._conn_lost:
            return
        self._backlog.clear()
        self._backlog_bytes = 0
        self.outward.starved = False
        if not self._closing:
            self._closing = True
            self.inward.stop()
        self._conn_lost += 1
        self._soon(self._connection_lost, error)

    def _connection_lost(self, error: BaseException | None) -> None:
        """Tell the protocol, then close the socket. It runs as a step of the host."""
        try:
            if self._connected:
                self._protocol.connection_lost(error)
        finally:
            self.close_socket()
            self._protocol = None
            server, self.server = self.server, None
            if server is not None:
                server.detach(self)

    def close_socket(self) -> None:
        """Do what the system does when a socket is closed: a reset if something was not read, else the end."""
        if self.socket_closed:
            return
        self.socket_closed = True
        reset = self.inward.has_arrived() and bool(self.inward.queue[0][2])
        self.sock.close()
        self.inward.close()
        if self._broken is None:
            if reset or self.sock.lingers_not():
                self.outward.reset()
            elif not self._eof_sent:
                self.outward.put(EOF)
        self.medium.forget(self)

    def turn_away(self) -> None:
        """Reset a connection that its program has never seen."""
        self.socket_closed = self._closing = True
        self.inward.close()
        self.outward.reset()
        self.medium.forget(self)

    def connection_broke(self, error: OSError) -> None:
        """A reset has come, or nobody answers any more. It runs as a step of the host."""
        if self.socket_closed or self._broken is not None:
            return
        self._broken = error
        self.inward.drop_all("reset")
        reads = self.is_reading() and not self._eof_received
        if self._eof_received and isinstance(error, ConnectionResetError):
            self._broken = BrokenPipeError(errno.EPIPE, "Broken pipe")
        if reads or self._backlog:
            self._fatal_error(self._broken, "Fatal error on socket transport")

    # --- the host's power

    def lose_power(self) -> None:
        """The host is gone, and says nothing to anybody."""
        self.outward.cut_short(self.outward.link.stream)
        self.inward.orphan()
        self.socket_closed = True


def _copied(data: object) -> bytes:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")

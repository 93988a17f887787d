"""Opening a connection: three packets, as TCP has them.

The first is sent again after 1, 2, 4, ... seconds while nobody answers, and given up after 127 seconds (ETIMEDOUT). A
machine that is up but where nobody listens refuses. The server's program learns of the connection by the third packet,
which is the first in the pipe towards it: so bytes can never overtake it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextvars import Context
from enum import Enum

from kelpie_sim.faults import Fault
from kelpie_sim.incarnation import Incarnation
from kelpie_sim.world.network.faults import (
    CONNECT,
    CONNECT_FAULTS,
    NetworkConnectFail,
    NetworkConnectTimeout,
    NetworkPacketLoss,
)
from kelpie_sim.world.network.harm import delay_ns, harm_link
from kelpie_sim.world.network.laws import MS
from kelpie_sim.world.network.links import Link
from kelpie_sim.world.network.listening import Doorman, ListeningSocket
from kelpie_sim.world.network.medium import Medium
from kelpie_sim.world.network.names import ANY_ADDRESSES, LOOPBACK_OF, family_of, is_loopback
from kelpie_sim.world.network.pipes import EOF, Pipe
from kelpie_sim.world.network.sockets import Address, sockaddr
from kelpie_sim.world.network.streams import StreamTransport

SECOND_NS = 1_000 * MS
SYN_WAITS_NS = tuple(SECOND_NS << attempt for attempt in range(7))


class Answer(Enum):
    """What a machine says to the first packet."""

    NONE = "nothing"
    ACCEPT = "tcp syn ack"
    REFUSE = "tcp refuse"


Listener = Callable[[], Answer]


async def open_stream(medium: Medium, target: Address, local: Address | None) -> StreamTransport:
    """Return the near end of a new connection; its protocol is still to be attached.

    Raise ConnectionRefusedError, TimeoutError, or OSError(EHOSTUNREACH) for an address that nobody has.
    """
    here, life, context = medium.here()
    medium.open_descriptor(None if life is None else life.host, "connect")
    if target[0] in ANY_ADDRESSES:
        target = sockaddr(LOOPBACK_OF[family_of(target[0])], target[1])
    there = medium.names.host_at(target[0], here)
    if there is None:
        raise OSError(errno.EHOSTUNREACH, f"Connect call failed {target!r}")

    found: ListeningSocket | None = None

    def listener() -> Answer:
        nonlocal found
        found = medium.listeners.find(there, target[0], target[1])
        if found is None or not found.answers():
            return Answer.REFUSE
        return Answer.NONE if found.is_full() else Answer.ACCEPT

    await shake_hands(medium, here, there, target, listener)
    assert found is not None, "an accepting answer has its listener"
    return _open(medium, (here, life, context), found, target, local)


def _open(
    medium: Medium,
    who: tuple[str, Incarnation | None, Context],
    listener: ListeningSocket,
    target: Address,
    local: Address | None,
) -> StreamTransport:
    """Make both ends, and send the packet that asks the server in."""
    here, life, context = who
    there = listener.host
    family = family_of(target[0])
    own_address, own_port = (None, None) if local is None else local[:2]
    if own_address is None or own_address in ANY_ADDRESSES:
        own_address = target[0] if is_loopback(target[0]) else medium.names.address_of(here, family)
    own = sockaddr(own_address, own_port or medium.free_port(here))
    peer = sockaddr(own[0] if here == there else medium.names.address_of(there, family), target[1])
    near = StreamTransport(medium, medium.next_serial(), here, life, context, (own, peer))
    far = StreamTransport(medium, medium.next_serial(), there, listener.life, listener.new_context(), (peer, own))
    _join(near, far)
    near.outward.receiver = Doorman(listener, far)
    far.inward.go_on()
    medium.remember(near)
    medium.remember(far)
    near.outward.put(EOF)
    return near


def _join(near: StreamTransport, far: StreamTransport) -> None:
    """Lay the pipes between two ends; neither reads yet."""
    medium = near.medium
    there, back = medium.link(near.host, far.host), medium.link(far.host, near.host)
    near.outward = far.inward = Pipe(medium, there, near, far, far.context, "tcp")
    far.outward = near.inward = Pipe(medium, back, far, near, near.context, "tcp")
    near.inward.stop()
    far.inward.stop()


async def shake_hands(medium: Medium, here: str, there: str, target: object, listener: Listener) -> None:
    """Send the first packet until it is answered, with a yes. Raise ConnectionRefusedError, TimeoutError."""
    out, back = medium.link(here, there), medium.link(there, here)
    fault = await _harm_connect(medium, out, target)
    for wait_ns in SYN_WAITS_NS:
        retry_at_ns = medium.loop.time_ns + wait_ns
        reached = not isinstance(fault, NetworkPacketLoss) and await _packet_passes(medium, out, "tcp syn")
        fault = None
        answer = listener() if reached and medium.is_up(there) else Answer.NONE
        if answer is not Answer.NONE and await _packet_passes(medium, back, answer.value):
            if answer is Answer.REFUSE:
                raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {target!r}")
            return
        await medium.until(max(retry_at_ns, medium.loop.time_ns))
    raise TimeoutError(errno.ETIMEDOUT, f"Connect call failed {target!r}")


async def _packet_passes(medium: Medium, link: Link, what: str) -> bool:
    packet = medium.sent(link, what, b"")
    await medium.until(link.arrival_ns(medium.loop.time_ns, 0))
    if not await medium.passes(link):
        medium.dropped(packet, "cut")
        return False
    medium.delivered(packet)
    return True


async def _harm_connect(medium: Medium, link: Link, target: object) -> Fault | None:
    """Act out the fault that strikes, if any; return it. Raise ConnectionRefusedError, TimeoutError."""
    verdict = None
    if CONNECT in medium.risky:
        verdict = medium.verdict(CONNECT, link.from_host, link.to_host, CONNECT_FAULTS)
    if verdict is None or harm_link(medium, link, verdict):
        return None
    verdict.fire()
    fault = verdict.fault
    if isinstance(fault, NetworkConnectFail):
        raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {target!r}")
    if isinstance(fault, NetworkConnectTimeout):
        await medium.until(medium.loop.time_ns + fault.timeout_ms * MS)
        raise TimeoutError(errno.ETIMEDOUT, f"Connect call failed {target!r}")
    if not isinstance(fault, NetworkPacketLoss):
        await medium.until(medium.loop.time_ns + delay_ns(fault, link))
    return fault

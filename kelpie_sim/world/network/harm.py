"""What the faults of the network do to what is sent and delivered, when one strikes.

Called only at operations at which a fault of this run could strike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kelpie_sim.faults import Fault, Verdict
from kelpie_sim.world.network.faults import (
    DELIVER,
    MESSAGE_FAULTS,
    SEND,
    STREAM_FAULTS,
    NetworkClog,
    NetworkDelay,
    NetworkDrip,
    NetworkJitter,
    NetworkPacketLoss,
    NetworkPartialDelivery,
    NetworkPartition,
    NetworkReset,
)
from kelpie_sim.world.network.laws import MS
from kelpie_sim.world.network.links import Link
from kelpie_sim.world.network.medium import Medium
from kelpie_sim.world.network.pipes import RETRY_NS_MIN, reset_error

if TYPE_CHECKING:
    from kelpie_sim.world.network.streams import StreamTransport

DRIP_PIECES_MAX = 256


def settle(verdict: Verdict, changed: bool) -> None:
    """Fire the fault if it changed something, else waive it."""
    if changed:
        verdict.fire()
    else:
        verdict.waive()


def harm_link(medium: Medium, link: Link, verdict: Verdict) -> bool:
    """Act out a fault on the link itself; say whether it was one of those."""
    fault, now_ns = verdict.fault, medium.loop.time_ns
    if isinstance(fault, NetworkPartition):
        links = [link] if fault.one_way else [link, medium.link(link.to_host, link.from_host)]
        settle(verdict, _cut(medium, links, now_ns + fault.duration_ms * MS))
    elif isinstance(fault, NetworkClog):
        until_ns = now_ns + fault.duration_ms * MS
        changes = link.from_host != link.to_host and link.stuck_until_ns < until_ns
        settle(verdict, changes)
        if changes:
            medium.clog(link, until_ns)
    else:
        return False
    return True


def _cut(medium: Medium, links: list[Link], until_ns: int) -> bool:
    changed = False
    for link in links:
        if link.from_host != link.to_host and not link.cut and link.cut_until_ns < until_ns:
            link.cut_for(until_ns)
            medium.trace.record("net cut", link.from_host, link.to_host, until_ns)
            changed = True
    return changed


def delay_ns(fault: Fault, link: Link) -> int:
    """Return how much later a packet comes because of a fault; 0 if it is none of those."""
    if isinstance(fault, NetworkDelay):
        return fault.delay_ms * MS
    if isinstance(fault, NetworkJitter):
        return link.stream.below(fault.jitter_ms_max + 1) * MS
    return RETRY_NS_MIN if isinstance(fault, NetworkPacketLoss) else 0


def harm_send(transport: StreamTransport, data: bytes) -> bool:
    """Ask whether a fault strikes at bytes that leave; say whether they are dealt with."""
    medium, pipe = transport.medium, transport.outward
    link = pipe.link
    applies = STREAM_FAULTS if len(data) > 1 else MESSAGE_FAULTS
    verdict = medium.verdict(SEND, link.from_host, link.to_host, applies)
    if verdict is None or harm_link(medium, link, verdict):
        return False
    fault = verdict.fault
    if isinstance(fault, NetworkReset):
        verdict.fire()
        pipe.reset()
        medium.at(0, transport.context, transport.connection_broke, reset_error())
    elif isinstance(fault, NetworkPartialDelivery):
        verdict.fire()
        cut = 1 + link.stream.below(len(data) - 1)
        pipe.put(data[:cut])
        pipe.part(fault.gap_ms * MS)
        pipe.put(data[cut:])
    elif isinstance(fault, NetworkDrip):
        settle(verdict, len(data) > fault.chunk_bytes)
        _drip(transport, data, fault)
    else:
        settle(verdict, pipe.put_late(data, delay_ns(fault, link)))
    return True


def _drip(transport: StreamTransport, data: bytes, fault: NetworkDrip) -> None:
    pieces = min(-(-len(data) // fault.chunk_bytes), DRIP_PIECES_MAX)
    size = -(-len(data) // pieces)
    for index in range(pieces):
        piece = data[index * size : (index + 1) * size]
        if piece:
            transport.outward.put(piece)
            transport.outward.part(fault.gap_ms * MS)


def harm_delivery(transport: StreamTransport) -> bool:
    """Ask whether a fault strikes at bytes that arrive; say whether they are lost."""
    link = transport.inward.link
    verdict = transport.medium.verdict(DELIVER, link.to_host, link.from_host, (NetworkReset,))
    if verdict is None:
        return False
    verdict.fire()
    transport.outward.reset()
    transport.connection_broke(reset_error())
    return True

"""What can go wrong on the network, and the operations at which it can.

resolve          a name is looked up
connect          a connection is asked for (TCP), or a first message is sent to a host (message level)
accept           a connection reaches its listener
send             a packet leaves: a piece of a TCP stream, a message
deliver          a packet arrives
datagram_send    a UDP datagram leaves

The host of an operation is the one that does it, the subject the one at the other end; for `resolve`, the name.
"""

import attrs

from kelpie_sim.faults import Fault

PORT = "network"
RESOLVE, CONNECT, ACCEPT, SEND, DELIVER, DATAGRAM_SEND = OPERATION_NAMES = (
    "resolve", "connect", "accept", "send", "deliver", "datagram_send",
)  # fmt: skip
OPERATIONS = frozenset(OPERATION_NAMES)


@attrs.frozen(kw_only=True)
class DnsFail(Fault):
    """The resolver has no answer for now (EAI_AGAIN). Acts on `resolve`."""

    port = PORT


@attrs.frozen(kw_only=True)
class DnsSlow(Fault):
    """The resolver takes `delay_ms`. Acts on `resolve`."""

    port = PORT
    delay_ms: int = 5_000


@attrs.frozen(kw_only=True)
class NetworkConnectFail(Fault):
    """The connection is refused, as if nobody listened. Acts on `connect`."""

    port = PORT


@attrs.frozen(kw_only=True)
class NetworkConnectTimeout(Fault):
    """Nobody answers, until the system gives up after `timeout_ms`. Acts on `connect`."""

    port = PORT
    timeout_ms: int = 127_000


@attrs.frozen(kw_only=True)
class NetworkConnectionExhaustion(Fault):
    """The server takes no more connections: the new one is reset before the program sees it. Acts on `accept`."""

    port = PORT


@attrs.frozen(kw_only=True)
class NetworkPartition(Fault):
    """The hosts at both ends cannot reach each other for `duration_ms`. Acts on `connect`, `send`, `datagram_send`."""

    port = PORT
    duration_ms: int = 10_000
    one_way: bool = False
    """Cut only the way that this packet would take."""


@attrs.frozen(kw_only=True)
class NetworkClog(Fault):
    """What leaves arrives, but not before `duration_ms` are over. Acts on `connect`, `send`, `datagram_send`."""

    port = PORT
    duration_ms: int = 5_000


@attrs.frozen(kw_only=True)
class NetworkPacketLoss(Fault):
    """A packet is lost. TCP sends it again after a while; a datagram is gone. Acts on `connect`, `send`,
    `datagram_send`."""

    port = PORT


@attrs.frozen(kw_only=True)
class NetworkDelay(Fault):
    """A packet takes `delay_ms` longer, and so does what follows on its connection. Acts on `connect`, `send`,
    `datagram_send`."""

    port = PORT
    delay_ms: int = 1_000


@attrs.frozen(kw_only=True)
class NetworkJitter(Fault):
    """A packet takes up to `jitter_ms_max` longer. Acts on `send` and `datagram_send`."""

    port = PORT
    jitter_ms_max: int = 100


@attrs.frozen(kw_only=True)
class NetworkReset(Fault):
    """The connection breaks: both ends learn it by a reset. Acts on `send` (the packet is lost too) and `deliver`."""

    port = PORT


@attrs.frozen(kw_only=True)
class NetworkPartialDelivery(Fault):
    """A write arrives in two pieces, the second `gap_ms` later. Acts on `send`, for TCP."""

    port = PORT
    gap_ms: int = 50


@attrs.frozen(kw_only=True)
class NetworkDrip(Fault):
    """A write arrives in pieces of `chunk_bytes`, `gap_ms` apart. Acts on `send`, for TCP."""

    port = PORT
    chunk_bytes: int = attrs.field(default=1, validator=attrs.validators.gt(0))
    gap_ms: int = 10


@attrs.frozen(kw_only=True)
class NetworkMessageDuplicate(Fault):
    """A datagram arrives twice. Acts on `datagram_send`."""

    port = PORT


@attrs.frozen(kw_only=True)
class NetworkMessageReorder(Fault):
    """A datagram is held back for up to `delay_ms_max`, so that later ones overtake it. Acts on `datagram_send`."""

    port = PORT
    delay_ms_max: int = 100


@attrs.frozen(kw_only=True)
class NetworkPacketCorruption(Fault):
    """A datagram arrives with a bit flipped. TCP would see that by its checksums. Acts on `datagram_send`."""

    port = PORT


CONNECT_FAULTS = (
    NetworkConnectFail, NetworkConnectTimeout, NetworkPartition, NetworkClog, NetworkPacketLoss, NetworkDelay,
)  # fmt: skip
MESSAGE_FAULTS = (
    NetworkPartition, NetworkClog, NetworkPacketLoss, NetworkDelay, NetworkJitter, NetworkReset,
)  # fmt: skip
STREAM_FAULTS = (*MESSAGE_FAULTS, NetworkPartialDelivery, NetworkDrip)
DATAGRAM_FAULTS = (
    NetworkPartition, NetworkClog, NetworkPacketLoss, NetworkDelay, NetworkJitter, NetworkMessageDuplicate,
    NetworkMessageReorder, NetworkPacketCorruption,
)  # fmt: skip
EMPTY_DATAGRAM_FAULTS = tuple(kind for kind in DATAGRAM_FAULTS if kind is not NetworkPacketCorruption)

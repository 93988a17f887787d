"""The fault kinds of the network."""

import pytest

from kelpie_sim.errors import UnknownOperation
from kelpie_sim.faults import Fault, FaultBoard
from kelpie_sim.seed import Streams
from kelpie_sim.trace import Trace
from kelpie_sim.world.network import OPERATIONS, PORT, faults

KINDS = tuple(kind for kind in vars(faults).values() if isinstance(kind, type) and issubclass(kind, Fault))


def test_every_kind_acts_somewhere():
    """Each kind belongs to the port, and to the list of at least one place that acts it out."""
    named = {kind for kind in KINDS if kind is not Fault}
    places = {
        *faults.CONNECT_FAULTS, *faults.STREAM_FAULTS, *faults.MESSAGE_FAULTS, *faults.DATAGRAM_FAULTS,
        faults.DnsFail, faults.DnsSlow, faults.NetworkConnectionExhaustion,
    }  # fmt: skip
    assert (named, {PORT}) == (places, {kind.port for kind in named})


def test_operations():
    """The operations are those that a filter may name; another name is refused."""
    assert {"resolve", "connect", "accept", "send", "deliver", "datagram_send"} == OPERATIONS
    with pytest.raises(UnknownOperation, match="known are accept"):
        FaultBoard((faults.NetworkDelay(on="sned"),), {PORT: OPERATIONS}, Streams(1), lambda: 0, Trace())


def test_drip_of_nothing_is_refused():
    """A drip needs at least a byte per piece."""
    with pytest.raises(ValueError, match="chunk_bytes"):
        faults.NetworkDrip(chunk_bytes=0)

"""The list of faults. That each bites is in tests/test_faults_bite.py."""

import inspect

from kelpie_core.records import COMMIT, STORE_OPERATIONS
from kelpie_sim.agents import faults
from kelpie_sim.agents.faults import MODEL, OPERATIONS, STORE, TOOL
from kelpie_sim.agents.scenarios.common import rare_faults
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.seed import Streams

KINDS = [
    kind for kind in vars(faults).values() if inspect.isclass(kind) and issubclass(kind, Fault) and kind is not Fault
]


def test_every_kind_belongs_to_a_port():
    """Each kind of fault names a port that declares its operations, says what it does, and has its own name."""
    assert {STORE, MODEL, TOOL} == {kind.port for kind in KINDS} == set(OPERATIONS)
    assert [kind.__name__ for kind in KINDS] == [kind.kind for kind in KINDS]
    assert all(inspect.getdoc(kind) for kind in KINDS)


def test_operations_of_the_store_come_from_the_records():
    """What a filter of the store can name is what the stored tables declare, and the commit."""
    assert STORE_OPERATIONS is OPERATIONS[STORE]
    assert COMMIT in OPERATIONS[STORE]


def test_swarm_knows_every_kind():
    """The faults that most scenarios draw from hold every kind there is: none is forgotten."""
    drawn = rare_faults(Swarm(Streams(1).stream("options")))
    assert set(KINDS) == {type(fault) for fault in drawn}

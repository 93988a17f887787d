"""The kinds of the disk's faults."""

from kelpie_sim.faults import Fault
from kelpie_sim.simulation import ENGINE_OPERATIONS
from kelpie_sim.world.disk import faults as f

KINDS = [kind for kind in vars(f).values() if isinstance(kind, type) and issubclass(kind, Fault)]


def test_any_scenario_may_name_them():
    """The operations of the disk are among those that every scenario knows."""
    assert f.OPERATIONS == ENGINE_OPERATIONS[f.PORT]


def test_all_are_of_the_port():
    """Every kind acts on the port of the disks and bears their name."""
    kinds = [kind for kind in KINDS if kind not in (Fault, f.DiskFault)]
    assert [(f.PORT, True)] * 15 == [(kind.port, kind.__name__.startswith("Disk")) for kind in kinds]


def test_which_ones_hurt():
    """The atlas is asked for harm that lasts, and for no other."""
    lasting = [f.DiskReadFail(lasting=True), f.DiskCorruption(place="medium"), f.DiskLostWrite()]
    passing = [f.DiskReadFail(), f.DiskCorruption(), f.DiskWriteFail(), f.DiskTornWrite()]
    found = [fault.hurts for fault in (*lasting, f.DiskMisdirectedWrite(), *passing)]
    assert [True] * 4 + [False] * 4 == found

"""The export of a long history whose k-th read fails, for each k: the whole document or an error, never a part."""

import pytest

from kelpie_core.errors import StoreError
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.audit import audit
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import ServerGone
from kelpie_sim.agents.documents import normalized, same
from kelpie_sim.agents.scenarios.common import cluster_of
from kelpie_sim.agents.scenarios.transfers import PLAIN, exported
from kelpie_sim.simulation import World
from tests.stories.sweeping import ends, story, swept
from tests.stories.test_import import CHUNKED

WHOLE, REFUSED = "whole", "refused"
# How often an export of 642 messages reads them at least: where its history ends, and two pages.
MESSAGE_READS, MESSAGE_SCANS = 3, 2


async def _export(world: World) -> None:
    world.faults.active = False
    cluster = cluster_of(world)
    client = Client(cluster, "client")
    (agent_id,) = await client.until_done(lambda kelpie: kelpie.transfer.import_file(CHUNKED.data, PLAIN))
    world.faults.active = True
    try:
        document = await cluster.server.call(lambda kelpie: exported(kelpie, agent_id))
    except (StoreError, ServerGone):
        world.sometimes.hit(REFUSED)
    else:
        world.sometimes.hit(WHOLE)
        world.check(same(normalized(CHUNKED.data), normalized(document)), "export: a part passed for the whole")
    world.heal()
    again = await client.until_done(lambda kelpie: exported(kelpie, agent_id))
    world.check(same(normalized(CHUNKED.data), normalized(again)), "export: it is not whole after the harm")
    await audit(cluster)


EXPORT = story("export", _export, WHOLE, REFUSED)


@pytest.mark.parametrize(
    ("operation", "floor"), [("message_read", MESSAGE_READS), ("message_scan", MESSAGE_SCANS), ("agent_read", 3)]
)
def test_read_that_fails_once_is_made_up_for(operation, floor):
    """Wherever one read fails, it is made again, and the document is whole."""
    outcomes = swept(EXPORT, f.StorageReadFail(on=operation))
    assert len(outcomes) >= floor
    assert [WHOLE] * len(outcomes) == ends(outcomes)


@pytest.mark.parametrize(
    ("operation", "floor"), [("message_read", MESSAGE_READS), ("message_scan", MESSAGE_SCANS), ("agent_read", 3)]
)
def test_read_that_fails_for_good_is_told(operation, floor):
    """Wherever reads begin to fail for good, the export ends with an error, however much of it was there before."""
    outcomes = swept(EXPORT, f.StorageReadFail(on=operation), persistent=True)
    assert len(outcomes) >= floor
    assert [REFUSED] * len(outcomes) == ends(outcomes)


def test_crash_in_an_export_is_told():
    """Wherever power is lost in an export, the caller hears of it, and nothing is changed by it."""
    outcomes = swept(EXPORT, f.CrashBeforeCommit(on="commit"))
    assert len(outcomes) >= MESSAGE_READS
    assert [REFUSED] * len(outcomes) == ends(outcomes)

"""Power is lost at every point of a streamed turn: its listener hears of it, and the turn is taken up and ended.

That the input is there if it was told, no tool call is left open, no run left running and no tool took effect twice is
for the audit at the end of each run.
"""

import pytest

from kelpie_sim.agents import faults as f
from kelpie_sim.agents.audit import audit
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.scenarios.turns import TURN
from kelpie_sim.simulation import World
from tests.stories.sweeping import BROKE, DONE, FAILED, STREAMED_TURN, ends, matching, peaceful, story, strikes, swept

CRASHES_SECONDS = 100
# fault, how many places such a turn has for it at least
CRASHES = (
    (f.CrashBeforeCommit(on="commit"), 15),
    (f.CrashAfterCommit(on="commit"), 15),
    (f.LlmCrash(on=f.MODEL_CALL), 3),
    (f.LlmCrash(on=f.MODEL_CHUNK), 14),
    (f.ToolCrash(), 2),
)


async def _crashing_on(world: World) -> None:
    cluster, agent_id = await peaceful(world)
    await Client(cluster, "client").stream(agent_id, "m1", TURN, tokens=True)
    await world.sleep(CRASHES_SECONDS)
    await audit(cluster)


@pytest.mark.parametrize(("fault", "floor"), CRASHES, ids=lambda value: getattr(value, "kind", None))
def test_crash_is_recovered_from(fault, floor):
    """Wherever power is lost once, the listener hears of it and the turn comes to its end after the restart."""
    outcomes = swept(STREAMED_TURN, fault)
    assert len(outcomes) >= floor
    assert [BROKE] * len(outcomes) == ends(outcomes)
    assert [1] * len(outcomes) == strikes(outcomes)


@pytest.mark.parametrize("kind", [f.CrashBeforeCommit, f.CrashAfterCommit], ids=lambda kind: kind.__name__)
def test_crash_after_crash_is_recovered_from(kind):
    """Whenever the crashes begin, and however many follow, the turn comes to its end when they stop."""
    outcomes = swept(story("crashing-on", _crashing_on), kind(on="commit"), persistent=True)
    assert max(strikes(outcomes)) > 2


def test_model_cut_short_at_each_piece():
    """Where the model's stream is cut before anybody heard a piece it is asked again, elsewhere the turn has failed."""
    outcomes = swept(STREAMED_TURN, f.LlmStreamCut(on=f.MODEL_CHUNK))
    assert len(outcomes) >= 14
    assert [DONE] * matching(STREAMED_TURN, f.LlmCrash(on=f.MODEL_CALL)) == [
        end for end in ends(outcomes) if end != FAILED
    ]

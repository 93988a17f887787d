"""The scenarios of Kelpie, each with faults on and off, each checking content and read-back.

common.py        how a cluster is set up, and faults by rate
turns.py         a turn whose persistence fails, whose host crashes, whose model or tool fails; cancelling; busy agents
sharing.py       many agents at once, one block shared by four
resources.py     create, update, delete with read-back and no resurrection
transfers.py     import and export of agent files, whole or not at all
deletion.py      deleting what is at work
disk.py          the store on a disk that fails and loses power
edge.py          the same through the HTTP app
whole_stack.py   the SDK over the network to the server; only where the SDK is installed
mixed.py         everything at once, options drawn by the seed
"""

from importlib.util import find_spec

from kelpie_sim.agents.scenarios import deletion, disk, edge, mixed, resources, sharing, transfers, turns
from kelpie_sim.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *transfers.SCENARIOS,
    *turns.SCENARIOS,
    *sharing.SCENARIOS,
    *resources.SCENARIOS,
    *deletion.SCENARIOS,
    *disk.SCENARIOS,
    *edge.SCENARIOS,
    *mixed.SCENARIOS,
)
if find_spec("letta_client") is not None:
    from kelpie_sim.agents.scenarios import whole_stack

    SCENARIOS += whole_stack.SCENARIOS

"""The scenarios of Kelpie, each with faults on and off, each checking content and read-back.

common.py        how a cluster is set up, and faults by rate
turns.py         a turn whose persistence fails, whose host crashes, whose model or tool fails; cancelling; busy agents
sharing.py       many agents at once, one block shared by four
resources.py     create, update, delete with read-back and no resurrection
transfers.py     import and export of agent files, whole or not at all
deletion.py      deleting what is at work
edge.py          the same through the HTTP app
mixed.py         everything at once, options drawn by the seed
"""

from kelpie_sim.agents.scenarios import deletion, edge, mixed, resources, sharing, transfers, turns
from kelpie_sim.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *transfers.SCENARIOS,
    *turns.SCENARIOS,
    *sharing.SCENARIOS,
    *resources.SCENARIOS,
    *deletion.SCENARIOS,
    *edge.SCENARIOS,
    *mixed.SCENARIOS,
)

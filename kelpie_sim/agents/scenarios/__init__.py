"""The scenarios of Kelpie, each with faults on and off, each checking content and read-back.

common.py        how a cluster is set up, and faults by rate
turns.py         a turn whose persistence fails, whose host crashes, whose model or tool fails; cancelling; busy agents
approvals.py     calls that wait for approval, client-side tools, cancelling what waits
sandboxes.py     tools whose sandbox fails, and tools that change their agent
tool_rules.py    tool rules, agent types, tool calls beside each other
sharing.py       many agents at once, one block shared by four
threads.py       conversations, forks, resets, turns in the background
streams.py       background runs whose listeners are cut off
resources.py     create, update, delete with read-back and no resurrection
paging.py        lists that are walked while they change
transfers.py     import and export of agent files, whole or not at all
deletion.py      deleting what is at work
disk.py          the store on a disk that fails and loses power
client_tools.py  a client that runs the tools itself, over HTTP
edge.py          the same through the HTTP app
idempotency.py   requests that are sent again under their key
model_endpoint.py  turns whose models are asked over the network; only where the providers' SDKs are installed
whole_stack.py   the SDK over the network to the server; only where the SDK is installed
mixed.py         everything at once, options drawn by the seed
"""

from importlib.util import find_spec

from kelpie_sim.agents.scenarios import (
    approvals,
    client_tools,
    deletion,
    disk,
    edge,
    idempotency,
    mixed,
    paging,
    resources,
    sandboxes,
    sharing,
    streams,
    threads,
    tool_rules,
    transfers,
    turns,
)
from kelpie_sim.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *transfers.SCENARIOS,
    *turns.SCENARIOS,
    *approvals.SCENARIOS,
    *tool_rules.SCENARIOS,
    *sandboxes.SCENARIOS,
    *sharing.SCENARIOS,
    *threads.SCENARIOS,
    *streams.SCENARIOS,
    *resources.SCENARIOS,
    *paging.SCENARIOS,
    *deletion.SCENARIOS,
    *disk.SCENARIOS,
    *client_tools.SCENARIOS,
    *edge.SCENARIOS,
    *idempotency.SCENARIOS,
    *mixed.SCENARIOS,
)
if find_spec("openai") is not None and find_spec("anthropic") is not None:
    from kelpie_sim.agents.scenarios import model_endpoint

    SCENARIOS += model_endpoint.SCENARIOS
if find_spec("letta_client") is not None:
    from kelpie_sim.agents.scenarios import whole_stack

    SCENARIOS += whole_stack.SCENARIOS

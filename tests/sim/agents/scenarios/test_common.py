"""What scenarios share: agents, scripts, and setting up whatever the faults do."""

import json

from kelpie_core.service.drafts import AgentDraft
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import Cluster
from kelpie_sim.agents.scenarios.common import (
    MEMORY_TOOL_NAMES,
    TOOL_NAMES,
    call,
    cluster_of,
    create_once,
    faults_sometimes,
    model_faults,
    rare_faults,
    scripts,
    set_up,
)
from kelpie_sim.options import Swarm
from kelpie_sim.seed import Streams
from tests.sim.agents.worlds import result_of

SEEDS = 200


def swarm(seed):
    """Return the swarm of a seed."""
    return Swarm(Streams(seed).stream("options"))


def test_agents_are_set_up():
    """Each agent has its block, the memory tools and the scripted ones."""

    async def program(world):
        cluster = cluster_of(world, servers=2)
        agents = await set_up(cluster, ("Ada", "Bo"))
        state = await cluster.server.call(lambda kelpie: kelpie.agents.state(agents[1].id))
        return (
            len(cluster.servers),
            [agent.name for agent in agents],
            {tool.name for tool in state.tools},
            [block.label for block in state.blocks],
        )

    wanted = (2, ["Ada", "Bo"], {*MEMORY_TOOL_NAMES, *TOOL_NAMES}, ["human"])
    assert wanted == result_of(program)


def test_agent_is_created_once_although_nobody_knew():
    """When a creation is left in doubt the agent is looked for before the next try."""

    async def program(world):
        cluster = Cluster(world)
        client = Client(cluster, "setup")
        agent = await create_once(client, AgentDraft(name="Ada"))
        found = await client.until_done(lambda kelpie: kelpie.agents.list())
        return [agent.id] == [each.id for each in found]

    for fault in (f.LostAcknowledgement(on="commit", max_triggers=5), f.CrashAfterCommit(on="commit", max_triggers=1)):
        assert result_of(program, fault) is True


def test_script_bears_its_mark():
    """Each thing that a script does bears the mark, so that what became of it can be found; scripts differ."""
    stream = Streams(1).stream("workload")
    made = [scripts(stream, f"m{number}") for number in range(SEEDS)]
    assert all(script.endswith(f"say m{number} is done now") for number, script in enumerate(made))
    notes = [line for number, script in enumerate(made) for line in script.split("\n") if "note" in line]
    assert len(set(notes)) == len(notes) > SEEDS // 10


def test_call_is_one_of_the_script():
    """A call is its name and its arguments as JSON."""
    name, _, arguments = call("look", text='a "b"').partition(" ")
    assert ("look", {"text": 'a "b"'}) == (name, json.loads(arguments))


def test_faults_are_off_and_on():
    """Over seeds each kind of fault is off in some and on in others; none is ever sure, so none has to fire."""
    drawn = [rare_faults(swarm(seed)) for seed in range(SEEDS)]
    for rates in zip(*([fault.probability for fault in faults] for faults in drawn), strict=True):
        assert 0 == min(rates)
        assert 0 < max(rates) < 1


def test_model_faults_are_among_them():
    """The faults of the model are those of the rare ones."""
    kinds = {type(fault) for fault in model_faults(swarm(1))}
    assert kinds == {type(fault) for fault in rare_faults(swarm(1)) if fault.port == f.MODEL}


def test_peace_is_drawn_too():
    """Some runs have no faults at all, and how many is for the scenario to say."""
    assert [()] * SEEDS == [faults_sometimes(swarm(seed), 0.0) for seed in range(SEEDS)]
    assert SEEDS == sum(bool(faults_sometimes(swarm(seed), 1.0)) for seed in range(SEEDS))
    assert 100 < sum(bool(faults_sometimes(swarm(seed))) for seed in range(SEEDS)) < SEEDS

"""Tool rules, agent types and calls beside each other, whatever fails meanwhile.

tool-rules        an agent under drawn rules, a model that does not care: what ran is held against the rules
agent-types       every type of agent, one turn after another
memory-files      an agent that makes, renames and drops its own blocks: each as often as it was told
parallel-tools    calls that run beside each other: cut short by crashes and cancels, each answered and run once

The rules are checked anew here, on the stored messages: which calls were made, in which order, and how the turn ended.
"""

import asyncio
import itertools
from collections.abc import Iterable

import attrs

from kelpie_core.errors import CallerError, StoreError
from kelpie_core.json_types import JsonObject
from kelpie_core.model.agent import AgentType
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import RunStatus
from kelpie_core.model.tool import ToolStatus
from kelpie_core.model.turn import StopReason
from kelpie_core.records import RUNS
from kelpie_sim.agents.audit import audit, history_of, records_of
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import Cluster, ServerGone
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.scenarios.common import agent_draft, call, create_once, faults_sometimes, scripts, set_up
from kelpie_sim.agents.scenarios.turns import crashes
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Stream
from kelpie_sim.simulation import World

REFUSAL, BROKEN_OFF = "tool rule violated", "before this call returned"
ORDER: dict[str, JsonObject] = {
    "first": {"type": "run_first", "tool_name": "look"},
    "child": {"type": "constrain_child_tools", "tool_name": "look", "children": ["note", "shout"]},
    "parent": {"type": "parent_last_tool", "tool_name": "look", "children": ["note"]},
    "branch": {"type": "conditional", "tool_name": "note", "child_output_mapping": {"noted": "look"}},
    "once": {"type": "max_count_per_step", "tool_name": "note", "max_count_limit": 1},
}
ENDS: dict[str, JsonObject] = {
    "exit": {"type": "exit_loop", "tool_name": "shout"},
    "required": {"type": "required_before_exit", "tool_name": "look"},
}
TYPES = (
    AgentType.MEMGPT, AgentType.MEMGPT_V2, AgentType.LETTA_V1, AgentType.REACT, AgentType.WORKFLOW,
    AgentType.SLEEPTIME,
)  # fmt: skip


async def _tool_rules(world: World) -> None:
    cluster, stream = Cluster(world), world.streams.stream("workload")
    await set_up(cluster, ())
    chosen = {name: rule for name, rule in {**ORDER, **ENDS}.items() if stream.chance(0.4)}
    draft = attrs.evolve(agent_draft("Ada"), tool_rules=tuple(chosen.values()))
    agent = await create_once(Client(cluster, "setup"), draft)
    for n in range(stream.between(1, 3)):
        await Client(cluster, "client").send(agent.id, f"m{n}", _careless(stream, f"m{n}"), wait=120)
    await audit(cluster)
    messages = await Client(cluster, "reader").until_done(lambda kelpie: history_of(kelpie, agent.id))
    reasons = {run.id: run.stop_reason for run in await records_of(cluster, RUNS)}
    for run_id, reason in reasons.items():
        _check_rules(world, chosen, [message for message in messages if message.run_id == run_id], reason)


def _careless(stream: Stream, mark: str) -> str:
    """Return a script that calls whatever it likes."""

    def some(n: int) -> str:
        kind = stream.pick(("look", "note", "shout", "look"))
        return call(kind, times=3) if kind == "shout" else call(kind, text=f"{mark}-{n}")

    calls = [some(n) for n in range(stream.between(1, 6))]
    lines = [f"call {' & '.join(calls[n : n + 2])}" for n in range(0, len(calls), 2)]
    return "\n".join((*lines, f"say {mark} is done now"))


def _made(messages: Iterable[Message]) -> list[tuple[str, str, str]]:
    """Return the calls that were made, in order: step, name, and what they gave; refused ones were not made."""
    calls: dict[tuple[str | None, str | None], str] = {}
    made: list[tuple[str, str, str]] = []
    for message in messages:
        calls |= {(message.step_id, one.id): one.name for one in message.tool_calls}
        for given in message.tool_returns:
            text = given.text or ""
            if not text.startswith(REFUSAL) and not text.endswith(BROKEN_OFF):
                made.append((message.step_id or "", calls[message.step_id, given.tool_call_id], text))
    return made


def _check_rules(
    world: World, chosen: dict[str, JsonObject], messages: list[Message], reason: StopReason | None
) -> None:
    """Check a run's calls against the rules."""
    made = _made(messages)
    names = [name for _, name, _ in made]
    pairs = list(itertools.pairwise(made))
    held = {
        "first": names[:1] in ([], ["look"]),
        "child": all(after[1] in ("note", "shout") for before, after in pairs if before[1] == "look"),
        "parent": all(name != "note" or (n > 0 and names[n - 1] == "look") for n, name in enumerate(names))
        and all(after[1] == "note" for before, after in pairs if before[1] == "look"),
        "branch": all(after[1] == "look" for before, after in pairs if before[1:] == ("note", "noted")),
        "once": names.count("note") <= 1,
        "required": reason not in (StopReason.END_TURN, StopReason.TOOL_RULE) or "look" in names,
        "exit": reason is not StopReason.TOOL_RULE or "shout" in names,
    }
    for name in chosen:
        world.check(held[name], f"rules: {name} was not obeyed")
        world.sometimes.hit(name)
    if "exit" in chosen and "required" not in chosen and "shout" in names:
        last = [message.step_id for message in messages if message.role is Role.ASSISTANT][-1:]
        world.check(last == [next(step for step, name, _ in made if name == "shout")], "rules: exit was not obeyed")


async def _agent_types(world: World) -> None:
    cluster, stream = Cluster(world), world.streams.stream("workload")
    await set_up(cluster, ())
    agent_type = stream.pick(TYPES)
    agent = await create_once(
        Client(cluster, "setup"), attrs.evolve(agent_draft("Ada"), agent_type=agent_type, tool_rules=())
    )
    world.sometimes.hit(agent_type.value)
    for n in range(stream.between(1, 3)):
        op = await Client(cluster, "client").send(agent.id, f"m{n}", scripts(stream, f"m{n}"), wait=120)
        speaks = agent_type in (AgentType.MEMGPT, AgentType.MEMGPT_V2)
        if op.outcome == "ok" and not op.result["failed"] and speaks:
            reasons = (StopReason.NO_TOOL_CALL, StopReason.END_TURN)
            world.check(op.result["reason"] in reasons, "types: a turn that speaks by calls ended otherwise")
    await audit(cluster)


async def _memory_files(world: World) -> None:
    cluster, stream = Cluster(world), world.streams.stream("workload")
    await set_up(cluster, ())
    draft = attrs.evolve(agent_draft("Ada"), tool_names=("memory",), blocks=())
    agent = await create_once(Client(cluster, "setup"), draft)
    client = Client(cluster, "client")
    for n in range(stream.between(1, 3)):
        calls = [_memory_call(stream) for _ in range(stream.between(1, 4))]
        lines = [f"call {' & '.join(calls[n : n + 2])}" for n in range(0, len(calls), 2)]
        await client.send(agent.id, f"m{n}", "\n".join((*lines, f"say m{n} is done now")), wait=120)
    await audit(cluster)
    messages = await client.until_done(lambda kelpie: history_of(kelpie, agent.id))
    blocks = await client.until_done(lambda kelpie: kelpie.agents.blocks(agent.id))
    world.check(sorted(_labels(messages)) == sorted(b.label for b in blocks), "memory: the blocks are not as told")
    world.sometimes.hit("blocks" if blocks else "no block")


def _memory_call(stream: Stream) -> str:
    path, other = stream.pick(("a", "b")), stream.pick(("b", "c"))
    return stream.pick(
        (
            call("memory", command="create", path=path, file_text="x"),
            call("memory", command="rename", old_path=path, new_path=other),
            call("memory", command="delete", path=path),
        )
    )


def _labels(messages: Iterable[Message]) -> list[str]:
    """Return the labels that an agent's blocks must have by what its tool reported."""
    labels: list[str] = []
    for given in (one for message in messages for one in message.tool_returns if one.status is ToolStatus.SUCCESS):
        match (given.text or "").replace("'", "").rstrip(".").split():
            case ["Created", label]:
                labels.append(label)
            case ["Deleted", label]:
                labels.remove(label)
            case ["Renamed", old, "to", new]:
                labels[labels.index(old)] = new
    return labels


async def _parallel_tools(world: World) -> None:
    cluster, stream = Cluster(world, servers=2), world.streams.stream("workload")
    (agent,) = await set_up(cluster, ("Ada",))
    digs = [call("dig", text=f"d{n}") for n in range(stream.between(2, 5))]
    others = stream.pick(((), (call("look", text="l"),), (call("core_memory_append", label="human", content="m"),)))
    script = f"call {' & '.join((*digs, *others, call('dig', text='last')))}\nsay all done"
    client = Client(cluster, "client")
    sending = asyncio.ensure_future(client.stream(agent.id, "m1", script, wait=60, tokens=stream.chance(0.5)))
    if stream.chance(0.5):
        await asyncio.sleep(stream.between(0, 80) / 1_000)
        try:
            await stream.pick(cluster.servers).call(lambda kelpie: kelpie.messages.cancel(agent.id))
        except (StoreError, CallerError, ServerGone) as error:
            world.story(f"cancel: {type(error).__name__}")
    await sending
    await audit(cluster)
    for run in await records_of(cluster, RUNS):
        world.sometimes.hit(f"run {run.status}" if run.status is not RunStatus.FAILED else "run failed")


_PLAIN = Scenario(
    name="tool-rules",
    run=_tool_rules,
    operations=OPERATIONS,
    faults=faults_sometimes,
    seeds=200,
    sometimes=(*ORDER, *ENDS),
    doc="Rules of every kind, held against what was called.",
)
SCENARIOS = (
    _PLAIN,
    attrs.evolve(_PLAIN, name="agent-types", run=_agent_types, sometimes=tuple(kind.value for kind in TYPES)),
    attrs.evolve(_PLAIN, name="memory-files", run=_memory_files, sometimes=("blocks", "no block")),
    attrs.evolve(
        _PLAIN,
        name="parallel-tools",
        run=_parallel_tools,
        faults=crashes,
        sometimes=("run completed", "run cancelled"),
    ),
)

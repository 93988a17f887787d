"""Sweeps: what is to vanish vanishes in bounded pieces, once, and not before its time."""

import asyncio
import datetime as dt

from kelpie_core.limits import SWEEP_CHUNK_RECORDS
from kelpie_core.model.message import Message, Role
from kelpie_core.model.sweep import Sweep
from kelpie_core.records import MESSAGES, SWEEPS
from kelpie_core.service.sweeps import run_due_sweeps, run_sweep
from tests.house import Deed, House, calm_outcome, everything, house, outcomes, said
from tests.twins import NOON, Harm, virtual

SWEEP = Sweep(id="sweep-1", agent_ids=("a", "b"), due_at=NOON)


async def filled(home: House, *sweeps: Sweep, messages: int = 3) -> None:
    """Store messages of the agents a and b and of another one, and the sweeps."""
    for agent_id in ("a", "aa", "b"):
        for first in range(0, messages, SWEEP_CHUNK_RECORDS):
            async with home.memory.transaction() as tx:
                for seq in range(first, min(first + SWEEP_CHUNK_RECORDS, messages)):
                    key = f"{agent_id}{seq}"
                    message = Message(id=key, agent_id=agent_id, seq=seq, role=Role.USER, created_at=NOON)
                    await tx.put(MESSAGES, message)
    async with home.memory.transaction() as tx:
        for sweep in sweeps:
            await tx.put(SWEEPS, sweep)


async def left(home: House) -> tuple[dict[str, int], int]:
    """Return how many messages each agent has left, and how many sweeps."""
    found = await everything(home.memory)
    agents = [message.agent_id for message in found.get("messages", [])]  # type: ignore[attr-defined]
    return {agent_id: agents.count(agent_id) for agent_id in dict.fromkeys(agents)}, len(found.get("sweeps", []))


@virtual
async def test_sweep_takes_what_it_names() -> None:
    """All of its agents' records go, and then the sweep itself; a name that begins alike stays."""
    home = house()
    await filled(home, SWEEP)
    await run_sweep(home.ports(), SWEEP)
    assert ({"aa": 3}, 0) == await left(home)


@virtual
async def test_sweep_works_in_pieces() -> None:
    """A transaction deletes at most so many records: claim, pieces, end, each a commit of its own."""
    home = house()
    one = Sweep(id="sweep-1", agent_ids=("a",), due_at=NOON)
    await filled(home, one, messages=SWEEP_CHUNK_RECORDS)
    home.store.arm(None)
    await run_sweep(home.ports(home.store), one)
    assert 1 + (1 + 1 + 2 + 1 + 1) + 1 == home.store.commits
    assert ({"aa": SWEEP_CHUNK_RECORDS, "b": SWEEP_CHUNK_RECORDS}, 0) == await left(home)


@virtual
async def test_due_sweeps_are_done() -> None:
    """What is due is done, all of it; what is not yet due stays."""
    home = house()
    later = Sweep(id="sweep-2", agent_ids=("aa",), due_at=NOON + dt.timedelta(seconds=60))
    await filled(home, SWEEP, later)
    assert 1 == await run_due_sweeps(home.ports())
    assert ({"aa": 3}, 1) == await left(home)
    await home.clock.sleep(60)
    assert 1 == await run_due_sweeps(home.ports())
    assert ({}, 0) == await left(home)
    assert 0 == await run_due_sweeps(home.ports())


@virtual
async def test_sweep_that_is_gone_does_nothing() -> None:
    """A sweep that was taken back, or claimed by another process, purges nothing."""
    home = house()
    await filled(home)
    await run_sweep(home.ports(), SWEEP)
    assert ({"a": 3, "aa": 3, "b": 3}, 0) == await left(home)


@virtual
async def test_claimed_sweep_has_another_id() -> None:
    """Whoever counts on a sweep finds it gone once its purge has begun."""
    home = house()
    await filled(home, SWEEP)
    await home.die(run_sweep(home.ports(home.store), SWEEP), Harm.DIE_AFTER, 1)
    (claimed,) = (await everything(home.memory))["sweeps"]
    assert (True, SWEEP.agent_ids) == (claimed.id != SWEEP.id, claimed.agent_ids)  # type: ignore[attr-defined]


async def purge(home: House) -> Deed:
    """Prepare a sweep and return its deed."""
    await filled(home, SWEEP)
    return lambda: run_sweep(home.ports(home.store), SWEEP)


def test_sweep_survives_any_commit() -> None:
    """A failed commit or a lost acknowledgement at any point changes nothing in the end."""
    expected = calm_outcome(purge)
    for harm in (Harm.FAIL, Harm.LOSE):
        ends = list(outcomes(purge, harm))
        assert [expected] * 12 == ends


@virtual
async def test_sweep_survives_any_death() -> None:
    """Wherever the process dies, the next one finishes the purge."""
    for harm in (Harm.DIE_BEFORE, Harm.DIE_AFTER):
        for at in range(1, 13):
            home = house()
            await filled(home, SWEEP)
            assert await home.die(run_sweep(home.ports(home.store), SWEEP), harm, at)
            await run_due_sweeps(home.ports())
            assert ({"aa": 3}, 0) == await left(home)


@virtual
async def test_two_processes_sweep_together() -> None:
    """Two processes that purge the same at once both end, and nothing is left."""
    home = house()
    await filled(home, SWEEP, messages=2 * SWEEP_CHUNK_RECORDS)
    done = await asyncio.gather(*(run_due_sweeps(home.ports()) for _ in range(2)))
    assert ({"aa": 2 * SWEEP_CHUNK_RECORDS}, 0, True) == (*await left(home), sum(done) >= 1)


@virtual
async def test_deleted_agents_sweep_is_not_left() -> None:
    """Deleting an agent leaves no sweep behind."""
    home = house()
    agent = await home.agent()
    await home.main.messages.send(agent.id, [said()])
    await home.main.agents.delete(agent.id)
    assert ({}, 0) == await left(home)

"""Taking up the turns that a dead process left: who may, and when."""

import asyncio

import attrs
import pytest

from kelpie_core.limits import LEASE_SECONDS
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.records import AGENTS, HEADS, RUNS
from kelpie_core.service.lease import expiry
from kelpie_core.service.recovery import RECOVERY_PAGE_RUNS, release, take_up, unfinished_runs
from tests.house import House, everything, house, said
from tests.twins import Harm, virtual


async def abandoned() -> tuple[House, Run]:
    """Return a house in which a process has just died before its model call, and its run."""
    home = house()
    agent = await home.agent()
    assert await home.die(home.main.messages.send(agent.id, [said()]), Harm.DIE_AFTER, 1)
    (run,) = await home.kelpie().runs.list()
    return home, run


@virtual
async def test_held_run_is_left_alone() -> None:
    """As long as its lease lasts, a run belongs to its holder; the moment that it ends, to whoever comes."""
    home, run = await abandoned()
    await home.clock.sleep(LEASE_SECONDS - 0.001)
    assert None is await take_up(home.ports(), "other", run.id)
    await home.clock.sleep(0.001)
    taken = await take_up(home.ports(), "other", run.id)
    assert taken is not None
    assert (run, "other", 2, expiry(home.clock.now())) == (
        taken.run,
        taken.lease.holder,
        taken.lease.token,
        taken.lease.expires_at,
    )
    assert None is await take_up(home.ports(), "third", run.id)


@virtual
async def test_takeover_ends_other_holders_leases() -> None:
    """With takeover, a lease of another holder counts as run out, and one's own does not."""
    home, run = await abandoned()
    assert None is await take_up(home.ports(), home.main.holder, run.id, takeover=True)
    taken = await take_up(home.ports(), "other", run.id, takeover=True)
    assert taken is not None
    assert 2 == taken.lease.token


@virtual
async def test_what_needs_no_recovery() -> None:
    """A run that is not there, that has ended, or whose agent is gone is not taken up."""
    home, run = await abandoned()
    await home.clock.sleep(LEASE_SECONDS)
    assert None is await take_up(home.ports(), "other", "run-x")
    async with home.memory.transaction() as tx:
        await tx.delete(AGENTS, (run.agent_id,))
        await tx.delete(HEADS, (run.agent_id,))
    assert None is await take_up(home.ports(), "other", run.id)
    home = house()
    agent = await home.agent()
    result = await home.main.messages.send(agent.id, [said()])
    assert None is await take_up(home.ports(), "other", result.run.id)


@virtual
async def test_grant_whose_acknowledgement_was_lost_is_known_again() -> None:
    """A lease that was granted, unheard, is used and not waited for."""
    home, run = await abandoned()
    await home.clock.sleep(LEASE_SECONDS)
    store = house().store
    store.inner = home.memory
    store.arm(Harm.LOSE, 1)
    taken = await take_up(home.ports(store), "other", run.id)
    assert taken is not None
    assert (2, 2) == (taken.lease.token, store.commits)
    (head,) = (await everything(home.memory))["heads"]
    assert taken.lease == head.lease  # type: ignore[attr-defined]


@virtual
async def test_one_of_many_takes_it() -> None:
    """Of several processes that try at once exactly one gets the run."""
    home, run = await abandoned()
    await home.clock.sleep(LEASE_SECONDS)
    taken = await asyncio.gather(*(take_up(home.ports(), f"h{number}", run.id) for number in range(5)))
    assert 1 == len([one for one in taken if one is not None])


@virtual
async def test_released_lease_ends_at_once() -> None:
    """A run whose holder lets it go can be taken up without waiting; letting go of a lost one does nothing."""
    home, run = await abandoned()
    first = await take_up(home.ports(), "other", run.id, takeover=True)
    assert first is not None
    second = await take_up(home.ports(), "third", run.id, takeover=True)
    assert second is not None
    before = await everything(home.memory)
    await release(home.ports(), run, first.lease)
    assert before == await everything(home.memory)
    await release(home.ports(), run, second.lease)
    third = await take_up(home.ports(), "fourth", run.id)
    assert third is not None
    assert 4 == third.lease.token


@pytest.mark.parametrize("count", [0, 1, RECOVERY_PAGE_RUNS, RECOVERY_PAGE_RUNS + 1])
@virtual
async def test_unfinished_runs_come_by_page(count: int) -> None:
    """Every run that has not ended comes once, oldest first, however many there are."""
    home, run = await abandoned()
    async with home.memory.transaction() as tx:
        await tx.get(RUNS, (run.id,))
        await tx.delete(RUNS, (run.id,))
        await tx.put(RUNS, attrs.evolve(run, id="run-ended", status=RunStatus.COMPLETED))
        for number in range(count):
            await tx.put(RUNS, attrs.evolve(run, id=f"run-{number:03}"))
    walked: list[str] = []
    last: Run | None = None
    while page := await unfinished_runs(home.ports(), last):
        assert len(page) <= RECOVERY_PAGE_RUNS
        walked += [one.id for one in page]
        last = page[-1]
    assert [f"run-{number:03}" for number in range(count)] == walked

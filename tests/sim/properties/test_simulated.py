"""`@simulated`: Hypothesis finds and shrinks failures of order, faults and data in a simulated world."""

import asyncio

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from kelpie_sim.errors import InvariantBroken
from kelpie_sim.properties.drawing import Schedule, fault_plans
from kelpie_sim.properties.simulated import SETTINGS, SimulationFailed, failure_class, simulated
from kelpie_sim.simulation import World
from tests.sim.toy import OPERATIONS, CountRefused, LetterLate, LetterLost, Mailbox

SOUND = settings(SETTINGS, max_examples=100, database=None, derandomize=True, print_blob=False)


def failure(test, kind: type[BaseException] = AssertionError) -> list[str]:
    """Run a failing test, and return the lines that Hypothesis told with its smallest example."""
    with pytest.raises(kind) as caught:
        SOUND(test)()
    return getattr(caught.value, "__notes__", [])


async def steps(count: int) -> None:
    """Let others run so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def receive_all(mailbox: Mailbox, got: list[str]) -> None:
    """Receive until cancelled."""
    while True:
        got.append(await mailbox.receive())


def test_order_and_data_shrink_together():
    """A bug that needs a deviation and two items shrinks to one deviation and just those."""

    @given(items=st.lists(st.integers(0, 9), max_size=6))
    @simulated()
    async def reads(world: World, items: list[int]) -> None:
        written: list[int] = []

        async def write() -> None:
            await steps(1)
            written.extend(items)

        async def read() -> None:
            await steps(1)
            if len(items) > 1:
                assert written

        await asyncio.gather(write(), read())

    assert [
        "Failing test case: reads(",
        "    items=[0, 0],",
        ")",
        "  1. 0.000000 s  order: task 3:read goes before task 2:write",
    ] == "\n".join(failure(reads)).splitlines()


def test_faults_and_data_shrink_together():
    """A letter that must not be lost shrinks to the fewest letters, and to the one fault that loses it."""

    @given(count=st.integers(1, 20))
    @simulated(faults=fault_plans(LetterLate, LetterLost), operations=OPERATIONS, sometimes=("harm done",))
    async def letters(world: World, count: int) -> None:
        mailbox, got = Mailbox(world), list[str]()
        receiver = asyncio.ensure_future(receive_all(mailbox, got))
        for number in range(count):
            await mailbox.send(str(number))
        await asyncio.sleep(1)
        receiver.cancel()
        world.check(len(got) == count or count < 3, "no letter is lost: one was")

    assert [
        "Failing test case: letters(",
        "    count=3,",
        ")",
        "planned: LetterLost(max_triggers=1)",
        "  1. 0.000000 s  fault: LetterLost at letter_send",
    ] == "\n".join(failure(letters, InvariantBroken)).splitlines()


def test_seed_is_told():
    """What the seed decides, such as a workload's own draws, is told by the seed."""

    @given(st.none())
    @simulated(order=st.builds(Schedule, st.just(7)))
    async def seeded(world: World, nothing: None) -> None:
        raise AssertionError("planted")

    assert "seed: 7" in failure(seeded)


def test_passing_test_passes():
    """A sound program passes, whatever is drawn, and time costs nothing."""
    seen: list[float] = []

    @SOUND
    @given(seconds=st.floats(0, 3_600))
    @simulated(faults=fault_plans(LetterLost), operations=OPERATIONS)
    async def sleeps(world: World, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append(seconds)

    sleeps()
    assert 100 == len(seen)


def test_unmet_assumption_is_no_failure():
    """Hypothesis's own signals pass through the world."""
    seen: list[int] = []

    @SOUND
    @given(number=st.integers(0, 9))
    @simulated()
    async def assumes(world: World, number: int) -> None:
        assume(number % 2)
        seen.append(number % 2)

    assumes()
    assert {1} == set(seen)


def test_stall_is_a_failure():
    """A test that waits for ever fails, and says who waits where."""

    @given(st.none())
    @simulated()
    async def waits(world: World, nothing: None) -> None:
        await asyncio.Event().wait()

    with pytest.raises(SimulationFailed, match="liveness: nothing is left to run"):
        SOUND(waits)()


def test_error_that_nobody_saw_is_a_failure():
    """An exception in a task that nobody awaits fails the test."""

    async def boom() -> None:
        raise KeyError("unseen")

    @given(st.none())
    @simulated()
    async def forgets(world: World, nothing: None) -> None:
        task = asyncio.ensure_future(boom())
        await asyncio.sleep(1)
        del task

    with pytest.raises(SimulationFailed, match="unseen"):
        SOUND(forgets)()


def test_broken_invariant_is_a_failure():
    """An invariant that breaks between two steps is raised as itself."""

    @given(st.none())
    @simulated()
    async def breaks(world: World, nothing: None) -> None:
        world.check(False, "it holds: it does not")

    failure(breaks, InvariantBroken)


def test_failures_are_kept_apart_by_signature():
    """Findings of one signature share a class, so that Hypothesis shrinks each failure on its own."""
    assert failure_class("a") is failure_class("a")
    assert failure_class("a") is not failure_class("b")
    assert "a" == failure_class("a").signature


def test_fault_that_meets_no_operation_is_no_failure():
    """A planned fault may well come to nothing."""

    @SOUND
    @given(st.none())
    @simulated(faults=fault_plans(CountRefused), operations=OPERATIONS)
    async def idles(world: World, nothing: None) -> None:
        pass

    idles()


def test_settings_fit_a_simulation():
    """There is no deadline and no tracing of lines, for a test that says nothing of its settings."""

    @given(st.none())
    @simulated()
    async def plain(world: World, nothing: None) -> None:
        pass

    chosen = vars(plain)["_hypothesis_internal_use_settings"]
    assert (None, False) == (chosen.deadline, Phase.explain in chosen.phases)


def test_given_goes_above():
    """What is no coroutine function is refused, with the usual reason."""
    with pytest.raises(TypeError, match="'plain' is no coroutine function: put @given above @simulated"):

        @simulated()
        def plain(world):
            pass


@given(number=st.integers())
@simulated()
async def test_reads_like_any_test(world: World, number: int) -> None:
    """pytest runs it as it runs any test of Hypothesis: the world is no fixture."""
    await asyncio.sleep(1)
    assert 1_000_000_000 == world.now_ns

"""One seed, one outcome: whatever the program does."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs
import pytest

from kelpie_sim.errors import NonDeterminism, UnknownOperation
from kelpie_sim.faults import Fault, FaultReport
from kelpie_sim.options import Swarm
from kelpie_sim.outcome import FindingKind, Outcome
from kelpie_sim.scenario import Scenario, no_faults
from kelpie_sim.simulation import PYTHON, World, simulate
from kelpie_sim.tape import Tape
from tests.sim import toy


def run(
    program: Callable[[World], Awaitable[None]], *, faults: Callable[[Swarm], tuple[Fault, ...]] = no_faults
) -> Outcome:
    scenario = Scenario(name="made", run=program, operations=toy.OPERATIONS, step_limit=20_000, faults=faults)
    return simulate(scenario, 1)


def finding_of(outcome: Outcome) -> tuple[str, str, str]:
    assert outcome.finding is not None
    return outcome.finding.kind.value, outcome.finding.signature, outcome.finding.message


def test_good_run_has_no_finding():
    """A run that goes well tells what it was made of."""
    outcome = simulate(toy.COUNT, 5)
    assert (outcome.scenario, outcome.seed, outcome.finding, outcome.python) == ("count", 5, None, PYTHON)
    assert outcome.invariants == {"count stays below ten": 9, "checks in place": 1}
    assert (outcome.tape, outcome.trace) == (b"", ())


def test_equal_seeds_give_equal_outcomes():
    """A seed is a run, to the last record."""
    assert simulate(toy.SETS, 3) == simulate(toy.SETS, 3)
    assert simulate(toy.UNLOCKED, 3) == simulate(toy.UNLOCKED, 3)


def test_seeds_differ():
    """Other seeds give other runs."""
    assert len({simulate(toy.SETS, seed).digest for seed in range(10)}) == 10


def test_keeping_the_trace_changes_nothing_else():
    """A kept trace has the digest of the run without it."""
    plain, kept = simulate(toy.SETS, 3), simulate(toy.SETS, 3, keep_trace=True)
    assert plain == attrs.evolve(kept, entries=(), history="", tape=b"")
    assert kept.records < len(kept.trace)


def test_some_seed_finds_the_planted_bug():
    """The lost update shows under some orders and not under others, always with one signature."""
    outcomes = [simulate(toy.UNLOCKED, seed) for seed in range(30)]
    findings = {finding_of(outcome)[:2] for outcome in outcomes if outcome.failed}
    assert findings == {("correctness", "InvariantBroken no update is lost at tests.sim.toy:count_unlocked")}
    assert {outcome.failed for outcome in outcomes} == {True, False}


def test_tape_replays_a_run_whatever_the_seed():
    """The tape of a failed run repeats it under any seed."""
    failed = next(outcome for seed in range(30) if (outcome := simulate(toy.UNLOCKED, seed)).failed)
    again = simulate(toy.UNLOCKED, 0, tape=Tape.replaying(failed.tape))
    assert (again.digest, again.finding) == (failed.digest, failed.finding)


def test_tape_of_another_program_is_nondeterminism():
    """A tape that does not fit says so as a finding of its own kind."""
    tape = Tape.of({"schedule": [(17, 3)] * 40})
    outcome = simulate(toy.UNLOCKED, 0, tape=Tape.replaying(tape))
    assert outcome.finding is not None
    assert outcome.finding.kind is FindingKind.NONDETERMINISM


def test_tape_that_does_not_fit_the_options_is_raised():
    """When not even the options can be drawn there is no run to speak of."""
    with pytest.raises(NonDeterminism, match="'options'"):
        simulate(toy.MAIL, 0, tape=Tape.replaying(Tape.of({"options": [(17, 3)]})))


def test_unknown_operation_is_refused_at_the_start():
    """A fault that could never strike is the caller's mistake, no finding."""
    scenario = attrs.evolve(toy.COUNT, faults=lambda swarm: (toy.CountRefused(on="count_erase"),))
    with pytest.raises(UnknownOperation, match="known are count_read, count_write"):
        simulate(scenario, 1)


def test_options_faults_and_sometimes_are_reported():
    """What the swarm drew and what the faults did is part of the outcome."""
    outcomes = [simulate(toy.MAIL, seed) for seed in range(20)]
    harmed = next(
        outcome for outcome in outcomes if outcome.options == {"lost": 0.8, "late": 0.0} and outcome.faults[0].fired
    )
    assert harmed.faults[1] == FaultReport(kind="LetterLate", matched=harmed.faults[0].matched)
    assert harmed.sometimes == {"harm done": harmed.faults[0].fired}
    assert [outcome for outcome in outcomes if outcome.failed] == []


def test_sure_fault_that_never_fired_is_a_finding():
    """A run whose sure fault did nothing has proved nothing."""
    outcome = simulate(attrs.evolve(toy.COUNT, faults=lambda swarm: (toy.LetterLost(on="letter_receive"),)), 1)
    assert finding_of(outcome)[0] == "fault-never-fired"


async def crashing(world: World) -> None:
    raise KeyError(f"agent-{world.seed}")


def test_exception_is_a_crash():
    """An error that the program raises ends in the outcome; its signature has no value in it."""
    kind, signature, message = finding_of(run(crashing))
    assert (kind, signature, message) == ("crash", f"KeyError at {__name__}:crashing", "'agent-1'")


async def asserting(world: World) -> None:
    value = 3
    if value != 4:
        raise AssertionError(f"value is {value}: not 4")


def test_assertion_is_a_correctness_finding():
    """An assertion of the scenario counts as a broken law."""
    assert finding_of(run(asserting))[:2] == ("correctness", f"AssertionError value is # at {__name__}:asserting")


async def stalling(world: World) -> None:
    await asyncio.get_running_loop().create_future()


def test_stall_is_a_liveness_finding():
    """Waiting for what never comes is found at once, and the signature says where."""
    kind, signature, message = finding_of(run(stalling))
    assert (kind, signature) == ("liveness", "Stalled _main > stalling")
    assert "1 task(s) wait" in message


async def spinning(world: World) -> None:
    for _ in itertools.count():
        await asyncio.sleep(0)


async def sleeping(world: World) -> None:
    for _ in itertools.count():
        await world.sleep(3600)


@pytest.mark.parametrize(("program", "error"), [(spinning, "StepLimit"), (sleeping, "TimeLimit")])
def test_endless_program_is_a_liveness_finding(program, error):
    """A run has limits on its steps and on its time."""
    kind, signature, _ = finding_of(run(program))
    assert (kind, signature.split()[0]) == ("liveness", error)


async def losing_a_task(world: World) -> None:
    tasks = {asyncio.ensure_future(crashing(world))}
    await world.sleep(1)
    tasks.clear()


def test_exception_of_a_task_that_nobody_awaits_is_a_finding():
    """An error is not lost because nobody looks at its task."""
    kind, signature, message = finding_of(run(losing_a_task))
    assert (kind, signature) == ("crash", f"KeyError at {__name__}:crashing")
    assert message.startswith("'agent-1' (task exception was never retrieved, in ")


async def stalling_on_a_dead_task(world: World) -> None:
    tasks = [asyncio.ensure_future(crashing(world))]
    await asyncio.Event().wait()
    tasks.clear()


def test_lost_exception_tells_more_than_the_stall_after_it():
    """When a task dies and another waits for it in vain, the finding is why it died."""
    kind, _, message = finding_of(run(stalling_on_a_dead_task))
    assert kind == "crash"
    assert "\nthen: nothing is left to run" in message


async def failing_in_a_callback(world: World) -> None:
    asyncio.get_running_loop().call_soon(lambda: [][1])
    await world.sleep(1)


def test_exception_in_a_callback_is_a_finding():
    """An error in a bare callback is found too."""
    kind, signature, _ = finding_of(run(failing_in_a_callback))
    assert (kind, signature) == ("crash", f"IndexError at {__name__}:failing_in_a_callback.<locals>.<lambda>")


async def swallowing_a_broken_law(world: World) -> None:
    try:
        world.check(False, "a law: broken")
    except Exception as error:
        world.story(f"swallowed {error}")
    await world.sleep(1)
    world.story("never reached")


def test_program_cannot_swallow_a_broken_invariant():
    """A broken law ends the run at that step even if the program catches the error."""
    outcome = run(swallowing_a_broken_law)
    assert finding_of(outcome)[::2] == ("correctness", "a law: broken")
    assert [line.split("  ")[1] for line in outcome.story] == ["swallowed a law: broken"]


async def swallowing_a_refusal(world: World) -> None:
    try:
        threading.Thread(target=print).start()
    except Exception as error:
        world.story(type(error).__name__)


def test_program_cannot_swallow_a_refusal():
    """What cannot be simulated is found even if the program catches the error."""
    kind, signature, message = finding_of(run(swallowing_a_refusal))
    assert (kind, signature) == ("crash", "Unsupported")
    assert "the program swallowed this error" in message


async def grouping(world: World) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(crashing(world))
        group.create_task(asserting(world))


def test_group_of_errors_is_told_by_its_broken_law():
    """Of several errors the broken law names the finding, under any order."""
    kinds = {finding_of(simulate(Scenario(name="made", run=grouping), seed))[0] for seed in range(20)}
    assert "correctness" in kinds


async def exiting(world: World) -> None:
    raise SystemExit(3)


def test_exit_does_not_escape():
    """A program that exits ends its run, not the campaign."""
    assert finding_of(run(exiting))[:2] == ("crash", f"SystemExit at {__name__}:exiting")


async def interrupting(world: World) -> None:
    raise KeyboardInterrupt


def test_interrupt_escapes():
    """The person at the keyboard is no part of the simulation."""
    with pytest.raises(KeyboardInterrupt):
        run(interrupting)


async def telling(world: World) -> None:
    world.story("once")
    await world.sleep(1.5)
    world.story("later")


def test_story_lines_carry_their_time():
    """A story is told in virtual time."""
    assert run(telling).story == ("0.000000 s  once", "1.500000 s  later")
    assert run(telling).virtual_ns == 1_500_000_000


async def leaving_work(world: World) -> None:
    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            world.story("cancelled")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            world.story("closed")

    world.background = asyncio.ensure_future(work())  # type: ignore[attr-defined]
    async for _ in numbers():
        break
    await world.sleep(1)


def test_what_is_left_running_is_cancelled():
    """At the end of the scenario tasks are cancelled within the run, as asyncio.run does."""
    outcome = run(leaving_work)
    assert outcome.finding is None
    assert sorted(line.split("  ")[1] for line in outcome.story) == ["cancelled", "closed"]


async def cleaning_up(world: World) -> None:
    counter = toy.Counter(world)

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await counter.increment()

    tasks = [asyncio.ensure_future(work())]
    await world.sleep(1)
    verdict = world.faults.verdict("counter", "count_read")
    assert verdict is not None
    verdict.fire()
    tasks.clear()


def test_faults_do_not_strike_the_clean_up():
    """What is left is cancelled without further harm: a fault there would be a finding on code that nobody awaits."""
    assert run(cleaning_up, faults=lambda swarm: (toy.CountRefused(),)).finding is None


async def healing(world: World) -> None:
    host, counter = world.host("one"), toy.Counter(world)

    async def serve() -> None:
        while counter.value < 2:
            await counter.increment()

    task = host.start(serve)
    await asyncio.wait([task])
    world.story(type(task.exception()).__name__)
    host.crash()
    world.heal()
    await world.settle(lambda: counter.value == 2, within_seconds=5, what="the counter reaches two")


def test_after_healing_the_system_settles():
    """Faults stop, hosts come back, and the work gets done."""
    outcome = run(healing, faults=lambda swarm: (toy.CountRefused(),))
    told = [line.split("  ")[1] for line in outcome.story]
    assert (outcome.finding, told) == (None, ["fault: CountRefused at count_read", "CounterDown"])


async def never_settling(world: World) -> None:
    async def done() -> bool:
        return False

    await world.settle(done, within_seconds=2, what="the counter reaches two")


def test_not_settling_is_a_liveness_finding():
    """A system that does not come to rest within its bound is told so, in virtual time."""
    outcome = run(never_settling)
    assert finding_of(outcome) == (
        "liveness",
        f"NotSettled the counter reaches two at {__name__}:never_settling",
        "the counter reaches two: not within 2 s after the faults had stopped",
    )
    assert outcome.virtual_ns // 1_000_000 == 2_000


def test_host_is_made_once():
    """A name means one host."""
    world = World(toy.QUIET, 1, Tape(), keep_trace=False)
    assert world.host("a") is world.host("a")
    assert list(world.hosts) == ["a"]
    world.loop.close()


async def outliving_a_host(world: World) -> None:
    host = world.host("one")
    done = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        done.set_result(None)
        await asyncio.Event().wait()

    host.start(serve)
    await done
    host.crash()
    await world.sleep(1)
    world.story("still here")


def test_scenario_outlives_the_hosts_that_wake_it():
    """A host that answers the scenario and then crashes does not take the scenario along."""
    outcome = run(outliving_a_host)
    assert (outcome.finding, outcome.story) == (None, ("1.000000 s  still here",))


def test_planning_strategies_count_a_scenario_once():
    """A strategy that plans gets the length from one plain run of the scenario; replays and plain walks get none."""
    runs: list[int] = []

    async def program(world: World) -> None:
        runs.append(world.seed)
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))

    planning = Scenario(name="planning", run=program, strategy="pct:3")
    outcomes = [simulate(planning, seed) for seed in (5, 6, 5)]
    simulate(attrs.evolve(planning, run=lambda world: program(world), strategy="random"), 7)
    simulate(attrs.evolve(planning, run=lambda world: program(world)), 8, tape=Tape.replaying(Tape()))
    assert ([0, 5, 6, 5, 7, 8], True) == (runs, outcomes[0] == outcomes[2])

"""Concurrent state machines: rules that overlap, and failing programs that a person can read."""

import asyncio

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, invariant, multiple, precondition, run_state_machine_as_test

from kelpie_sim.errors import Stalled
from kelpie_sim.properties.concurrent import ConcurrentStateMachine, initialize, rule
from kelpie_sim.properties.drawing import fault_plans
from tests.sim.toy import OPERATIONS, CounterDown, CountRefused


class Bank(ConcurrentStateMachine):
    """Accounts whose balance is read, and written a little later: the planted bug."""

    accounts = Bundle("accounts")
    locked = False

    def __init__(self) -> None:
        super().__init__()
        self.balances: list[int] = []
        self.paid_in = 0
        self.lock = asyncio.Lock()

    @rule(target=accounts)
    async def open(self):
        await asyncio.sleep(0.1)
        self.balances.append(0)
        return len(self.balances) - 1

    @rule(account=accounts, amount=st.integers(1, 9))
    async def deposit(self, account, amount):
        self.paid_in += amount
        if self.locked:
            async with self.lock:
                await self.add(account, amount)
        else:
            await self.add(account, amount)

    async def add(self, account, amount):
        before = self.balances[account]
        await asyncio.sleep(0.01)
        self.balances[account] = before + amount

    @invariant()
    def nothing_is_lost(self):
        assert sum(self.balances) == self.paid_in


class LockedBank(Bank):
    """The same bank, mended."""

    locked = True


def run(machine: type[ConcurrentStateMachine], examples: int = 100) -> None:
    """Run a machine as its TestCase does, but always with the same examples."""
    sound = settings(
        machine.TestCase.settings, max_examples=examples, database=None, derandomize=True, print_blob=False
    )
    run_state_machine_as_test(machine, settings=sound)


def program(machine: type[ConcurrentStateMachine], kind: type[BaseException], capsys) -> list[str]:
    """Run a failing machine, and return the lines of its smallest program."""
    with pytest.raises(kind) as caught:
        run(machine)
    told = [*capsys.readouterr().out.splitlines(), *"\n".join(getattr(caught.value, "__notes__", [])).splitlines()]
    return told[next(index for index, line in enumerate(told) if line.startswith("state = ")) :]


def test_overlap_shrinks_to_two_rules(capsys):
    """A lost update shrinks to two deposits that overlap, printed as a program."""
    assert [
        "state = Bank()",
        "state.nothing_is_lost()",
        "accounts_0 = await state.open()",
        "state.nothing_is_lost()",
        "deposit_2 = start(state.deposit(account=accounts_0, amount=1))",
        "await state.deposit(account=accounts_0, amount=1)",
        "await deposit_2",
        "state.nothing_is_lost()",
        "state.teardown()",
    ] == program(Bank, AssertionError, capsys)


def test_sound_machine_passes():
    """With the lock, no overlap loses anything."""
    run(LockedBank, 50)


def test_deadlock_is_found(capsys):
    """Two rules that take two locks in both orders stall, and the program shows them overlap."""

    class Locks(ConcurrentStateMachine):
        @initialize()
        async def make(self):
            self.one, self.two = asyncio.Lock(), asyncio.Lock()

        @rule()
        async def upwards(self):
            async with self.one:
                await asyncio.sleep(0.01)
                async with self.two:
                    pass

        @rule()
        async def downwards(self):
            async with self.two:
                await asyncio.sleep(0.01)
                async with self.one:
                    pass

    lines = program(Locks, Stalled, capsys)
    assert ["state = Locks()", "await state.make()"] == lines[:2]
    assert "start(state." in lines[2]
    assert "state.teardown()" == lines[-1]


def test_order_shrinks_with_the_rules(capsys):
    """A bug that needs a deviation of order shrinks to two rules and that deviation, told in words."""

    class Readers(ConcurrentStateMachine):
        begun = written = False

        @rule()
        async def write(self):
            self.begun, self.written = True, False
            await asyncio.sleep(0)
            self.written = True

        @rule()
        async def read(self):
            if self.begun and not self.written:
                await asyncio.sleep(0)
                assert self.written

    lines = program(Readers, AssertionError, capsys)
    assert [
        "state = Readers()",
        "write_1 = start(state.write())",
        "await state.read()",
        "state.teardown()",
        "  1. 0.000000 s  order: task read_2 goes before task write_1",
    ] == lines


def test_faults_are_drawn_too(capsys):
    """A drawn fault strikes a rule, and is told with the program."""

    class Counted(ConcurrentStateMachine):
        faults = fault_plans(CountRefused)
        operations = OPERATIONS

        @rule()
        async def count(self):
            verdict = self.world.faults.verdict("counter", "count_read")
            if verdict is not None:
                verdict.fire()
                raise CounterDown("planted")

    assert [
        "state = Counted()",
        "await state.count()",
        "state.teardown()",
        "planned: CountRefused(max_triggers=1)",
        "  1. 0.000000 s  fault: CountRefused at count_read",
    ] == program(Counted, CounterDown, capsys)


def test_results_come_to_bundles_when_they_are_there():
    """A rule in flight gives its results when its end is seen; rules that use them get values, plain or coroutine."""
    seen: list[object] = []

    class Bundles(ConcurrentStateMachine):
        numbers = Bundle("numbers")

        @rule(target=numbers)
        async def several(self):
            await asyncio.sleep(0.1)
            return multiple(1, 2)

        @rule(target=numbers)
        def plain(self):
            return 3

        @rule(number=consumes(numbers))
        async def use(self, number):
            seen.append(number)

        @rule(number=numbers)
        def look(self, number):
            seen.append(number)

    run(Bundles, 30)
    assert {1, 2, 3} == set(seen)


def test_preconditions_and_limits_hold():
    """No rule starts against its precondition, and no more are in flight than allowed."""
    most: list[int] = [0]

    class Limited(ConcurrentStateMachine):
        in_flight_max = 2
        running = 0

        @precondition(lambda self: self.running <= 2)
        @rule()
        async def one(self):
            self.running += 1
            most.append(self.running)
            await asyncio.sleep(1)
            self.running -= 1

        @rule()
        @precondition(lambda self: False)
        async def never(self):
            raise AssertionError("a rule ran against its precondition")

    run(Limited, 50)
    assert 3 == max(most)


def test_invariants_wait_for_quiet_moments():
    """An invariant that is broken in mid-rule is none at quiet moments; it may be a coroutine."""

    class Halves(ConcurrentStateMachine):
        left = right = 0

        @rule()
        async def both(self):
            self.left += 1
            await asyncio.sleep(1)
            self.right += 1

        @invariant()
        async def equal(self):
            await asyncio.sleep(1)
            assert self.left == self.right

    run(Halves, 30)


def test_invariants_can_be_checked_each_step():
    """With `check_each_step` an invariant has to hold after each step of the loop."""

    class Halves(ConcurrentStateMachine):
        check_each_step = True
        left = right = 0

        @rule()
        async def both(self):
            self.left += 1
            await asyncio.sleep(1)
            self.right += 1

        @invariant()
        def equal(self):
            assert self.left == self.right

    with pytest.raises(AssertionError):
        run(Halves, 30)


def test_end_awaits_what_is_in_flight():
    """At the end nothing is left running; then comes the machine's own shutdown in the world, then its teardown."""
    ended: list[str] = []

    class Ends(ConcurrentStateMachine):
        begun = done = 0

        @rule()
        async def work(self):
            self.begun += 1
            await asyncio.sleep(1)
            self.done += 1

        async def shutdown(self):
            await asyncio.sleep(1)
            ended.append("all" if self.begun == self.done else "some")

        def teardown(self):
            ended.append("torn down")

    run(Ends, 20)
    assert ["all", "torn down"] * 20 == ended


def test_error_in_flight_is_seen(capsys):
    """A rule that fails in flight fails the machine, and the program shows where its end was seen."""

    class Fails(ConcurrentStateMachine):
        marks = 0

        @rule()
        async def work(self):
            before = self.marks
            await asyncio.sleep(1)
            if self.marks != before:
                raise KeyError("planted")

        @rule()
        async def tick(self):
            await asyncio.sleep(0.1)

        @rule()
        def mark(self):
            self.marks += 1

    lines = program(Fails, KeyError, capsys)
    begins = ["state = Fails()", "work_1 = start(state.work())", "await state.tick()", "state.mark()"]
    assert begins == lines[:4]
    assert 1 == sum(line.startswith("await work_1") for line in lines)


def test_machine_without_settings_has_those_of_simulations():
    """No deadline, and no phase that traces lines."""
    chosen = Bank.TestCase.settings
    assert (None, False) == (chosen.deadline, Phase.explain in chosen.phases)


TestLockedBank = LockedBank.TestCase
TestLockedBank.settings = settings(TestLockedBank.settings, max_examples=5)

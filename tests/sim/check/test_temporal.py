"""Laws that speak of time, on live state and on histories."""

from collections.abc import Callable

import attrs
import pytest

from kelpie_sim.check.invariants import Invariants
from kelpie_sim.check.operations import Operation
from kelpie_sim.check.temporal import Temporal, always_in, eventually_in, leads_to_in
from kelpie_sim.errors import InvariantBroken, Overdue
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World, simulate

SECOND = 1_000_000_000
MOMENT = ("moment",)


class Program:
    """What the laws look at: a few flags, and the virtual time."""

    def __init__(self) -> None:
        self.flags: dict[str, bool] = {}
        self.now_s = 0.0
        self.invariants = Invariants([])
        self.laws = Temporal(self.invariants, lambda: round(self.now_s * SECOND))

    def at(self, seconds: float, **flags: bool) -> None:
        """Move to an instant, set flags, and let the laws look."""
        self.now_s = seconds
        self.flags |= flags
        self.invariants.notify("moment")

    def flag(self, name: str) -> Callable[[], bool]:
        """Return what reads a flag."""
        return lambda: self.flags.get(name, False)


def test_always_is_broken_at_the_first_moment_it_does_not_hold():
    """What must always hold breaks the run when it does not."""
    program = Program()
    program.laws.always("it is up", program.flag("up"), when=MOMENT)
    program.at(1, up=True)
    with pytest.raises(InvariantBroken, match="it is up: it does not hold"):
        program.at(2, up=False)
    assert {"it is up": 2} == program.invariants.counts()


def test_eventually_is_content_once_it_held():
    """Once it has held within its bound, nothing more is asked."""
    program = Program()
    program.now_s = 10
    program.laws.eventually("elected", program.flag("leader"), within_seconds=5, when=MOMENT)
    program.at(15, leader=True)
    program.at(99, leader=False)
    program.laws.end()


@pytest.mark.parametrize("late", [{}, {"leader": True}])
def test_eventually_is_overdue_after_its_bound(late):
    """What holds too late, or not at all, is overdue, told with since when."""
    program = Program()
    program.laws.eventually("elected", program.flag("leader"), within_seconds=5, when=MOMENT)
    program.at(5)
    text = "elected: it has never held: since 0.000000 s, now 5.500000 s; 5 s are allowed"
    with pytest.raises(Overdue, match=text):
        program.at(5.5, **late)


def test_eventually_is_overdue_when_the_scenario_ends_first():
    """After the scenario nothing more can happen."""
    program = Program()
    program.laws.eventually("elected", program.flag("leader"), within_seconds=5, when=MOMENT)
    program.at(1)
    with pytest.raises(Overdue, match="elected: it has never held, and nothing more can happen"):
        program.laws.end()


def make_leads_to() -> Program:
    program = Program()
    program.laws.leads_to(
        "asks get answers", program.flag("asked"), program.flag("answered"), within_seconds=5, when=MOMENT
    )
    return program


def test_leads_to_asks_for_an_effect_after_each_cause():
    """Each cause opens a bound, which the effect closes; causes are counted."""
    program = make_leads_to()
    program.at(1, asked=True)
    program.at(6, asked=False, answered=True)
    program.at(7, answered=False)
    program.at(50, asked=True, answered=True)
    assert {"asks get answers: its cause held": 2} == program.laws.causes()
    program.at(51, answered=False)
    with pytest.raises(Overdue, match=r"cause has held, and the effect has not: since 51.000000 s, now 57.000000 s"):
        program.at(57, asked=False)


def test_leads_to_without_a_cause_is_seen():
    """A law whose cause never held has a count of zero, which a campaign lists."""
    program = make_leads_to()
    program.at(1)
    program.laws.end()
    assert {"asks get answers: its cause held": 0} == program.laws.causes()


def test_effect_that_is_not_yet_due_is_not_owed_at_the_end():
    """A scenario may end while an effect still has time."""
    program = make_leads_to()
    program.at(1, asked=True)
    program.laws.end()
    assert {"asks get answers: its cause held": 1} == program.laws.causes()


def make_hot() -> Program:
    program = Program()
    program.laws.cools("buffers drain", program.flag("full"), within_seconds=3, when=MOMENT)
    return program


def test_hot_state_may_come_and_go():
    """What cools down in time is well, again and again."""
    program = make_hot()
    for start in (0, 10, 20):
        program.at(start, full=True)
        program.at(start + 2)
        program.at(start + 3, full=False)
    program.laws.end()
    assert {"buffers drain: its cause held": 3} == program.laws.causes()


def test_state_that_stays_hot_is_overdue():
    """Hot past its bound, or at the end, is a lack of progress."""
    program = make_hot()
    program.at(1, full=True)
    with pytest.raises(Overdue, match=r"buffers drain: it has been hot: since 1.000000 s, now 4.500000 s"):
        program.at(4.5, full=False)
    program = make_hot()
    program.at(1, full=True)
    with pytest.raises(Overdue, match=r"buffers drain: it is hot, and nothing more can happen: since 1.0"):
        program.laws.end()


def test_negative_bound_is_refused():
    """A bound lies in the future."""
    with pytest.raises(ValueError, match="odd: a bound of -1 s"):
        Program().laws.eventually("odd", lambda: True, within_seconds=-1)


def op(name: str, start: int, seconds: float, **arguments: object) -> Operation:
    """Return an operation that took no time."""
    now_ns = round(seconds * SECOND)
    return Operation(
        index=start, process="a", name=name, arguments=arguments, start=start, end=start + 1, invoked_ns=now_ns,
        completed_ns=now_ns,
    )  # fmt: skip


SENT, READ = op("send", 0, 1, id=7), op("read", 2, 3, id=7)


def read_after_send(*operations: Operation, within_seconds: float = 5) -> tuple[str, ...]:
    report = leads_to_in(
        operations,
        "sent is read",
        lambda each: each.name == "send",
        lambda sent, each: each.name == "read" and each.arguments["id"] == sent.arguments["id"],
        within_seconds=within_seconds,
    )
    assert sum(each.name == "send" for each in operations) == report.causes
    return report.broken


def test_cause_in_a_history_has_its_effect_in_time():
    """Each cause wants its own effect, after it and within the bound."""
    late = ("nothing followed a: send(id=7) ok within 1 s of 1.000000 s",)
    assert () == read_after_send(SENT, READ)
    assert late == read_after_send(SENT, READ, within_seconds=1)
    assert 1 == len(read_after_send(SENT, attrs.evolve(READ, arguments={"id": 8}), op("end", 4, 60)))
    assert 1 == len(read_after_send(op("read", 0, 0, id=7), op("send", 2, 1, id=7), op("end", 4, 60)))


def test_history_that_ends_before_the_bound_owes_nothing():
    """What might still have come is not missed."""
    assert () == read_after_send(SENT, within_seconds=5)
    assert () == read_after_send(within_seconds=5)


def test_effect_that_nobody_answered_does_not_count():
    """An operation of unknown end settles nothing."""
    open_read = attrs.evolve(READ, end=None, completed_ns=None, outcome="info")
    assert 1 == len(read_after_send(SENT, open_read, op("end", 4, 60)))


def test_always_and_eventually_over_a_history():
    """A law may speak of each operation, or of one."""
    assert ("a: read(id=7) ok",) == always_in((SENT, READ), "sends only", lambda each: each.name == "send").broken
    assert () == eventually_in((SENT, READ), "read", lambda each: each.name == "read", within_seconds=3).broken
    assert ("not within 2 s",) == eventually_in((SENT, READ), "r", lambda o: o.name == "read", within_seconds=2).broken


def test_laws_of_a_scenario_are_part_of_its_outcome():
    """A run counts the causes of its laws beside its sometimes-points, and what is overdue is a liveness finding."""

    async def run(world: World) -> None:
        sent: list[int] = []
        world.temporal.leads_to("sent is read", lambda: bool(sent), lambda: len(sent) > 1, within_seconds=2)
        world.temporal.leads_to("lost is found", lambda: False, lambda: True, within_seconds=2)
        await world.sleep(1)
        sent.append(1)
        await world.sleep(1)
        if world.seed:
            sent.append(2)
        await world.sleep(9)

    good, bad = (simulate(Scenario(name="made", run=run), seed) for seed in (1, 0))
    assert {"sent is read: its cause held": 1, "lost is found: its cause held": 0} == good.sometimes
    assert None is good.finding
    assert bad.finding is not None
    assert ("liveness", "Overdue sent is read") == (bad.finding.kind, bad.finding.signature)


def test_end_of_a_scenario_is_the_last_look():
    """What had to happen by the end of the scenario and has not is a finding."""

    async def run(world: World) -> None:
        world.temporal.eventually("elected", lambda: False, within_seconds=60)
        await world.sleep(1)

    finding = simulate(Scenario(name="made", run=run), 1).finding
    assert finding is not None
    assert "elected: it has never held, and nothing more can happen" in finding.message


def test_report_over_a_history_is_required():
    """A broken report fails the run with its first cases; a good one counts its causes."""
    program = Program()
    program.laws.require(always_in((SENT, READ), "all well", lambda each: True))
    assert {"all well: its cause held": 2} == program.laws.causes()
    with pytest.raises(InvariantBroken, match=r"ill: (a: send\(id=7\) ok; ){4}a: send\(id=7\) ok and 3 more"):
        program.laws.require(always_in([SENT] * 8, "ill", lambda each: False))


def test_what_comes_true_in_the_last_step_counts():
    """A condition that holds when the scenario ends has held, though no moment came after it."""
    program = Program()
    program.laws.eventually("elected", program.flag("elected"), within_seconds=5, when=MOMENT)
    program.at(1)
    program.flags["elected"] = True
    program.laws.end()
    program.flags["elected"] = False
    program.laws.end()
    assert {"elected": 1} == program.invariants.counts()

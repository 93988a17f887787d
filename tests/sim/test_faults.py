"""The fault board: filters, counters, streams, verdicts. Each law here is broken by some injector in the field."""

from collections.abc import Iterable
from typing import ClassVar

import attrs
import pytest

from kelpie_sim.errors import FaultNeverFired, UnknownOperation
from kelpie_sim.faults import MUTED_STREAM, Fault, FaultBoard, FaultReport
from kelpie_sim.seed import Streams
from kelpie_sim.tape import Tape
from kelpie_sim.trace import Trace

OPERATIONS = {"store": frozenset({"message_read", "message_write", "tool_write"}), "model": frozenset({"model_call"})}


@attrs.frozen(kw_only=True)
class WriteFail(Fault):
    port: ClassVar[str] = "store"


@attrs.frozen(kw_only=True)
class Latency(Fault):
    port: ClassVar[str] = "store"
    latency_ms: int = 10


@attrs.frozen(kw_only=True)
class ModelFail(Fault):
    port: ClassVar[str] = "model"


class Bench:
    """A board with a clock that the test sets, and a hand that performs operations and fires what strikes."""

    def __init__(self, *faults: Fault, seed: int = 1, tape: Tape | None = None) -> None:
        self.now_ns = 0
        self.trace = Trace(keep=True)
        self.tape = Tape() if tape is None else tape
        self.board = FaultBoard(faults, OPERATIONS, Streams(seed, self.tape), lambda: self.now_ns, self.trace)

    def perform(self, operation: str, *, host: str | None = None, subject: str | None = None) -> Fault | None:
        verdict = self.board.verdict("store", operation, host=host, subject=subject)
        if verdict is None:
            return None
        verdict.fire()
        return verdict.fault

    def struck(self, operations: Iterable[str]) -> list[int]:
        return [index for index, operation in enumerate(operations) if self.perform(operation) is not None]

    def report(self, kind: str) -> FaultReport:
        return next(report for report in self.board.report() if report.kind == kind)


def test_unknown_operation_is_refused_with_known_ones():
    """A filter that names no operation is refused when the board is built, and the message lists what there is."""
    with pytest.raises(UnknownOperation) as caught:
        Bench(WriteFail(on="schedule_write"))
    assert str(caught.value) == (
        "WriteFail: 'schedule_write' matches no operation of store; known are message_read, message_write, tool_write"
    )


def test_each_part_of_a_filter_must_match():
    """One good name does not excuse a bad one beside it."""
    with pytest.raises(UnknownOperation, match=r"'wal_\*' matches no operation"):
        Bench(WriteFail(on=("message_write", "wal_*")))


def test_part_of_a_name_is_no_filter():
    """A name must match whole: filters are no substrings."""
    with pytest.raises(UnknownOperation, match="'write' matches no operation"):
        Bench(WriteFail(on="write"))


def test_empty_filter_is_refused():
    """No pattern at all names no operation."""
    with pytest.raises(UnknownOperation, match="'' matches no operation"):
        Bench(WriteFail(on=()))


def test_unknown_port_is_refused_with_known_ones():
    """A fault of a port that the scenario does not have is refused."""

    @attrs.frozen(kw_only=True)
    class DiskFull(Fault):
        port: ClassVar[str] = "disk"

    with pytest.raises(UnknownOperation, match="DiskFull: no port 'disk'; known are model, store"):
        Bench(DiskFull())


def test_port_may_not_perform_what_nobody_declares():
    """An operation that no filter could name is refused where it is performed."""
    with pytest.raises(UnknownOperation, match="port 'store' performs 'agent_read'"):
        Bench().perform("agent_read")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"probability": 1.5}, "WriteFail.probability is 1.5: from 0 to 1"),
        ({"probability": -0.1}, "WriteFail.probability is -0.1: from 0 to 1"),
        ({"between": (2.0, 1.0)}, r"WriteFail.between is \(2.0, 1.0\): start before end, neither below 0"),
        ({"after": -1}, "'after' must be >= 0: -1"),
        ({"max_triggers": -1}, "'max_triggers' must be >= 0: -1"),
    ],
)
def test_bad_field_is_refused(fields, message):
    """A fault that makes no sense cannot be made."""
    with pytest.raises(ValueError, match=message):
        WriteFail(**fields)


def test_fault_names_its_kind():
    """The kind of a fault is the name of its class."""
    assert WriteFail.kind == "WriteFail"
    assert Latency(latency_ms=3).kind == "Latency"


def test_glob_and_exact_names_strike():
    """A filter takes exact names and globs."""
    assert Bench(WriteFail(on="*_write")).struck(["message_read", "message_write", "tool_write"]) == [1, 2]
    assert Bench(WriteFail(on=("tool_write", "message_read"))).struck(
        ["message_read", "message_write", "tool_write"]
    ) == [0, 2]


def test_after_counts_matching_operations_only():
    """Operations that a fault does not name do not use up its patience."""
    operations = ["message_read", "message_read", "message_write", "message_read", "message_write", "message_write"]
    assert Bench(WriteFail(on="message_write", after=1)).struck(operations) == [4, 5]


def test_max_triggers_ends_a_fault_without_draws():
    """A fault that has no triggers left neither strikes nor draws."""
    bench = Bench(WriteFail(on="message_write", probability=0.5, max_triggers=1))
    bench.struck(["message_write"] * 50)
    draws = bench.tape.choices("fault/0/WriteFail")
    bench.struck(["message_write"] * 50)
    assert bench.report("WriteFail").fired == 1
    assert bench.tape.choices("fault/0/WriteFail") == draws
    assert draws[-1] == (2, 1)


def test_exhausted_fault_moves_no_other():
    """How many triggers one fault has changes nothing for the next."""
    late = Latency(on="message_write", probability=0.3)

    def latencies(max_triggers: int | None) -> int:
        bench = Bench(WriteFail(on="tool_write", probability=0.5, max_triggers=max_triggers), late)
        bench.struck(["tool_write", "message_write"] * 100)
        return bench.report("Latency").fired

    assert latencies(1) == latencies(None)


def test_order_of_faults_does_not_move_their_draws():
    """Another fault that is added behind moves no draw of the first."""
    operations = ["message_write"] * 100
    alone = Bench(WriteFail(probability=0.2)).struck(operations)
    assert 0 < len(alone) < 100
    assert alone == Bench(WriteFail(probability=0.2), ModelFail(probability=0.5)).struck(operations)


def test_each_fault_draws_from_its_own_stream():
    """Two faults alike strike at different operations."""
    first = Bench(WriteFail(on="message_write", probability=0.5), Latency(on="tool_write", probability=0.5))
    both = [first.struck([operation] * 60) for operation in ("message_write", "tool_write")]
    assert both[0] != both[1]


def test_first_that_strikes_decides_and_others_still_count():
    """Where several strike the first decides; the rest count the operation and are not fired."""
    bench = Bench(Latency(on="message_*"), WriteFail(on="message_write", max_triggers=1))
    assert bench.struck(["message_write"] * 3) == [0, 1, 2]
    assert bench.board.report() == (
        FaultReport(kind="Latency", matched=3, fired=3),
        FaultReport(kind="WriteFail", matched=3, fired=0),
    )


def test_fault_behind_takes_over_when_the_first_is_spent():
    """A fault whose triggers are used up lets the next one decide."""
    bench = Bench(Latency(max_triggers=1), WriteFail())
    assert [bench.perform("message_write") for _ in range(2)] == [Latency(max_triggers=1), WriteFail()]


def test_fault_that_cannot_act_here_does_not_match():
    """A kind that the place cannot act out is passed over, is not counted, and lets the next one decide."""
    bench = Bench(WriteFail(), Latency())
    verdict = bench.board.verdict("store", "message_read", applies=(Latency,))
    assert verdict is not None
    assert verdict.fault == Latency()
    assert bench.report("WriteFail").matched == 0
    assert bench.board.verdict("store", "message_read", applies=lambda fault: fault.probability < 1) is None


def test_fault_counts_as_fired_only_when_it_changed_something():
    """A verdict that nobody fires is a match, not a firing."""
    bench = Bench(WriteFail())
    assert bench.board.verdict("store", "message_write") is not None
    assert bench.report("WriteFail") == FaultReport(kind="WriteFail", matched=1, fired=0)


def test_waived_verdict_gives_its_trigger_back():
    """A fault that turned out to change nothing strikes at the next operation."""
    bench = Bench(WriteFail(max_triggers=1))
    verdict = bench.board.verdict("store", "message_write")
    assert verdict is not None
    assert bench.board.verdict("store", "message_write") is None
    verdict.waive()
    assert bench.struck(["message_write"] * 3) == [0]


def test_verdict_is_settled_once():
    """Firing a verdict twice is a mistake of the port."""
    verdict = Bench(WriteFail()).board.verdict("store", "message_write")
    assert verdict is not None
    verdict.fire()
    with pytest.raises(AssertionError, match="fired or waived once"):
        verdict.fire()


def test_fault_of_another_port_does_not_strike():
    """A fault that fits every operation of its own port is nothing to another port."""
    bench = Bench(ModelFail())
    assert bench.struck(["message_read", "message_write", "tool_write"]) == []
    assert bench.report("ModelFail").matched == 0


def test_filters_on_host_and_subject():
    """A fault for certain hosts and subjects spares all others, and whoever has none."""
    bench = Bench(WriteFail(hosts=("a",), subjects=("agent-1",)))
    assert bench.perform("message_write") is None
    assert bench.perform("message_write", host="b", subject="agent-1") is None
    assert bench.perform("message_write", host="a", subject="agent-2") is None
    assert bench.perform("message_write", host="a", subject="agent-1") is not None
    assert bench.report("WriteFail").matched == 1


def test_hosts_are_filtered_by_globs():
    """A pattern names hosts as a glob, whole and with case, and no pattern fits where there is no host."""
    bench = Bench(WriteFail(hosts=("client-*", "n[12]")))
    hosts = ("client-1", "client-", "n1", "n3", "a-client-1", "Client-1", None)
    assert [True, True, True, False, False, False, False] == [
        bench.perform("message_write", host=host) is not None for host in hosts
    ]
    assert 3 == bench.report("WriteFail").matched


def test_story_names_host_and_subject():
    """The line of a fault says what struck whom: the host and the subject as far as there are any."""
    told: list[str] = []
    board = FaultBoard([WriteFail()], OPERATIONS, Streams(1, Tape()), lambda: 0, Trace(), told.append)
    for whom in ({}, {"host": "a"}, {"subject": "x"}, {"host": "a", "subject": "x"}):
        verdict = board.verdict("store", "message_write", host=whom.get("host"), subject=whom.get("subject"))
        assert verdict is not None
        verdict.fire()
    assert [
        "fault: WriteFail at message_write",
        "fault: WriteFail at message_write on a",
        "fault: WriteFail at message_write (x)",
        "fault: WriteFail at message_write on a (x)",
    ] == told


def test_window_of_time():
    """A fault strikes from the start of its window to before its end."""
    bench = Bench(WriteFail(between=(1.0, 2.0)))
    struck = []
    for now_ns in (999_999_999, 1_000_000_000, 1_999_999_999, 2_000_000_000):
        bench.now_ns = now_ns
        struck.append(bench.perform("message_write") is not None)
    assert struck == [False, True, True, False]


def test_lifted_faults_strike_no_more():
    """After healing nothing goes wrong, and nothing is counted."""
    bench = Bench(WriteFail())
    bench.board.lift()
    assert bench.struck(["message_write"] * 5) == []
    assert bench.board.active is False
    assert bench.report("WriteFail") == FaultReport(kind="WriteFail", never_reached=1)


def test_report_adds_up_faults_of_one_kind():
    """Faults of one kind share a row; those that met no operation are counted in it."""
    bench = Bench(WriteFail(on="message_write"), WriteFail(on="tool_write"), Latency(on="message_read"))
    bench.struck(["message_write"] * 2)
    assert bench.board.report() == (
        FaultReport(kind="WriteFail", matched=2, fired=2, never_reached=1),
        FaultReport(kind="Latency", never_reached=1),
    )


def test_sure_fault_that_never_fired_fails_the_run():
    """A fault of probability 1 that never fired is an error that says what it met."""
    bench = Bench(WriteFail(on="message_write", after=2), Latency(probability=0.5), ModelFail(max_triggers=0))
    bench.board.verdict("store", "message_write")
    with pytest.raises(FaultNeverFired) as caught:
        bench.board.check_never_fired()
    assert str(caught.value) == (
        "WriteFail(on=message_write, after=2) has probability 1 and never fired; it met 1 matching operations"
    )


def test_fired_fault_passes():
    """A sure fault that fired is content."""
    bench = Bench(WriteFail())
    bench.perform("message_write")
    bench.board.check_never_fired()
    assert bench.report("WriteFail").fired == 1


def test_firing_is_on_the_trace():
    """The trace tells which fault fired where."""
    bench = Bench(Latency(max_triggers=0), WriteFail())
    bench.perform("message_write")
    assert bench.trace.lines() == ["0.000000000 task 0: fault 1 'WriteFail' 'message_write'"]


def muting(*choices: int) -> Tape:
    """Return a tape that replays, and mutes the faults that have a 1."""
    return Tape.replaying(Tape.of({MUTED_STREAM: [(2, choice) for choice in choices]}), strict=False)


def test_muted_fault_never_strikes_and_owes_nothing():
    """A tape mutes a fault by its index: it is not asked, not reported, and need not fire."""
    bench = Bench(WriteFail(), Latency(), tape=muting(1, 0))
    assert isinstance(bench.perform("message_write"), Latency)
    assert bench.board.report() == (FaultReport(kind="Latency", matched=1, fired=1),)
    bench.board.check_never_fired()


def test_muting_moves_no_other_fault():
    """The others keep their index and their stream, and the muted one leaves no trace on the tape but its mark."""
    recorded = Bench(WriteFail(probability=0.3), WriteFail(probability=0.4), WriteFail(probability=0.5))
    recorded.struck(["message_write"] * 50)
    kept = {name: recorded.tape.choices(name) for name in recorded.tape.names()}
    tape = Tape.replaying(Tape.of({**kept, MUTED_STREAM: [(2, 0), (2, 1)]}))
    muted = Bench(WriteFail(probability=0.3), WriteFail(probability=0.4), WriteFail(probability=0.5), tape=tape)
    muted.struck(["message_write"] * 50)
    del kept["fault/1/WriteFail"]
    assert {**kept, MUTED_STREAM: [(2, 0), (2, 1)]} == {name: tape.choices(name) for name in tape.names()}


def test_muted_run_replays_from_its_tape():
    """What a replay mutes is on its own tape again."""
    first = Bench(WriteFail(), tape=muting(1))
    assert Bench(WriteFail(), tape=Tape.replaying(first.tape)).board.report() == ()


def test_new_run_mutes_nothing():
    """Only a tape that replays can mute; a new one holds no word of it."""
    bench = Bench(WriteFail())
    assert bench.tape.choices(MUTED_STREAM) == []
    assert bench.perform("message_write") is not None


def test_muted_fault_must_still_make_sense():
    """A filter that names nothing is refused, muted or not."""
    with pytest.raises(UnknownOperation):
        Bench(WriteFail(on="nothing"), tape=muting(1))


def test_risky_operations_are_those_that_a_fault_names():
    """A port learns at which of its operations some fault may strike; of another port it learns nothing."""
    board = FaultBoard([WriteFail(on="message_write")], OPERATIONS, Streams(1, Tape()), lambda: 0, Trace())
    assert frozenset({"message_write"}) == board.risky("store")
    assert frozenset() == board.risky("network")

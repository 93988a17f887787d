"""The trace and its digest."""

import attrs
import pytest

from kelpie_sim.trace import LOG_BIRTH, LOG_LENGTH_MAX, LOG_SHIFT, LOG_TIME, Entry, Trace, first_difference


@attrs.define
class Stamp:
    """A loop that stands still."""

    steps: int = 4
    time_ns: int = 1_500_000_000
    serial: int = 7

    def current_serial(self) -> int:
        """Return the task that is said to run."""
        return self.serial


def digest_of(*records, stamp=None):
    """Return the digest of a trace with some records."""
    trace = Trace()
    if stamp is not None:
        trace.bind(stamp)
    for record in records:
        trace.record(*record)
    return trace.digest()


def test_different_records_have_different_digests():
    """Kind, fields, their kinds, their borders and their number all count."""
    records = [("a",), ("b",), ("a", ""), ("a", b""), ("a", 0), ("a", "0"), ("a", b"0"), ("a", "xy"), ("a", "x", "y")]
    assert len(records) == len({digest_of(record) for record in records})


def test_border_between_records_counts():
    """The same fields in one record or in two are not the same."""
    assert digest_of(("a", "b", "a", "b")) != digest_of(("a", "b"), ("a", "b"))


def test_stamp_counts():
    """The same record at another step, time or task is another one."""
    stamps = [None, Stamp(), Stamp(steps=5), Stamp(time_ns=2), Stamp(serial=8)]
    assert 5 == len({digest_of(("a",), stamp=stamp) for stamp in stamps})


@pytest.mark.parametrize("field", [1.5, None, [], object()])
def test_other_fields_are_refused(field):
    """What has no one spelling is not recorded."""
    with pytest.raises(TypeError, match="a trace holds integers, text and bytes"):
        Trace().record("a", field)


def test_kept_lines_tell_the_story():
    """Lines carry time, task, kind and fields, in the order of events."""
    trace = Trace(keep=True)
    trace.bind(Stamp())
    trace.log += [1_000_000_000 << LOG_SHIFT | LOG_TIME, 7 << LOG_SHIFT]
    trace.record("sent", "x", 3, b"\x00")
    assert ["1.000000000 task 7: step", "1.500000000 task 7: sent 'x' 3 b'\\x00'"] == trace.lines()


def test_kept_entries_tell_step_time_and_task():
    """Births, steps and records come as entries, each at the step it belongs to."""
    trace = Trace(keep=True)
    trace.bind(Stamp(steps=1))
    trace.log += [7 << LOG_SHIFT | LOG_BIRTH, 1_000_000_000 << LOG_SHIFT | LOG_TIME, 7 << LOG_SHIFT]
    trace.names.append("server-1/main")
    trace.record("sent", "x")
    trace.log.append(0)
    assert trace.entries() == (
        Entry(step=0, time_ns=0, serial=7, kind="born", fields=("server-1/main",)),
        Entry(step=1, time_ns=1_000_000_000, serial=7, kind="step"),
        Entry(step=1, time_ns=1_500_000_000, serial=7, kind="sent", fields=("x",)),
        Entry(step=2, time_ns=1_000_000_000, serial=0, kind="step"),
    )


def test_entries_are_kept_on_request_only():
    """Without `keep` a trace costs no memory."""
    trace = Trace()
    trace.record("a")
    assert ((), [], 1) == (trace.entries(), trace.lines(), trace.count)


@pytest.mark.parametrize("keep", [True, False])
def test_batches_do_not_show(keep):
    """However long the log, and however it is cut, the digest is that of its entries."""
    whole, cut = Trace(), Trace(keep)
    whole.log += range(0, 4 * 3 * LOG_LENGTH_MAX, 4)
    for number in range(0, 4 * 3 * LOG_LENGTH_MAX, 4):
        cut.log.append(number)
        cut.trim()
    assert (whole.digest(), True) == (cut.digest(), len(cut.log) <= LOG_LENGTH_MAX)


def test_many_records_do_not_pile_up():
    """Records are hashed away in batches, and each counts."""
    one, two = Trace(), Trace()
    for trace in (one, two):
        for _ in range(200):
            trace.record("bytes", b"x" * 1000)
    two.record("one more")
    assert (200, False) == (one.count, one.digest() == two.digest())


def test_sealed_trace_takes_nothing():
    """After the seal neither records nor steps change the digest."""
    trace = Trace(keep=True)
    trace.record("a")
    trace.seal()
    digest, lines = trace.digest(), trace.lines()
    trace.record("b")
    trace.log.append(4)
    assert (digest, lines, 1) == (trace.digest(), trace.lines(), trace.count)


@pytest.mark.parametrize(
    ("a_lines", "b_lines", "expected"),
    [
        ([], [], None),
        (["a"], ["a"], None),
        (["a", "b"], ["a", "c"], (1, "b", "c")),
        (["a"], ["a", "b"], (1, "", "b")),
        (["a", ""], ["a"], (1, "", "")),
    ],
)
def test_first_difference(a_lines, b_lines, expected):
    """The first line that differs is named, a missing one too."""
    assert expected == first_difference(a_lines, b_lines)


def test_long_parts_and_looks_at_the_digest_do_not_show():
    """Each part is hashed as it grows, or at the end: the digest of a long run is the same, looked at before or not."""

    def digest(looks):
        trace = Trace()
        for number in range(5_000):
            trace.log.append(number << LOG_SHIFT)
            trace.names.append(f"{number}:näme")
            trace.record("kind", number)
            if looks and not number % 7:
                trace.digest()
        trace.seal()
        return trace.digest()

    assert digest(looks=False) == digest(looks=True)


def test_names_and_records_are_told_apart():
    """What is sealed at once has the digest of what was hashed part by part, whatever letters the names have."""
    digests = set[str]()
    for looks in (False, True):
        trace = Trace()
        trace.names.extend(["1:a", "2:ü\ud800", "3:日本"])
        trace.record("kind", 1, "text", b"bytes")
        if looks:
            trace.digest()
        trace.seal()
        digests.add(trace.digest())
    assert 1 == len(digests)

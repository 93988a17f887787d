"""Who must come before whom."""

import pytest

from kelpie_sim.check.dependencies import Dependencies
from kelpie_sim.check.transactions import transactions_of
from tests.sim.check.test_transactions import transaction


def edges(kind, *histories, strict=False):
    """Return the edges between transactions, given by their steps."""
    made = [transaction(*steps, index=index) for index, steps in enumerate(histories)]
    known = Dependencies(transactions_of(made, kind), kind, strict=strict)
    return {f"{edge.source}-{edge.kind}-{edge.target}" for edge in known.graph.edges()}


WRITE_A, WRITE_B, WRITE_C = ((("append", "x", value),) for value in "abc")


def read(*values):
    """Return the steps of a transaction that reads a list."""
    return (("read", "x", values),)


def test_longest_list_orders_all_versions():
    """Writers follow each other as the list says, and its last element is followed by what nobody saw."""
    assert {"0-ww-1", "1-ww-2", "1-wr-3", "3-rw-2"} == edges("list", WRITE_A, WRITE_B, WRITE_C, read("a", "b"))


def test_reader_of_an_older_list_comes_before_the_next_version():
    """An anti-dependency leads to whoever wrote the first element that was not read."""
    assert {"0-ww-1", "0-wr-2", "2-rw-1", "1-wr-3"} == edges("list", WRITE_A, WRITE_B, read("a"), read("a", "b"))


def test_reader_of_nothing_comes_before_all_writers():
    """When nobody saw any version, their order is unknown, but all came after the read."""
    assert {"2-rw-0", "2-rw-1"} == edges("list", WRITE_A, WRITE_B, read())


def test_registers_are_ordered_by_who_read_before_writing():
    """A write follows the version that its transaction read; the start precedes everything."""
    first, second = (("write", "x", 1),), (("read", "x", 1), ("write", "x", 2))
    assert {"0-ww-1", "0-wr-1", "2-rw-0", "2-rw-1"} == edges("register", first, second, (("read", "x", None),))
    assert {"0-ww-1", "0-wr-1", "0-wr-2", "2-rw-1"} == edges("register", first, second, (("read", "x", 1),))
    assert set() == edges("register", first, (("write", "x", 2),))


def test_real_time_leads_from_answers_to_what_was_asked_later():
    """Transactions one after the other form a chain, without the edges that follow from it."""
    assert {"0-rt-1", "1-rt-2"} == edges("list", (), (), (), strict=True)


@pytest.mark.parametrize(("seen", "effective"), [((), [1]), ((1,), [0, 1])])
def test_unknown_outcome_took_effect_if_anybody_saw_it(seen, effective):
    """A transaction that nobody heard of counts only once its writes are read."""
    lost = transaction(("append", "x", 1), outcome="info", index=0)
    reader = transaction(("read", "x", seen), index=1)
    known = Dependencies(transactions_of([lost, reader], "list"), "list", strict=False)
    assert effective == [each.index for each in known.effective]
    assert [] == known.anomalies


def test_edges_say_why():
    """Each edge tells who read or wrote what."""
    made = [
        transaction(*steps, index=index) for index, steps in enumerate((WRITE_A, WRITE_B, read("a"), read("a", "b")))
    ]
    known = Dependencies(transactions_of(made, "list"), "list", strict=True)
    expected = {
        "T0 wrote 'a' to 'x', and T1 wrote 'b' after that",
        "T2 read 'x' as ('a',), which T0 wrote",
        "T2 read 'x' as ('a',), and T1 wrote 'b' after that",
        "T3 read 'x' as ('a', 'b'), which T1 wrote",
        "T0 was answered before T1 was asked",
        "T1 was answered before T2 was asked",
        "T2 was answered before T3 was asked",
    }
    assert expected == {edge.why for edge in known.graph.edges()}

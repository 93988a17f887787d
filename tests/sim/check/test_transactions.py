"""Transactions as checkers read them."""

import pytest

from kelpie_sim.check.operations import Operation
from kelpie_sim.check.transactions import transactions_of


def transaction(*steps, outcome="ok", index=0):
    """Return a transaction whose answer, or arguments, are these steps."""
    values = {"steps": tuple(steps)}
    return Operation(
        index=index,
        process="a",
        name="transaction",
        outcome=outcome,
        arguments={} if outcome == "ok" else values,
        result=values if outcome == "ok" else {},
        start=2 * index,
        end=2 * index + 1,
    )


def test_lists_are_told_by_what_came_from_outside():
    """Own appends are taken off what a transaction read of itself."""
    (found,) = transactions_of(
        [transaction(("append", "x", 1), ("read", "x", (7, 1)), ("append", "x", 2), ("read", "y", ()))], "list"
    )
    assert ({"x": (7,), "y": ()}, {"x": (1, 2)}, ()) == (found.reads, found.writes, found.contradictions)
    assert ("T0", 0, 1) == (found.name, found.start, found.end)


def test_registers_are_told_by_their_first_read():
    """A read after an own write says nothing of others."""
    (found,) = transactions_of([transaction(("read", "x", 5), ("write", "x", 6), ("read", "x", 6))], "register")
    assert ({"x": 5}, {"x": (6,)}, ()) == (found.reads, found.writes, found.contradictions)


@pytest.mark.parametrize(
    ("kind", "steps", "text"),
    [
        ("list", (("append", "x", 1), ("read", "x", ())), "it read 'x' as (), having appended (1,)"),
        ("list", (("append", "x", 1), ("read", "x", (1, 2))), "it read 'x' as (1, 2), having appended (1,)"),
        ("list", (("read", "x", ()), ("read", "x", (3,))), "it read 'x' as (3,), and as () before"),
        ("list", (("read", "x", (3,)), ("read", "x", (1,))), "it read 'x' as (1,), and as (3,) before"),
        ("register", (("write", "x", 1), ("read", "x", 2)), "it read 'x' as 2, having written 1"),
        ("register", (("read", "x", 1), ("read", "x", 2)), "it read 'x' as 2, having read 1"),
    ],
)  # fmt: skip
def test_contradictions_of_a_transaction_with_itself(kind, steps, text):
    """A transaction sees what it wrote, and the same version each time."""
    assert (text,) == transactions_of([transaction(*steps)], kind)[0].contradictions


def test_unknown_outcome_has_writes_and_no_reads():
    """What was asked may have been written; what was read nobody knows."""
    (found,) = transactions_of([transaction(("append", "x", 1), ("read", "y"), outcome="info")], "list")
    assert ({}, {"x": (1,)}, None) == (found.reads, found.writes, found.end)


def test_other_operations_are_left_out():
    """Only operations of the given name are transactions."""
    assert [] == transactions_of([transaction()], "list", name="other")


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (transaction(("write", "x", 1)), r"operation 0: \('write', 'x', 1\) is no step of a transaction on lists"),
        (transaction(("read", "x")), "is no step of a transaction on lists"),
        (transaction(("read", "x", 3)), "is no step of a transaction on lists"),
        (transaction("read"), "is no step of a transaction on lists"),
        (transaction(("append", "x", 1), ("append", "x", 1)), "value 1 is written to 'x' twice: no reader can tell"),
        (Operation(index=3, process="a", name="transaction", start=0), "operation 3 has no steps in its answer"),
        (
            Operation(index=3, process="a", name="transaction", start=0, outcome="fail"),
            "operation 3 has no steps in its arguments",
        ),
    ],
)
def test_malformed_transactions_are_the_callers_mistake(operation, text):
    """Steps that are none, and values written twice, are refused."""
    with pytest.raises(ValueError, match=text):
        transactions_of([operation], "list")

"""The history of client operations."""

import asyncio

import pytest

from kelpie_sim.check.history import History
from kelpie_sim.trace import Trace


class Clock:
    now_ns = 0

    def read(self) -> int:
        self.now_ns += 1
        return self.now_ns


def make() -> History:
    return History(Clock().read, Trace(keep=True))


def test_answer_is_kept_with_both_times():
    """An operation knows who asked what, what came back, and when."""
    history = make()
    op = history.invoke("client-1", "append", value="a")
    op.ok(position=3)
    assert (op.index, op.process, op.operation, op.arguments) == (0, "client-1", "append", {"value": "a"})
    assert (op.outcome, op.result, op.invoked_ns, op.completed_ns) == ("ok", {"position": 3}, 1, 2)


def test_failure_and_unknown_outcome_keep_the_error():
    """`fail` says that nothing happened, `info` that nobody knows."""
    history = make()
    failed, unknown = history.invoke("a", "read"), history.invoke("b", "read")
    failed.fail(KeyError("k"))
    unknown.info("connection lost")
    assert [(op.outcome, op.error) for op in history] == [("fail", "KeyError: 'k'"), ("info", "connection lost")]


def test_operation_without_answer_counts_as_unknown():
    """Nobody knows what came of an operation that never ended."""
    op = make().invoke("a", "write")
    assert (op.outcome, op.completed_ns) == ("info", None)


def test_operation_ends_once():
    """A second answer is a mistake of the workload."""
    op = make().invoke("a", "read")
    op.ok()
    with pytest.raises(AssertionError, match=r"operation 0 \(read\) ends twice"):
        op.info("late")


class Refused(Exception):
    pass


async def perform(history: History, error: BaseException | None = None, **result: object) -> None:
    async with history.operation("a", "write", certain=(Refused,), value=1) as op:
        if error is not None:
            raise error
        if result:
            op.ok(**result)


def test_body_that_ends_well_is_ok():
    """The context manager records ok, with the body's answer if it gave one."""
    history = make()
    asyncio.run(perform(history))
    asyncio.run(perform(history, seen=2))
    assert [(op.outcome, op.result) for op in history] == [("ok", {}), ("ok", {"seen": 2})]


@pytest.mark.parametrize(
    ("error", "outcome"), [(Refused("no"), "fail"), (OSError("lost"), "info"), (asyncio.CancelledError(), "info")]
)
def test_body_that_raises_is_recorded_and_raises_on(error, outcome):
    """Only errors that say so mean that nothing happened; all of them leave the body."""
    history = make()
    with pytest.raises(type(error)):
        asyncio.run(perform(history, error))
    assert [op.outcome for op in history] == [outcome]


def test_selection_by_name_and_outcome():
    """A checker picks the operations it judges."""
    history = make()
    for name in ("read", "write", "write"):
        history.invoke("a", name)
    list(history)[1].ok()
    assert [op.index for op in history.of("write")] == [1, 2]
    assert [op.index for op in history.of("write", "ok")] == [1]
    assert len(history) == 3


def test_every_entry_is_on_the_trace():
    """Invocation and answer are records, so digests tell different answers apart."""
    history = make()
    history.invoke("a", "read", key="k").ok(value=None)
    assert [line.partition(": ")[2] for line in history.trace.lines()] == [
        """op invoke 0 'a' 'read' "{'key': 'k'}\"""",
        """op ok 0 "{'value': None}\"""",
    ]

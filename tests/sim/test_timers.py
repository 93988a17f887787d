"""Timers by their instant."""

import contextvars

from kelpie_sim.tasks import SimTimer
from kelpie_sim.timers import Timers


def taken(timers, time_ns):
    """Return what is due at an instant."""
    given: list[SimTimer] = []
    timers.take(time_ns, given.append)
    return given


def timer():
    """Return a timer that does nothing."""
    return SimTimer(0.0, print, (), contextvars.Context())


def test_timers_come_by_instant_then_in_the_order_they_were_set():
    """Earlier instants first; in one instant, first come first."""
    timers, (a, b, c, d) = Timers(), [timer() for _ in range(4)]
    for when_ns, one in ((20, a), (10, b), (20, c), (30, d)):
        timers.add(when_ns, one)
    assert (10, [b, a, c], 30, [d], None) == (
        timers.next_ns(), taken(timers, 20), timers.next_ns(), taken(timers, 30), timers.next_ns(),
    )  # fmt: skip


def test_cancelled_timers_do_not_count():
    """Time does not move for a cancelled timer, and it is not taken."""
    timers, (a, b, c) = Timers(), [timer() for _ in range(3)]
    for when_ns, one in ((10, a), (20, b), (20, c)):
        timers.add(when_ns, one)
    a.cancel()
    b.cancel()
    assert (20, [c]) == (timers.next_ns(), taken(timers, 20))


def test_cancelled_timers_do_not_pile_up():
    """A program that sets and cancels timers for ever keeps few of them."""
    timers = Timers()
    kept = timer()
    timers.add(1, kept)
    for number in range(50_000):
        one = timer()
        timers.add(number, one)
        one.cancel()
    assert (True, [kept]) == (len(timers) < 5_000, taken(timers, 50_000))


def test_dropped_timers_are_gone():
    """Only the wanted ones stay; clear drops all."""
    timers, (a, b) = Timers(), (timer(), timer())
    timers.add(10, a)
    timers.add(20, b)
    timers.keep(lambda one: one is b)
    first = timers.next_ns()
    timers.clear()
    assert (20, None, 0) == (first, timers.next_ns(), len(timers))

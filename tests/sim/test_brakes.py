"""Lives that are held back: paused, slow, dead."""

import asyncio
import functools
import weakref

import pytest

from kelpie_sim.errors import Stalled
from tests.sim.programs import World

SECOND_NS = 1_000_000_000


class Witness:
    """Something that can be looked for."""


def started(host, main):
    """Start a host, and return its life."""
    life = host.start(main).life
    assert life is not None
    return life


class Ticker:
    """A host of a fifo world whose main notes the instant of each tick, one a second, five in all."""

    def __init__(self):
        self.world = World(strategy="fifo")
        self.loop = self.world.loop
        self.host = self.world.host("a")
        self.ticks_s = []

    async def tick(self):
        """Run on the host."""
        for _ in range(5):
            await asyncio.sleep(1)
            self.ticks_s.append(round(self.loop.time(), 3))

    def run(self, script):
        """Start the host, run the script in the harness, and return the ticks."""

        async def main():
            life = started(self.host, self.tick)
            await script(life)

        self.world.run(main())
        return self.ticks_s


def test_paused_life_runs_nothing_until_it_is_released():
    """Timers that come due in a pause fire at its end, and the program goes on from there."""
    ticker = Ticker()

    async def script(life):
        await asyncio.sleep(1.5)
        ticker.loop.hold(life)
        await asyncio.sleep(10)
        ticker.loop.release(life)
        await asyncio.sleep(10)

    assert [1.0, 11.5, 12.5, 13.5, 14.5] == ticker.run(script)


def test_what_was_set_aside_keeps_its_order():
    """A release makes ready in the order in which the callbacks came up, whether timer or not."""
    world, ran = World(strategy="fifo"), list[object]()
    host = world.host("a")

    async def main():
        life = started(host, lambda: asyncio.sleep(1000))
        context = host.context()
        world.loop.hold(life)
        world.loop.call_later(2, ran.append, "timer at 2", context=context)
        world.loop.call_later(1, ran.append, "timer at 1", context=context)
        world.loop.call_soon(ran.append, "at once", context=context)
        world.loop.call_soon(ran.append, "cancelled", context=context).cancel()
        await asyncio.sleep(3)
        ran.append("released")
        world.loop.release(life)
        await asyncio.sleep(1)

    world.run(main())
    assert ["released", "at once", "timer at 1", "timer at 2"] == ran


def test_other_hosts_go_on_in_a_pause():
    """A pause is of one host only."""
    world, ticked = World(), list[object]()

    async def tick(name):
        while True:
            await asyncio.sleep(1)
            ticked.append(name)

    async def main():
        lives = [started(world.host(name), functools.partial(tick, name)) for name in ("a", "b")]
        world.loop.hold(lives[0])
        await asyncio.sleep(3.5)

    world.run(main())
    assert ["b", "b", "b"] == ticked


def test_run_ends_while_a_host_is_paused():
    """What is left when main returns is cancelled and cleans up, paused or not."""
    world, told = World(), list[object]()

    async def waiting():
        try:
            await asyncio.sleep(1000)
        finally:
            told.append("cleaned up")

    async def main():
        life = started(world.host("a"), waiting)
        await asyncio.sleep(1)
        world.loop.hold(life)

    world.run(main())
    assert ["cleaned up"] == told


def test_crash_of_a_paused_host_drops_what_was_set_aside():
    """What a paused life would have run never runs when the power goes, and the next life is not paused."""
    ticker = Ticker()

    async def script(life):
        ticker.loop.hold(life)
        await asyncio.sleep(1.5)
        ticker.host.restart()
        ticker.loop.release(life)
        await asyncio.sleep(10)

    assert [2.5, 3.5, 4.5, 5.5, 6.5] == ticker.run(script)


def test_what_a_crashed_host_had_set_aside_is_kept_until_the_burial():
    """Nothing that a paused life would have run is finalized while the run goes on."""
    world = World()
    host = world.host("a")

    async def main():
        life = started(host, lambda: asyncio.sleep(1000))
        await asyncio.sleep(1)
        world.loop.hold(life)
        held = Witness()
        world.loop.call_soon(print, held, context=host.context())
        witness = weakref.ref(held)
        del held
        await asyncio.sleep(1)
        host.crash()
        return witness() is not None

    assert world.run(main())


def test_stall_names_the_paused_hosts():
    """When all that is left is paused, nothing is left to run, and the error says who is paused."""
    ticker = Ticker()

    async def script(life):
        ticker.loop.hold(life)
        await asyncio.Event().wait()

    with pytest.raises(Stalled, match=r"nothing is left to run while a stay\(s\) paused, and 2 task\(s\) wait"):
        ticker.run(script)


def test_release_of_what_is_not_paused_does_nothing():
    """Holding twice is holding once, and letting go needs no pause."""
    ticker = Ticker()

    async def script(life):
        ticker.loop.release(life)
        ticker.loop.hold(life)
        ticker.loop.hold(life)
        ticker.loop.release(life)
        assert not ticker.loop._brakes.lives
        await asyncio.sleep(10)

    assert [1.0, 2.0, 3.0, 4.0, 5.0] == ticker.run(script)


def test_each_step_of_a_slow_life_takes_time():
    """Steps of 100 ms: a sleep takes two, the timer and the step it wakes, so that ticks come late."""
    ticker = Ticker()

    async def script(life):
        ticker.loop.slow(life, SECOND_NS // 10)
        await asyncio.sleep(3)
        ticker.loop.slow(life, 0)
        await asyncio.sleep(10)

    assert [1.1, 2.2, 3.2, 4.2, 5.2] == ticker.run(script)


def test_slow_life_serves_in_turn():
    """Callbacks that come up at once are run one step's time apart, in the order in which they came up."""
    world, ran = World(strategy="fifo"), list[object]()
    host = world.host("a")

    def note(number):
        ran.append((number, world.loop.time_ns))

    async def main():
        life = started(host, lambda: asyncio.sleep(1000))
        await asyncio.sleep(1)
        world.loop.slow(life, 7)
        for number in range(4):
            world.loop.call_soon(note, number, context=host.context())
        cancelled = world.loop.call_soon(ran.append, "never", context=host.context())
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.sleep(1)

    world.run(main())
    assert [(number, SECOND_NS + 7 * number) for number in range(4)] == ran


def test_turns_of_cancelled_callbacks_do_not_pile_up():
    """A slow life that sets and cancels for ever keeps few turns."""
    world = World(strategy="fifo")
    host = world.host("a")

    async def main():
        life = started(host, lambda: asyncio.sleep(1000))
        await asyncio.sleep(1)
        world.loop.slow(life, SECOND_NS)
        for _ in range(3000):
            handle = world.loop.call_soon(print, context=host.context())
            await asyncio.sleep(0)
            handle.cancel()
        return len(world.loop._brakes.lives[life].turns)

    assert world.run(main()) <= 257


def test_full_speed_again_costs_nothing():
    """A life that has caught up is no longer looked at."""
    ticker = Ticker()

    async def script(life):
        ticker.loop.slow(life, 5)
        await asyncio.sleep(2)
        ticker.loop.slow(life, 0)
        await asyncio.sleep(2)
        assert not ticker.loop._brakes.lives

    ticker.run(script)


def test_time_of_a_step_cannot_be_negative():
    """A step cannot end before it begins."""
    ticker = Ticker()

    async def script(life):
        with pytest.raises(ValueError, match="-1 ns"):
            ticker.loop.slow(life, -1)

    ticker.run(script)


def test_paused_and_slow_runs_are_the_same_each_time():
    """Brakes draw nothing of their own: the same seed gives the same digest."""

    def once():
        world = World(3)
        host = world.host("a")

        async def busy():
            await asyncio.gather(*(asyncio.sleep(n / 10) for n in range(20)))

        async def main():
            life = started(host, busy)
            world.loop.slow(life, 1_000_000)
            await asyncio.sleep(0.5)
            world.loop.hold(life)
            await asyncio.sleep(1)
            world.loop.release(life)
            await asyncio.sleep(10)

        world.run(main())
        return world.trace.digest()

    assert once() == once()

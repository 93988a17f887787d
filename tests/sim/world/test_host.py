"""Hosts: start, power loss, restart."""

import asyncio
import contextvars
import gc
import itertools
import sys
import time

import pytest

from kelpie_sim.errors import HostDead, SimulationError, Stalled
from kelpie_sim.world.host import check_alive, current_host
from tests.sim.programs import World


class Witness:
    """A port that fences: it writes down what a living host does to the world."""

    def __init__(self, world, name="server"):
        self.host = world.host(name)
        self.seen = []

    def touch(self, what):
        """Have an effect, if the host that this port was made for still lives."""
        check_alive(self.host, self.host.incarnation)
        self.seen.append(what)

    async def ticking(self):
        """Touch the world each second, and once more at the end."""
        try:
            while True:
                await asyncio.sleep(1)
                self.touch("tick")
        finally:
            self.touch("finally")


def test_crash_runs_no_finally():
    """After a power loss nothing of the host reaches the world, collected or not."""

    async def main():
        async def generator():
            try:
                yield 1
            finally:
                witness.touch("generator")

        async def busy():
            held = generator()
            await anext(held)
            try:
                async with asyncio.timeout(100), asyncio.TaskGroup() as group:
                    group.create_task(witness.ticking())
                    group.create_task(witness.ticking())
                    await asyncio.shield(asyncio.create_task(witness.ticking()))
            except BaseException as error:
                witness.touch(f"except {error!r}")
                raise
            finally:
                witness.touch("finally")

        loop = asyncio.get_running_loop()
        witness.host.start(busy)
        witness.host.context().run(loop.call_later, 3, witness.touch, "timer")
        witness.host.context().run(loop.run_in_executor, None, witness.touch, "job")
        await asyncio.sleep(1.5)
        witness.host.crash()
        gc.collect()
        await asyncio.sleep(10)
        return list(witness.seen), [task.get_name() for task in asyncio.all_tasks()]

    world = World()
    witness = Witness(world)
    seen, names = world.run(main())
    assert (["job", *["tick"] * 3], ["1:main"], seen) == (seen, names, witness.seen)


def test_crash_from_inside_stops_the_step():
    """A step that cuts its own power goes no further: HostDead unwinds it, and no port answers any more."""

    async def main():
        async def suicidal():
            try:
                witness.host.crash()
                witness.seen.append("went on")
            except Exception as error:
                witness.seen.append(error)
            finally:
                witness.touch("finally")

        task = witness.host.start(suicidal)
        await asyncio.sleep(1)
        return task.done(), witness.host.alive

    world = World()
    witness = Witness(world)
    assert ((True, False), [], ()) == (world.run(main()), witness.seen, world.loop.lost_exceptions())


def test_nobody_learns_of_a_death():
    """A task that waits for a task of a dead host waits for ever, also when that one died in mid-step."""

    async def crashing():
        host.crash()

    async def main():
        await host.start(crashing)

    world = World()
    host = world.host("server")
    with pytest.raises(Stalled, match="1:main waits"):
        world.run(main())


def test_dead_code_is_not_woken():
    """What was ready to run, or is woken later by the living, does not run after a crash."""

    async def waiting(future):
        await future
        seen.append("woken")

    async def starting():
        seen.append("started")

    async def main():
        future = asyncio.get_running_loop().create_future()
        host.start(lambda: waiting(future))
        await asyncio.sleep(1)
        host.spawn(starting())
        host.crash()
        future.set_result(None)
        await asyncio.sleep(1)

    world, seen = World(), list[object]()
    host = world.host("server")
    world.run(main())
    assert [] == seen


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_task_belongs_to_its_host_from_the_start():
    """A task that runs before it is scheduled, in an empty context, is the host's none the less."""

    async def who():
        seen.append(current_host())

    async def program():
        asyncio.get_running_loop().set_task_factory(vars(asyncio)["eager_task_factory"])
        await asyncio.create_task(who(), context=contextvars.Context())

    async def main():
        await host.start(program)

    world, seen = World(), list[object]()
    host = world.host("server")
    world.run(main())
    assert [host] == seen


def test_what_a_dying_step_schedules_never_happens():
    """A host that catches its own death still cannot set a timer or start a task."""

    async def main():
        async def stubborn():
            try:
                host.crash()
            except HostDead as error:
                seen.append(type(error))
                loop = asyncio.get_running_loop()
                loop.call_soon(seen.append, "soon")
                loop.call_later(1, seen.append, "later")
                task = asyncio.create_task(asyncio.sleep(0))
                task.add_done_callback(lambda task: seen.append("task"))
                await asyncio.sleep(1)
                seen.append("went on")

        host.start(stubborn)
        await asyncio.sleep(5)

    world, seen = World(), list[object]()
    host = world.host("server")
    world.run(main())
    assert [HostDead] == seen


def test_dead_timer_moves_no_time():
    """A timer of a dead host does not keep the run going."""

    async def main():
        host.start(lambda: asyncio.sleep(1000))
        await asyncio.sleep(1)
        host.crash()
        await asyncio.Event().wait()

    world = World()
    host = world.host("server")
    with pytest.raises(Stalled):
        world.run(main())
    assert 10**9 == world.loop.time_ns


def test_restart_runs_main_again():
    """A restart is a new incarnation with the same main; the old one is fenced."""

    async def program():
        assert current_host() is host
        seen.append(host.incarnation)
        await asyncio.sleep(100)

    async def main():
        first = host.start(program)
        await asyncio.sleep(1)
        host.restart()
        await asyncio.sleep(1)
        check_alive(host, 2)
        with pytest.raises(HostDead, match="no longer in incarnation 1"):
            check_alive(host, 1)
        return first.done(), host.alive

    world, seen = World(), list[object]()
    host = world.host("server")
    assert ((False, True), [1, 2]) == (world.run(main()), seen)


def test_host_can_restart_itself():
    """A host that restarts itself ends its step and comes up again."""

    async def program():
        seen.append(host.incarnation)
        if host.incarnation < 3:
            await asyncio.sleep(1)
            host.restart()
            seen.append("went on")

    async def main():
        host.start(program)
        await asyncio.sleep(10)

    world, seen = World(), list[object]()
    host = world.host("server")
    world.run(main())
    assert [1, 2, 3] == seen


def test_system_exit_ends_the_host():
    """SystemExit in any of a host's tasks ends that host only, and leaves its exit code."""

    async def child():
        raise SystemExit(3)

    async def program():
        await asyncio.gather(child(), asyncio.sleep(100))

    async def leaving():
        raise SystemExit

    async def main():
        host.start(program)
        other.start(leaving)
        await asyncio.sleep(1)

    world = World()
    host, other = world.host("server"), world.host("other")
    world.run(main())
    assert (3, False, 0, False) == (host.exit_code, host.alive, other.exit_code, other.alive)


def test_everything_a_host_makes_is_its_own():
    """Tasks, timers and callbacks belong to the host that made them, even in an empty context."""

    async def who():
        seen.append(current_host())

    async def program():
        loop = asyncio.get_running_loop()
        empty = contextvars.Context
        await asyncio.create_task(who(), context=empty())
        loop.call_soon(lambda: seen.append(current_host()), context=empty())
        loop.call_later(1, lambda: seen.append(current_host()), context=empty())
        await asyncio.to_thread(lambda: seen.append(current_host()))
        await host.spawn(who())
        await asyncio.sleep(2)

    async def main():
        await host.start(program)
        return current_host()

    world, seen = World(), list[object]()
    host = world.host("server")
    assert (None, [host] * 5) == (world.run(main()), seen)


def test_waking_somebody_does_not_adopt_him():
    """A host that wakes a task of the harness does not take it along into its crash."""

    async def main():
        future = asyncio.get_running_loop().create_future()

        async def program():
            future.set_result("woken")
            await asyncio.sleep(100)

        host.start(program)
        await future
        host.crash()
        await asyncio.sleep(1)
        return current_host()

    world = World()
    host = world.host("server")
    assert world.run(main()) is None


def test_crash_hooks_run_in_nobodys_name():
    """What the world does about a crash happens even if the host crashed itself."""

    async def suicidal():
        host.crash()

    async def main():
        loop = asyncio.get_running_loop()

        def tell(crashed):
            loop.call_later(1, seen.append, crashed.name)

        host.on_crash.append(tell)
        host.start(suicidal)
        await asyncio.sleep(2)

    world, seen = World(), list[object]()
    host = world.host("server")
    world.run(main())
    assert ["server"] == seen


def test_host_has_its_own_wall_clock():
    """A jump shows on that host only."""

    async def program():
        seen.append(time.time())

    async def main():
        host.clock.jump(3600 * 10**9)
        await host.start(program)
        return time.time()

    world, seen = World(), list[object]()
    host = world.host("server")
    assert [world.run(main()) + 3600] == seen


def test_wrong_use_is_refused():
    """A host cannot be started twice, restarted before it was started, or used while it is down."""

    async def main():
        coro = asyncio.sleep(0)
        with pytest.raises(SimulationError, match="was never started"):
            host.restart()
        with pytest.raises(HostDead, match="is down"):
            host.spawn(coro)
        coro.close()
        host.crash()
        host.start(lambda: asyncio.sleep(100))
        with pytest.raises(SimulationError, match="runs already"):
            host.start(lambda: asyncio.sleep(100))

    world = World()
    host = world.host("server")
    world.run(main())
    assert 1 == host.incarnation


def test_dead_coroutines_are_closed_after_the_run():
    """The burial ends what was suspended, so nothing is left for the garbage collector to run."""

    async def program():
        try:
            await asyncio.sleep(100)
        finally:
            buried.append(world.loop.is_closed())

    async def main():
        host.start(program)
        await asyncio.sleep(1)
        host.crash()
        await asyncio.sleep(1)
        return list(buried)

    world, buried = World(), list[object]()
    host = world.host("server")
    assert ([], [True]) == (world.run(main()), buried)


def test_pause_stops_and_resume_goes_on():
    """A paused host does nothing, its timers included; when it resumes, what came due comes at once, in order."""

    async def main():
        witness.host.start(witness.ticking)
        await asyncio.sleep(1.5)
        witness.host.pause()
        witness.host.pause()
        seen = [(list(witness.seen), witness.host.paused, witness.host.alive)]
        await asyncio.sleep(10)
        seen.append((list(witness.seen), witness.host.paused, witness.host.alive))
        witness.host.resume()
        witness.host.resume()
        await asyncio.sleep(0.1)
        seen.append((list(witness.seen), witness.host.paused, witness.host.alive))
        return seen

    world = World()
    witness = Witness(world)
    assert [(["tick"], True, True), (["tick"], True, True), (["tick"] * 2, False, True)] == world.run(main())


def test_a_paused_host_that_crashes_is_gone():
    """Power loss ends a pause: the next life ticks once, and the tick that was set aside is lost."""

    async def main():
        witness.host.start(witness.ticking)
        await asyncio.sleep(1.5)
        witness.host.pause()
        await asyncio.sleep(1)
        witness.host.restart()
        await asyncio.sleep(1.5)
        return list(witness.seen), witness.host.paused, witness.host.incarnation

    world = World()
    witness = Witness(world)
    witness_seen, paused, incarnation = world.run(main())
    assert (["tick"] * 2, False, 2) == (witness_seen, paused, incarnation)


def test_all_paused_is_a_stall():
    """When all that is left to run is paused, nothing will ever happen: the stall names the host."""

    async def main():
        task = witness.host.start(witness.ticking)
        await asyncio.sleep(1.5)
        witness.host.pause()
        await asyncio.wait([task])

    world = World()
    witness = Witness(world)
    with pytest.raises(Stalled, match="server"):
        world.run(main())


def test_reformat_tells_the_ports():
    """A reformat cuts the power, tells its hooks after those of the crash, and the host can start again."""

    async def main():
        told = []
        witness.host.on_crash.append(lambda host: told.append(("crash", host.alive)))
        witness.host.on_reformat.append(lambda host: told.append(("reformat", host.alive)))
        witness.host.start(witness.ticking)
        await asyncio.sleep(1.5)
        witness.host.reformat()
        witness.host.reformat()
        witness.host.restart()
        return told, witness.host.incarnation

    world = World()
    witness = Witness(world)
    expected = [("crash", False), ("reformat", False), ("reformat", False)]
    assert (expected, 2) == world.run(main())


def test_reformat_from_inside_stops_the_step():
    """Code that reformats its own host goes no further."""

    async def main():
        async def suicidal():
            witness.host.reformat()
            witness.seen.append("went on")

        witness.host.start(suicidal)
        await asyncio.sleep(1)
        return witness.host.alive

    world = World()
    witness = Witness(world)
    assert (False, []) == (world.run(main()), witness.seen)


def test_slow_makes_steps_take_time():
    """On a slowed host each step takes its time, and none after full speed is back."""

    async def main():
        instants = []

        async def stepping():
            for _ in range(4):
                instants.append(world.loop.time_ns)
                await asyncio.sleep(0)

        witness.host.start(asyncio.Event().wait)
        witness.host.slow(1_000_000)
        await asyncio.sleep(1)
        await asyncio.wait([witness.host.spawn(stepping())])
        witness.host.slow(0)
        await asyncio.wait([witness.host.spawn(stepping())])
        return [b - a for a, b in itertools.pairwise(instants)]

    world = World()
    witness = Witness(world)
    gaps = world.run(main())
    assert ([1_000_000] * 3, [0] * 3) == (gaps[:3], gaps[4:])


def test_a_host_that_is_down_cannot_be_slowed_or_paused():
    """A pause of a host that is down does nothing, and slowing it raises."""

    async def main():
        witness.host.pause()
        with pytest.raises(HostDead):
            witness.host.slow(1)
        return witness.host.paused

    world = World()
    witness = Witness(world)
    assert world.run(main()) is False

"""What the generic scenarios share: how often faults strike, supervisors, and work that runs out."""

from asyncio import Task
from collections.abc import Awaitable, Callable, Iterable, Iterator

from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.simulation import World
from kelpie_sim.world.host import Host

Run = Callable[[World], Awaitable[None]]
OFTEN = (0.0, 0.0, 0.02, 0.2)
SELDOM = (0.0, 0.0, 0.005, 0.03)
# For what may strike after each step of a host.
STEPWISE = (0.0, 0.0, 0.001, 0.005)


class Chances:
    """Draws how often each kind of fault strikes."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm

    def of(self, kind: Callable[..., Fault], rates: tuple[float, ...] = OFTEN, **options: object) -> Fault:
        """Return a fault of this kind, or of none of its kind: at rate 0 it never strikes."""
        name = "_".join(
            (
                getattr(kind, "__name__", ""),
                *(str(value) for value in options.values() if isinstance(value, str | bool)),
            )
        )
        return kind(probability=self._swarm.rate(name, rates), **options)

    def all(
        self, kinds: Iterable[Callable[..., Fault]], rates: tuple[float, ...] = OFTEN, **options: object
    ) -> Iterator[Fault]:
        """Yield a fault of each kind."""
        for kind in kinds:
            yield self.of(kind, rates, **options)


def keep_up(world: World, host: Host, seconds: float = 1.0) -> None:
    """Start a host again whenever it has gone down, as a supervisor would."""

    def boot(incarnation: int) -> None:
        if not host.alive and host.incarnation == incarnation:
            host.restart()

    def went_down(host: Host) -> None:
        world.loop.call_later(seconds, boot, host.incarnation)

    host.on_crash.append(went_down)


async def run_out(world: World, workers: list[Task[object]], seconds: float = 20.0) -> None:
    """Let the workers work under faults, then without any, until they are done."""
    await world.sleep(seconds)
    world.heal()
    await world.settle(lambda: all(task.done() for task in workers), within_seconds=120, what="the work is done")
    for task in workers:
        task.result()

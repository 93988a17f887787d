"""The asyncio programs of tests/sim/programs.py as one scenario: task groups, wait, as_completed, async generators,
finalizers, executor jobs and crashes, one after the other, for the determinism ladder."""

from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World
from tests.sim.programs import PROGRAMS


async def programs(world: World) -> None:
    """Run every program, and record what it saw."""
    for name, program in PROGRAMS.items():
        world.story(f"{name}: {await program()!r}")


ASYNCIO_PROGRAMS = Scenario(name="asyncio-programs", run=programs, doc="What asyncio keeps in sets, and finalizers.")
SCENARIOS = (ASYNCIO_PROGRAMS,)

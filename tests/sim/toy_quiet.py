"""The toy's scenarios that do next to nothing, as a module of their own for the ladder's tests."""

from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World
from tests.sim.toy import QUIET


async def chatty(world: World) -> None:
    """Print something."""
    print("hello")


SCENARIOS = (QUIET, Scenario(name="chatty", run=chatty))

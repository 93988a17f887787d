"""Programs that are right pass under a nemesis, and each that is wrong is caught by the checker that should."""

import pytest

from kelpie_sim.check.linearizability import Linearizable, check_linearizable
from kelpie_sim.check.models import register
from kelpie_sim.check.operations import from_jsonl
from kelpie_sim.outcome import FindingKind
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World, simulate
from tests.sim.check.programs.scenarios import RIGHT, WRONG, register_run

CAUGHT = {
    "register-stale": "InvariantBroken linearizable register",
    "register-hasty": "InvariantBroken linearizable register",
    "store-racy": "InvariantBroken strictly serializable lists",
    "store-dirty": "InvariantBroken strictly serializable lists",
    "lock-hopeful": "InvariantBroken linearizable lock",
    "lock-stubborn": "NotSettled the system settles",
}
SEEDS_MAX = 200


@pytest.mark.parametrize("scenario", RIGHT, ids=lambda scenario: scenario.name)
def test_right_program_passes(scenario):
    """A program that is right stays right under crashes, pauses, cuts and clogs, and comes to its end."""
    assert [] == [outcome.finding for seed in range(6) if (outcome := simulate(scenario, seed)).failed]


@pytest.mark.parametrize("scenario", WRONG, ids=lambda scenario: scenario.name)
def test_wrong_program_is_caught(scenario):
    """A planted bug is found within a few seeds, and called by the law that it breaks."""
    found = next(finding for seed in range(SEEDS_MAX) if (finding := simulate(scenario, seed).finding))
    assert CAUGHT[scenario.name] == found.signature.partition(" at ")[0]
    kind = FindingKind.LIVENESS if scenario.name == "lock-stubborn" else FindingKind.CORRECTNESS
    assert kind is found.kind


def test_runs_are_the_same_again():
    """A run with hosts, network, nemesis and clients has the same digest each time."""
    for scenario in RIGHT:
        assert simulate(scenario, 3).digest == simulate(scenario, 3).digest


def test_history_of_a_run_can_be_judged_again_from_its_file():
    """What a run wrote as JSON lines gives the same judgement when it is read back."""
    kept = []

    async def run(world: World) -> None:
        try:
            await register_run("stale")(world)
        finally:
            kept.append(world.history.to_jsonl())

    verdicts = set()
    for seed in range(20):
        failed = simulate(Scenario(name="kept", run=run), seed).failed
        judgement = check_linearizable(from_jsonl(kept[-1]), register())
        assert failed is not isinstance(judgement, Linearizable)
        verdicts.add(failed)
    assert {True, False} == verdicts

"""A seed is one run: Kelpie's own scenario and asyncio's sharp corners on every rung of the ladder, and leaks planted
on purpose, each of which is made harmless, refused or caught.

`make determinism` does the same with a thousand seeds, on every version of Python that it finds.
"""

import pytest

from kelpie_sim.agents.scenarios.mixed import SCENARIOS as MIXED
from kelpie_sim.campaign import Plan, run_campaign, seeds_of
from kelpie_sim.determinism import Divergence, climb
from kelpie_sim.guards import allowed
from kelpie_sim.simulation import simulate
from kelpie_sim.tape import Tape
from tests.asyncio_programs import ASYNCIO_PROGRAMS, STREAMS_LEFT
from tests.leaks import CAUGHT, CAUGHT_LEAKS, REFUSED, SEEDED, SEEDED_LEAKS, with_leak
from tests.sim import toy

(mixed,) = MIXED
SEEDS = seeds_of("determinism", mixed.name, 8)


@pytest.mark.parametrize(
    ("scenario", "module", "seeds"),
    [
        (mixed, "kelpie_sim.agents.scenarios", SEEDS),
        (ASYNCIO_PROGRAMS, "tests.asyncio_programs", range(20)),
        (STREAMS_LEFT, "tests.asyncio_programs", range(20)),
        (SEEDED_LEAKS, "tests.leaks", range(5)),
    ],
    ids=["mixed", "asyncio programs", "streams left", "seeded leaks"],
)
def test_no_rung_makes_a_difference(scenario, module, seeds):
    """The same seeds give the same digests on every rung."""
    ladder = climb(scenario, module, seeds, jobs=2)
    assert ladder.divergences == ()
    assert (ladder.seeds, ladder.diverged) == (len(seeds), 0)


def test_streams_are_left_without_a_finding():
    """The scenario of dropped streams finds nothing wrong by itself."""
    assert [simulate(STREAMS_LEFT, seed).finding for seed in range(10)] == [None] * 10


def test_some_seeds_use_sqlite():
    """The few seeds above cover both backends of the scenario."""
    assert {simulate(mixed, seed).options["sqlite"] for seed in SEEDS} == {False, True}


def test_tape_alone_replays_a_run():
    """Whatever the seed, the choices on the tape make the run."""
    for seed in SEEDS:
        tape = Tape()
        digest = simulate(mixed, seed, tape=tape).digest
        assert simulate(mixed, seed + 1, tape=Tape.replaying(tape.to_json())).digest == digest


def test_replay_has_the_digest_of_the_campaign():
    """A failing seed, run again alone, is the very run that the campaign saw, in another process, after other seeds."""
    plan = Plan(module="tests.sim.toy_failing", scenarios=("count-unlocked",), seeds=20, jobs=2)
    (found,) = run_campaign(plan).found
    outcome = found.outcome
    assert simulate(toy.UNLOCKED, outcome.seed).digest == outcome.digest


@pytest.mark.parametrize("name", SEEDED)
def test_leak_is_seeded_by_its_guard(name):
    """A leak gives the same in each run, which is not what it gives outside."""
    outside = SEEDED[name]()
    digest = simulate(with_leak(SEEDED[name]), 1).digest
    assert simulate(with_leak(SEEDED[name]), 1).digest == digest
    assert simulate(with_leak(lambda: outside), 1).digest != digest


@pytest.mark.parametrize("name", REFUSED)
def test_leak_is_refused_by_name(name):
    """With the guards a leak ends the run by the name of its call; with the guards aside it goes through."""
    leak, call = REFUSED[name]

    def unguarded() -> object:
        with allowed():
            return leak()

    finding = simulate(with_leak(leak), 1).finding
    assert finding is not None
    assert finding.message.startswith(call)
    assert simulate(with_leak(unguarded), 1).finding is None


@pytest.fixture(scope="module")
def divergences() -> tuple[Divergence, ...]:
    """Where the runs of each leak part that no guard can see."""
    # Each leak thrice: an order of addresses may once be the same by chance.
    return climb(CAUGHT_LEAKS, "tests.leaks", range(3 * len(CAUGHT)), jobs=2, explained_max=1_000).divergences


@pytest.mark.parametrize("name", CAUGHT)
def test_leak_is_caught_by_the_ladder(divergences, name):
    """The ladder says that the runs differ, on the rungs that are meant for it, and names the record."""
    caught = [each for each in divergences if each.seed % len(CAUGHT) == list(CAUGHT).index(name)]
    assert CAUGHT[name][1] - {each.rung for each in caught} == frozenset()
    assert {each.here.partition(": ")[2].startswith(f"leak {name!r} ") for each in caught if each.here} == {True}

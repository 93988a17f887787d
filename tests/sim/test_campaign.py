"""Many seeds, many processes, one table."""

import itertools
from collections.abc import Iterator

import attrs
import pytest

from kelpie_sim.batch import Batch
from kelpie_sim.campaign import Plan, run_campaign, seed_of, seeds_of
from kelpie_sim.executors import Results, in_process
from kelpie_sim.journal import Journal
from kelpie_sim.scenario import UnknownScenario
from kelpie_sim.simulation import simulate
from kelpie_sim.tally import CampaignResult, Found, Progress, Row
from tests.sim import toy

GOOD = Plan(module="tests.sim.toy")
BAD = Plan(module="tests.sim.toy_failing", scenarios=("count-unlocked",))


def row(result: CampaignResult, name: str) -> Row:
    return next(row for row in result.rows if row.scenario == name)


def test_every_scenario_runs_its_own_number_of_seeds():
    """Without a number each scenario runs its own, and all are in the table in their order."""
    result = run_campaign(GOOD)
    assert [(each.scenario, each.seeds) for each in result.rows] == [
        (scenario.name, scenario.seeds) for scenario in toy.SCENARIOS
    ]
    assert (result.found, result.unreached, result.exit_code) == ((), (), 0)


def test_table_adds_up_the_runs():
    """A row is the sum of its runs."""
    seeds = seeds_of("kelpie", "mail", 10)
    outcomes = [simulate(toy.MAIL, seed) for seed in seeds]
    mail = row(run_campaign(attrs.evolve(GOOD, scenarios=("mail",), seeds=10)), "mail")
    assert mail.steps == sum(outcome.steps for outcome in outcomes)
    assert mail.virtual_ns == sum(outcome.virtual_ns for outcome in outcomes)
    assert mail.faults["LetterLost"].fired == sum(outcome.faults[0].fired for outcome in outcomes)
    assert mail.sometimes == {"harm done": sum(outcome.sometimes["harm done"] for outcome in outcomes)}
    assert mail.invariants == {"checks in place": 10}


def test_processes_make_no_difference():
    """One process or two: the same table."""

    def without_time(result: CampaignResult) -> list[Row]:
        return [attrs.evolve(each, seconds=0) for each in result.rows]

    plan = attrs.evolve(BAD, seeds=12)
    assert without_time(run_campaign(plan)) == without_time(run_campaign(attrs.evolve(plan, jobs=2)))


def test_findings_are_told_once_by_their_shortest_run():
    """Seeds that fail alike are one finding, shown by the run of fewest steps."""
    result = run_campaign(attrs.evolve(BAD, seeds=20))
    outcomes = [simulate(toy.UNLOCKED, seed) for seed in seeds_of("kelpie", "count-unlocked", 20)]
    failed = [outcome for outcome in outcomes if outcome.failed]
    shortest = min(failed, key=lambda outcome: (outcome.steps, outcome.seed))
    assert result.found == (Found(outcome=shortest, seeds=len(failed)),)
    assert result.exit_code == 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_fail_fast_stops_at_the_first_finding(jobs):
    """With fail_fast the campaign counts one failing seed and ends long before its plan does."""
    result = run_campaign(attrs.evolve(BAD, seeds=2_000, jobs=jobs, fail_fast=True))
    assert [found.seeds for found in result.found] == [1]
    assert result.rows[0].seeds < 50


def test_progress_goes_up_to_the_end():
    """Progress counts seeds and findings as batches come back."""
    seen: list[Progress] = []
    run_campaign(attrs.evolve(BAD, seeds=20), seen.append)
    assert [at.seeds_done for at in seen] == [5, 10, 15, 20]
    assert seen[-1] == Progress(scenario="count-unlocked", seeds_done=20, seeds_all=20, findings=1)


def test_unknown_scenario_is_refused():
    """A name that is not there stops the campaign before it starts."""
    with pytest.raises(UnknownScenario, match="'no-such'"):
        run_campaign(attrs.evolve(GOOD, scenarios=("no-such",)))


def test_seeds_follow_from_base_name_and_index():
    """Another base or name gives other seeds; more seeds keep the first ones."""
    assert seeds_of("kelpie", "mail", 3) == seeds_of("kelpie", "mail", 5)[:3]
    assert len({seed_of(base, name, 0) for base in ("a", "b") for name in ("x", "y")}) == 4
    assert max(seeds_of("kelpie", "mail", 1_000)) < 2**32


def test_campaign_is_thorough_from_the_scenarios_own_number_on():
    """A campaign of fewer seeds than a scenario asks for is not thorough."""
    plan = attrs.evolve(GOOD, scenarios=("count-once",))
    assert [run_campaign(attrs.evolve(plan, seeds=seeds)).thorough for seeds in (4, 5, 6)] == [False, True, True]


def counts(result: CampaignResult) -> list[Row]:
    return [attrs.evolve(each, seconds=0) for each in result.rows]


def test_a_campaign_that_was_cut_off_goes_on(tmp_path):
    """With a journal, only what is missing is run, with other batches even, and the table is that of one piece."""
    plan = attrs.evolve(BAD, seeds=30)
    whole = run_campaign(plan)

    class Cut(Exception):
        pass

    def cut(at: Progress) -> None:
        if at.seeds_done >= 16:
            raise Cut

    with Journal(tmp_path / "journal", plan.header) as journal, pytest.raises(Cut):
        run_campaign(plan, cut, journal=journal)
    seen: list[Progress] = []
    with Journal(tmp_path / "journal", plan.header) as again:
        resumed = run_campaign(attrs.evolve(plan, jobs=2), seen.append, journal=again, executor=in_process)
    assert counts(resumed) == counts(whole)
    assert seen[0].seeds_done > 16


def test_an_endless_campaign_ends_with_its_time():
    """An endless campaign draws other seeds each round, and stops when its time is over."""
    batches: list[Batch] = []

    def noting(left: Iterator[Batch]) -> Results:
        for batch in itertools.islice(left, 4):
            batches.append(batch)
            yield batch, Row(scenario=batch.scenario, seeds=len(batch.seeds))

    plan = attrs.evolve(BAD, seeds=2, endless=True, jobs=1)
    run_campaign(plan, executor=noting)
    assert [(batch.round, batch.first) for batch in batches] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len({seed for batch in batches for seed in batch.seeds}) == 4
    timed = run_campaign(attrs.evolve(plan, seconds_max=0.05))
    assert timed.seconds < 5
    assert timed.interrupted is False


def test_an_interrupt_ends_with_the_table_so_far():
    """An interrupt keeps what came back until then, and says so."""

    def interrupted(left: Iterator[Batch]) -> Results:
        for batch in left:
            yield batch, Row(scenario=batch.scenario, seeds=len(batch.seeds))
            raise KeyboardInterrupt

    result = run_campaign(attrs.evolve(BAD, seeds=20), executor=interrupted)
    assert (result.interrupted, result.rows[0].seeds) == (True, 5)


def test_another_strategy_is_used():
    """A campaign may search by another strategy than the scenario's own: in asyncio's own order all seeds are alike."""
    seeds = [
        [found.seeds for found in run_campaign(attrs.evolve(BAD, seeds=20, strategy=name)).found]
        for name in ("fifo", "random")
    ]
    assert (20, True) == (seeds[0][0], seeds[1][0] < 20)

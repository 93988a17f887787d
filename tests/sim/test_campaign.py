"""Many seeds, many processes, one table."""

import attrs
import pytest

from kelpie_sim.campaign import CampaignResult, Found, Plan, Progress, Row, row_of, run_campaign, seed_of, seeds_of
from kelpie_sim.faults import FaultReport
from kelpie_sim.outcome import Finding, FindingKind, Outcome
from kelpie_sim.scenario import UnknownScenario
from kelpie_sim.simulation import simulate
from tests.sim import toy

GOOD = Plan(module="tests.sim.toy")
BAD = Plan(module="tests.sim.toy_failing", scenarios=("count-unlocked",))


def row(result: CampaignResult, name: str) -> Row:
    return next(row for row in result.rows if row.scenario == name)


def failure(kind: FindingKind, steps: int, seed: int = 1) -> Outcome:
    finding = Finding(kind=kind, signature=kind.value, message="")
    return Outcome(
        scenario="made", seed=seed, digest="", records=0, steps=steps, virtual_ns=0, python="", finding=finding
    )


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


def test_search_that_is_blind_fails():
    """What has to happen and never does fails a thorough campaign, and no shorter one."""
    blind = CampaignResult(rows=(Row(scenario="mail", sometimes={"harm done": 0}),), seconds=1, thorough=True)
    assert (blind.unreached, blind.exit_code) == (("mail: harm done",), 1)
    assert attrs.evolve(blind, thorough=False).exit_code == 0


def test_campaign_is_thorough_from_the_scenarios_own_number_on():
    """A campaign of fewer seeds than a scenario asks for is not thorough."""
    plan = attrs.evolve(GOOD, scenarios=("count-once",))
    assert [run_campaign(attrs.evolve(plan, seeds=seeds)).thorough for seeds in (4, 5, 6)] == [False, True, True]


def test_gravest_finding_gives_the_exit_code():
    """Correctness is graver than liveness, liveness than a crash."""
    rows = tuple(row_of(failure(kind, 1)) for kind in (FindingKind.CRASH, FindingKind.LIVENESS))
    assert CampaignResult(rows=rows, seconds=1, thorough=True).exit_code == 3


def test_kinds_that_never_fired_are_listed():
    """A kind of fault that did nothing in all runs is named."""
    faults = {"A": FaultReport(kind="A", matched=5, fired=1), "B": FaultReport(kind="B", matched=5)}
    assert Row(scenario="made", faults=faults).never_fired == ("B",)


def test_shorter_run_stands_for_a_finding():
    """Adding findings keeps the run of fewest steps."""
    long, short = (
        Found(outcome=failure(FindingKind.CRASH, 9)),
        Found(outcome=failure(FindingKind.CRASH, 3, seed=8), seeds=2),
    )
    assert long + short == Found(outcome=short.outcome, seeds=3)

"""What runs come to, added up."""

import attrs

from kelpie_sim.campaign import seeds_of
from kelpie_sim.faults import FaultReport
from kelpie_sim.outcome import Finding, FindingKind, Outcome
from kelpie_sim.simulation import simulate
from kelpie_sim.tally import CampaignResult, Found, Row, merged, row_of
from tests.sim import toy


def failure(kind: FindingKind, steps: int, seed: int = 1) -> Outcome:
    finding = Finding(kind=kind, signature=kind.value, message="")
    return Outcome(
        scenario="made", seed=seed, digest="", records=0, steps=steps, virtual_ns=0, python="", finding=finding
    )


def test_search_that_is_blind_fails():
    """What has to happen and never does fails a thorough campaign, and no shorter one."""
    blind = CampaignResult(rows=(Row(scenario="mail", sometimes={"harm done": 0}),), seconds=1, thorough=True)
    assert (blind.unreached, blind.exit_code) == (("mail: harm done",), 1)
    assert attrs.evolve(blind, thorough=False).exit_code == 0


def test_gravest_finding_gives_the_exit_code():
    """Correctness is graver than liveness, liveness than a crash."""
    rows = tuple(row_of(failure(kind, 1)) for kind in (FindingKind.CRASH, FindingKind.LIVENESS))
    assert CampaignResult(rows=rows, seconds=1, thorough=True).exit_code == 3


def test_kinds_that_never_fired_are_listed():
    """A kind of fault that did nothing in all runs is named."""
    faults = {"A": FaultReport(kind="A", matched=5, fired=1), "B": FaultReport(kind="B", matched=5)}
    assert Row(scenario="made", faults=faults).never_fired == ("B",)


def test_shortest_run_tells_of_a_failure():
    """Of two runs of one signature the shorter is kept, the lower seed on a tie, and the seeds add up."""
    long, short, tied = (failure(FindingKind.CRASH, steps, seed) for steps, seed in ((9, 1), (4, 7), (4, 3)))
    total = Found(outcome=long) + Found(outcome=short) + Found(outcome=tied)
    assert total == Found(outcome=tied, seeds=3)


def test_faults_add_up_over_scenarios():
    """A campaign counts each kind of fault over all of its scenarios."""
    rows = tuple(Row(scenario=name, faults={"A": FaultReport(kind="A", matched=5, fired=2)}) for name in "xy")
    result = CampaignResult(rows=rows, seconds=1, thorough=True)
    assert result.faults == {"A": FaultReport(kind="A", matched=10, fired=4)}


def test_merging_keeps_what_one_side_has():
    """What only one side has stays as it is."""
    assert merged({"a": 1, "b": 2}, {"b": 3, "c": 4}, lambda x, y: x + y) == {"a": 1, "b": 5, "c": 4}


def test_row_of_a_run_has_its_counts():
    """The row of one run tells what its outcome tells."""
    outcome = simulate(toy.MAIL, seeds_of("kelpie", "mail", 1)[0])
    row = row_of(outcome)
    assert (row.seeds, row.steps, row.virtual_ns) == (1, outcome.steps, outcome.virtual_ns)
    assert tuple(row.faults.values()) == outcome.faults

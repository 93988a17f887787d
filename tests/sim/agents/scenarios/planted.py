"""Running scenarios in their own tests: many seeds for what must happen sometimes, and for finding a planted bug."""

from collections.abc import Sequence

from kelpie_sim.campaign import seeds_of
from kelpie_sim.outcome import Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import simulate

SEEDS_MAX = 100
SOMETIMES_SEEDS_MAX = 250


def named(scenarios: Sequence[Scenario], name: str) -> Scenario:
    """Return the scenario of this name."""
    (found,) = (scenario for scenario in scenarios if scenario.name == name)
    return found


def seeds(scenario: Scenario, count: int = SEEDS_MAX) -> tuple[int, ...]:
    """Return the scenario's seeds for its own test."""
    return seeds_of("own test", scenario.name, count)


def first_finding(scenario: Scenario) -> str:
    """Return what the first failing seed finds; empty if none fails."""
    for seed in seeds(scenario):
        finding = simulate(scenario, seed).finding
        if finding is not None:
            return finding.message
    return ""


def all_findings(scenario: Scenario) -> set[str]:
    """Return what the seeds find."""
    findings = (simulate(scenario, seed).finding for seed in seeds(scenario))
    return {finding.message for finding in findings if finding is not None}


def never_hit(scenario: Scenario) -> set[str]:
    """Run seeds without a finding until all has happened that must sometimes; return what did not."""
    missing = set(scenario.sometimes)
    for seed in seeds(scenario, SOMETIMES_SEEDS_MAX):
        outcome = simulate(scenario, seed)
        assert outcome.finding is None, outcome.finding
        missing -= {name for name, times in outcome.sometimes.items() if times}
        if not missing:
            break
    return missing


def faulty(scenario: Scenario, count: int = 20) -> list[Outcome]:
    """Return the outcomes of seeds in which a fault fired."""
    outcomes = [simulate(scenario, seed) for seed in seeds(scenario, count)]
    return [outcome for outcome in outcomes if any(report.fired for report in outcome.faults)]

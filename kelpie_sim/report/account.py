"""The account of a failure that a campaign or a test has found: run again, made small, written down and told.

Its first line reproduces the failure from its seed; the story, the trace, the timeline and the seed file are those of
the small run, which replays from its tape.
"""

from pathlib import Path

from kelpie_sim.errors import NonDeterminism
from kelpie_sim.outcome import Outcome
from kelpie_sim.report import console
from kelpie_sim.report.artifacts import FOLDER, write_artifacts
from kelpie_sim.scenario import Scenario
from kelpie_sim.shrink.shrinker import Shrunk, shrink
from kelpie_sim.shrink.story import Story, tell
from kelpie_sim.simulation import simulate

SHRINK_SECONDS_MAX = 10.0
ANOTHER_RUN = "the seed was another run in this process: look with `kelpie-sim determinism`"


def account(
    scenario: Scenario,
    outcome: Outcome,
    *,
    reproduce: str,
    folder: Path = FOLDER,
    seeds: int = 1,
    shrink_seconds_max: float = SHRINK_SECONDS_MAX,
) -> str:
    """Write the files of a failed run into a folder and return its account; with no seconds it is not made small."""
    again = simulate(scenario, outcome.seed, keep_trace=True)
    remark = ANOTHER_RUN if again.digest != outcome.digest else ""
    if shrink_seconds_max and not remark:
        try:
            shrunk = shrink(scenario, again, seconds_max=shrink_seconds_max)
            story = tell(scenario, shrunk.outcome)
        except NonDeterminism as error:
            remark = str(error)
        else:
            return small_account(shrunk, story, reproduce=reproduce, folder=folder, found=again, seeds=seeds)
    files = write_artifacts(again, folder) if again.failed else None
    report = console.failure_report(outcome, reproduce=reproduce, artifacts=files, seeds=seeds)
    return f"{report}\n{remark}" if remark else report


def small_account(
    shrunk: Shrunk, story: Story, *, reproduce: str, found: Outcome, folder: Path = FOLDER, seeds: int = 1
) -> str:
    """Write the files of a run that was made small into a folder and return the account of how it was found."""
    files = write_artifacts(story.outcome, folder)
    return console.failure_report(
        found, reproduce=reproduce, artifacts=files, seeds=seeds, shrunk=shrunk_line(shrunk), story=story.lines
    )


def shrunk_line(shrunk: Shrunk) -> str:
    """Return in a line what became of a run."""
    before, after = shrunk.before, shrunk.after
    return (
        f"in {shrunk.runs} runs to {after.deviations} order deviations of {before.deviations},"
        f" {after.faults} faults of {before.faults}, {after.choices} other choices of {before.choices},"
        f" {after.steps} steps of {before.steps}"
    )

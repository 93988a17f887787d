"""What a campaign covered."""

import json

from kelpie_sim.faults import FaultReport
from kelpie_sim.report.coverage import coverage_of, write_coverage
from kelpie_sim.tally import CampaignResult, Row

REPORTS = {"Lost": FaultReport(kind="Lost", matched=9, fired=2), "Late": FaultReport(kind="Late", matched=4)}
RESULT = CampaignResult(
    rows=(
        Row(scenario="mail", seeds=3, faults=REPORTS, sometimes={"harm": 1, "joy": 0}),
        Row(scenario="post", seeds=2, faults={"Lost": FaultReport(kind="Lost", matched=1)}),
    ),
    seconds=1.5,
    thorough=True,
)


def test_faults_are_counted_over_scenarios():
    """Each kind tells how often it could act and did, and in which scenarios."""
    assert coverage_of(RESULT)["faults"] == {
        "Late": {"matched": 4, "fired": 0, "fired_in": []},
        "Lost": {"matched": 10, "fired": 2, "fired_in": ["mail"]},
    }


def test_what_never_happened_is_named(tmp_path):
    """The file names, per scenario, which faults never fired and what was never reached."""
    write_coverage(RESULT, tmp_path / "deep" / "coverage.json")
    mail = json.loads((tmp_path / "deep" / "coverage.json").read_text())["scenarios"]["mail"]
    assert (["Late"], ["joy"], 3) == (mail["never_fired"], mail["never_hit"], mail["seeds"])

"""What a campaign covered, as JSON: which faults fired and how often, what was reached, and what never was.

The file of the last campaign is what the table of faults in the documentation takes its counts from.
"""

import json
from pathlib import Path

from kelpie_sim.simulation import PYTHON
from kelpie_sim.tally import CampaignResult, Row

FORMAT_VERSION = 1


def coverage_of(result: CampaignResult) -> dict[str, object]:
    """Return the coverage as values that JSON has."""
    return {
        "version": FORMAT_VERSION,
        "python": PYTHON,
        "seconds": round(result.seconds, 3),
        "interrupted": result.interrupted,
        "seeds": sum(row.seeds for row in result.rows),
        "findings": len(result.found),
        "faults": {kind: _fault(result, kind) for kind in sorted(result.faults)},
        "scenarios": {row.scenario: _scenario(row) for row in result.rows},
    }


def write_coverage(result: CampaignResult, path: Path) -> None:
    """Write the coverage to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(coverage_of(result), indent=1) + "\n", encoding="utf-8")


def _fault(result: CampaignResult, kind: str) -> dict[str, object]:
    report = result.faults[kind]
    fired_in = [row.scenario for row in result.rows if kind in row.faults and row.faults[kind].fired]
    return {"matched": report.matched, "fired": report.fired, "fired_in": fired_in}


def _scenario(row: Row) -> dict[str, object]:
    return {
        "seeds": row.seeds,
        "steps": row.steps,
        "virtual_seconds": row.virtual_ns // 1_000_000_000,
        "invariants": dict(row.invariants),
        "sometimes": dict(row.sometimes),
        "watermarks": dict(row.watermarks),
        "buggify": dict(row.buggify),
        "never_hit": row.never_hit,
        "never_fired": row.never_fired,
        "findings": {signature: found.seeds for signature, found in row.found.items()},
    }

"""Each guard of the core, taken away, is found by a scenario. A guard that nobody misses is not tested."""

from pathlib import Path

import pytest

from tests.quality.ablation import Ablation, apply, copy_packages, read_ablations, simulate

CASES = tuple((ablation, scenario) for ablation in read_ablations() for scenario in ablation.scenarios)
FOUND = (1, 3, 4)
"""The exit codes of a correctness, a liveness and a crash finding: not of wrong usage, not of non-determinism."""


@pytest.mark.parametrize(("ablation", "scenario"), CASES, ids=[f"{each.name}-{name}" for each, name in CASES])
def test_guard_is_missed(ablation: Ablation, scenario: str, tmp_path: Path) -> None:
    """Without this guard the scenario ends with a finding within 200 seeds."""
    copy_packages(tmp_path)
    apply(ablation, tmp_path)
    done = simulate(tmp_path, scenario)
    assert any(done.returncode == code for code in FOUND), done.stdout + done.stderr


def test_copy_is_sound(tmp_path: Path) -> None:
    """With all guards on, the copy has no finding: what finds an ablation is the ablation."""
    copy_packages(tmp_path)
    done = simulate(tmp_path, "turn-faults", seeds=20)
    assert done.returncode == 0, done.stdout + done.stderr

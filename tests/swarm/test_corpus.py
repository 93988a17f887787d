"""Every failure that was ever found and saved in seeds/ is replayed, and none comes back."""

from pathlib import Path

import pytest

from kelpie_sim.agents.scenarios import SCENARIOS
from kelpie_sim.corpus import load_all, replay

SEEDS = Path(__file__).parents[2] / "seeds"
ENTRIES = load_all(SEEDS)


def test_corpus_is_not_empty():
    """The corpus holds what was found while Kelpie was built: an empty one would be replayed in vain."""
    assert ENTRIES


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.file_name.removesuffix(".toml"))
def test_failure_does_not_come_back(entry):
    """A failing seed goes well, along its tape or from its seed, and its entry says what put it right."""
    outcome = replay(entry, {scenario.name: scenario for scenario in SCENARIOS})
    assert outcome.finding is None, outcome.finding
    assert entry.fix

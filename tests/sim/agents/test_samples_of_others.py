"""The agent files of others, if they lie beside the project: each goes in and comes out whole, with faults and without.

KELPIE_AGENT_FILES says where they are.
"""

import pytest

from kelpie_sim.agents.samples import OTHERS, SAMPLES_OF_OTHERS
from kelpie_sim.agents.scenarios.transfers import import_export_of, import_interrupted_of

SEEDS_EACH = 4


@pytest.mark.skipif(not OTHERS.is_dir(), reason="there is no folder of other agent files")
def test_there_are_some():
    """A folder that is there has files: none of them is passed over in silence."""
    assert {path.name for path in OTHERS.glob("*.af")} == {sample.name for sample in SAMPLES_OF_OTHERS}
    assert SAMPLES_OF_OTHERS


@pytest.mark.parametrize("sample", SAMPLES_OF_OTHERS, ids=lambda sample: sample.name)
@pytest.mark.parametrize("harmed", [False, True], ids=["calm", "harmed"])
def test_goes_in_and_comes_out(sample, harmed, simulate):
    """The export says what the file says, and so does the export of its import; a turn in between reads it all."""
    outcomes = simulate(import_export_of(sample, harmed=harmed), seeds=SEEDS_EACH)
    assert all(f"the file is {sample.name}" in outcome.story[0] for outcome in outcomes)


@pytest.mark.parametrize("sample", SAMPLES_OF_OTHERS, ids=lambda sample: sample.name)
def test_is_whole_or_not_there(sample, simulate):
    """An import that is broken off leaves nothing, one that goes through leaves the whole file."""
    simulate(import_interrupted_of(sample), seeds=SEEDS_EACH)

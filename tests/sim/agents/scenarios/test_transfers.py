"""The scenarios of agent files: what they mean to reach is reached, and a file that comes out short is found."""

import pytest

from kelpie_core.errors import StoreError
from kelpie_core.service.transfer import Transfer
from kelpie_sim.agents.samples import SAMPLES
from kelpie_sim.agents.scenarios.transfers import SCENARIOS, import_export_of, import_interrupted_of
from kelpie_sim.simulation import simulate
from tests.sim.agents.scenarios.planted import faulty, first_finding, named, never_hit

IMPORT, EXPORT = Transfer.import_file, Transfer.export_file


def test_imports_break_off_and_go_through():
    """Within the seeds some imports are broken off and some go through."""
    assert set() == never_hit(named(SCENARIOS, "import-interrupted"))


@pytest.mark.parametrize(
    "name", ["import-export-faults", "import-write-fail", "import-interrupted", "import-at-once", "export-read-fail"]
)
def test_harm_is_done(name):
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(named(SCENARIOS, name), 8)
    assert len(outcomes) >= 2
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
@pytest.mark.parametrize("harmed", [False, True], ids=["calm", "harmed"])
def test_each_sample_has_its_scenario(sample, harmed):
    """Each of our own files goes in and out, with faults and without, and the story names it."""
    outcome = simulate(import_export_of(sample, harmed=harmed), 1)
    assert outcome.finding is None
    assert any(line.endswith(f"the file is {sample.name}") for line in outcome.story)


def test_import_of_a_sample_is_interrupted():
    """A file of one's choice can be broken off too."""
    outcome = simulate(import_interrupted_of(SAMPLES[-1]), 1)
    assert outcome.finding is None
    assert any(line.endswith(f"the file is {SAMPLES[-1].name}") for line in outcome.story)


async def swallowing(self, data, options):
    """Import and say nothing of a failure."""
    try:
        return await IMPORT(self, data, options)
    except StoreError as error:
        return (str(error),)


async def changed(self, agent_id):
    """Export other words than those of the history."""
    async for piece in EXPORT(self, agent_id):
        yield piece.replace(b"High water", b"Low water")


async def nothing_read(self, agent_id):
    """Export an empty document instead of an error."""
    yield b"{}"


PLANTED = (
    (
        "import-write-fail",
        "import_file",
        swallowing,
        "transfer: an import whose messages cannot be stored did not fail",
    ),
    ("export-read-fail", "export_file", nothing_read, "transfer: an export whose messages cannot be read did not fail"),
)


@pytest.mark.parametrize(("name", "method", "planted", "words"), PLANTED, ids=[row[0] for row in PLANTED])
def test_swallowed_failure_is_found(name, method, planted, words, monkeypatch):
    """An import or export that says nothing of its failure is found."""
    monkeypatch.setattr(Transfer, method, planted)
    assert words == first_finding(named(SCENARIOS, name))


def test_changed_history_is_found(monkeypatch):
    """An export with other words differs from the file."""
    monkeypatch.setattr(Transfer, "export_file", changed)
    assert "transfer: the export differs from the file" == first_finding(named(SCENARIOS, "import-export"))

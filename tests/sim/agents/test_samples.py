"""The agent files that scenarios import."""

from pathlib import Path

from kelpie_sim.agents import samples
from kelpie_sim.agents.samples import OWN, SAMPLES, read_samples


def test_own_samples_come_with_the_package():
    """Our own files lie in the package, of both generations, each with the names of its agents."""
    assert Path(samples.__file__).parent == OWN.parent
    assert [
        ("gardeners.af", ("Ada: plans / beds", "Bo")),
        ("keeper_legacy.af", ("keeper",)),
        ("tide_diary.af", ("tide_diary",)),
    ] == [(sample.name, sample.agent_names) for sample in SAMPLES]
    assert [(OWN / sample.name).read_bytes() for sample in SAMPLES] == [sample.data for sample in SAMPLES]


def test_folder_that_is_not_there_has_none(tmp_path):
    """A folder that is not there holds no samples."""
    assert () == read_samples(tmp_path / "none")


def test_samples_come_by_name(tmp_path):
    """Which sample a seed picks does not depend on the order in which a disk lists them."""
    for name in ("b.af", "a.af"):
        (tmp_path / name).write_text('{"name": "Ada"}')
    assert ["a.af", "b.af"] == [sample.name for sample in read_samples(tmp_path)]

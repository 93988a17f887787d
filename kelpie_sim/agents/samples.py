"""The agent files that scenarios import: the project's own, and those beside the project if there are any.

Which of its own files a seed picks must not depend on what lies beside the project, so the others are a list apart.
They are read when this module is imported: inside a run there are no files. `tools/write_samples.py` writes our own.
"""

import json
import os
from pathlib import Path

import attrs

OWN = Path(__file__).with_name("sample_files")
OTHERS = Path(os.environ.get("KELPIE_AGENT_FILES", Path(__file__).parents[3] / "shared" / "agent_files"))


@attrs.frozen(kw_only=True)
class Sample:
    """An agent file."""

    name: str
    data: bytes = attrs.field(repr=False)
    agent_names: tuple[str, ...]


def read_samples(folder: Path) -> tuple[Sample, ...]:
    """Return the agent files of a folder by name; none if it is not there."""
    return tuple(_sample(path) for path in sorted(folder.glob("*.af")))


def _sample(path: Path) -> Sample:
    data = path.read_bytes()
    document = json.loads(data)
    names = tuple(agent["name"] for agent in document.get("agents", (document,)))
    return Sample(name=path.name, data=data, agent_names=names)


SAMPLES = read_samples(OWN)
SAMPLES_OF_OTHERS = read_samples(OTHERS)

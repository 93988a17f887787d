"""The bytes of agent files of either generation to their value."""

from pathlib import Path

import pytest

from kelpie_core.model.content import text_of
from kelpie_core.wire.agent_file_reader import read_agent_file
from tests.agent_files import REAL, SAMPLES, bytes_of, document_of
from tools import write_samples


@pytest.mark.parametrize("name", write_samples.SAMPLES)
def test_samples_are_what_the_script_writes(name: str) -> None:
    """The committed samples are those that their script writes."""
    assert write_samples.written(name) == (SAMPLES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encoding_does_not_matter(encoding: str) -> None:
    """A file gives the same value in each encoding."""
    data = (SAMPLES / "gardeners.af").read_bytes()
    value = read_agent_file(data, bytes_max=1_000_000)
    assert value == read_agent_file(data.decode().encode(encoding), bytes_max=1_000_000)


def test_text_survives() -> None:
    """Odd characters, NUL among them, come through as they are."""
    file = read_agent_file((SAMPLES / "gardeners.af").read_bytes(), bytes_max=1_000_000)
    expected = "Grüße! \x00 \u202eabc\u202c \U0001f9d1\u200d\U0001f33e \ufb00 \ufeff end"
    assert expected == text_of(file.agents[0].messages[1].content)


def test_agents_win() -> None:
    """A document with agents is of the new generation, whatever else it has."""
    document = document_of() | {"agent_type": "memgpt_agent", "messages": []}
    file = read_agent_file(bytes_of(document), bytes_max=10_000)
    assert {"agent_type": "memgpt_agent", "messages": []} == file.extra


@pytest.mark.skipif(not REAL.is_dir(), reason="no real agent files here; KELPIE_AGENT_FILES names their folder")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("composio_github_star_agent.af", (10, 10, 2, 7)),
        ("customer_service.af", (4, 4, 2, 10)),
        ("deep-thought.af", (2, 2, 5, 9)),
        ("deep_research_agent.af", (4, 4, 3, 5)),
        ("max_messages.af", (31, 31, 0, 5)),
        ("outreach_workflow_agent.af", (10, 1, 0, 4)),
        ("test_basic_agent_with_blocks_tools_messages_v2.af", (7, 7, 3, 7)),
    ],
)
def test_real_file(name: str, expected: tuple[int, ...]) -> None:
    """A real file holds as many messages, messages in the window, blocks and tools as it should."""
    file = read_agent_file(Path(REAL, name).read_bytes(), bytes_max=1_000_000)
    (entry,) = file.agents
    in_window = sum(span.end - span.first for span in entry.window)
    assert expected == (len(entry.messages), in_window, len(file.blocks), len(file.tools))

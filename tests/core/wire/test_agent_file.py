"""The value of an agent file."""

from kelpie_core.wire.agent_file import TIME_UNKNOWN, AgentEntry, AgentFile
from kelpie_core.wire.agent_file_reader import read_agent_file
from tests.agent_files import bytes_of, document_of


def test_value_is_equal_by_content() -> None:
    """The same bytes give equal values, other bytes do not."""
    one, same, other = (
        read_agent_file(bytes_of(document_of(name=name)), bytes_max=10_000) for name in ("fern", "fern", "moss")
    )
    assert one == same
    assert one != other


def test_what_a_file_does_not_say() -> None:
    """A file that says nothing of itself has no time, no metadata; its parts have a time that none of ours can be."""
    file = read_agent_file(bytes_of(document_of()), bytes_max=10_000)
    entry = file.agents[0]
    times = {entry.agent.created_at, file.blocks[0].created_at, file.tools[0].created_at}
    assert ({TIME_UNKNOWN}, 1) == (times, TIME_UNKNOWN.year)
    expected = AgentFile(
        agents=(AgentEntry(path="$.agents[0]", agent=entry.agent),), blocks=file.blocks, tools=file.tools
    )
    assert expected == file

"""The bytes of an agent file, of either generation, to its value: checked as a whole, or refused with a path."""

from kelpie_core.errors import InvalidInput
from kelpie_core.wire.agent_file import AgentFile
from kelpie_core.wire.agent_file_current import read_current
from kelpie_core.wire.agent_file_legacy import is_legacy, read_legacy
from kelpie_core.wire.json_reader import decode_object


def read_agent_file(data: bytes, *, bytes_max: int) -> AgentFile:
    """Return what a file holds.

    Raises InvalidInput, LimitExceeded or Unsupported for the first thing that is wrong, and names where it stands.
    """
    root = decode_object(data, bytes_max=bytes_max)
    if "agents" in root:
        return read_current(root)
    if is_legacy(root):
        return read_legacy(root)
    raise InvalidInput("is no agent file: it has neither agents nor the fields of one agent")

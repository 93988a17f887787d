"""What an agent file holds, as one value, whichever generation it is of.

The parts are values of the model with the file's own ids (`agent-0`), no owner yet, and TIME_UNKNOWN where the file
does not say when: `service/import_plan.py` gives them all three. Fields that have no name here are in `extra`.
"""

import datetime as dt

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.model.agent import Agent, Span
from kelpie_core.model.block import Block
from kelpie_core.model.message import Message
from kelpie_core.model.tool import Tool

NOBODY = ""
"""The owner of what no import has given an owner yet."""
TIME_UNKNOWN = dt.datetime(1, 1, 1, tzinfo=dt.UTC)


@attrs.frozen(kw_only=True)
class AgentEntry:
    """An agent with its history and window. `path` is where it stands in the file."""

    path: str
    agent: Agent
    messages: tuple[Message, ...] = ()
    window: tuple[Span, ...] = ()


@attrs.frozen(kw_only=True)
class AgentFile:
    """All that a file holds, every reference in it checked. `extra` are unknown fields of the file itself."""

    agents: tuple[AgentEntry, ...]
    blocks: tuple[Block, ...] = ()
    tools: tuple[Tool, ...] = ()
    created_at: dt.datetime | None = None
    metadata: JsonObject = attrs.field(factory=dict)
    extra: JsonObject = attrs.field(factory=dict)

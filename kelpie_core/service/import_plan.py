"""What an import will write: a checked agent file with the caller's options, an owner, a time and ids of this house.

Every id of the file becomes a fresh one, wherever it is referred to; order and times stay. Runs and steps of the file
do not exist here, but their ids say which messages belong together: each becomes one fresh id. Chosen once, before
anything is written, so that writing it again writes the same.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.limits import AGENT_FILE_BYTES_DEFAULT, HANDLE_CHARS_MAX, NAME_CHARS_MAX, TEXT_CHARS_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent, AgentHead
from kelpie_core.model.block import Block
from kelpie_core.model.message import Message
from kelpie_core.model.tool import Tool
from kelpie_core.service.inputs import check_text
from kelpie_core.wire.agent_file import TIME_UNKNOWN, AgentEntry, AgentFile
from kelpie_core.wire.agent_file_parts import FILE_FIELDS

COPY_SUFFIX = "_copy"
Part = TypeVar("Part", Agent, Block, Tool)


@attrs.frozen(kw_only=True)
class ImportOptions:
    """How to import a file.

    `name`, `model` and `embedding` replace what the file says of every agent in it; a new model also drops the file's
    settings for the old one. `secrets` are environment values by name, over those of the file. Tools that exist under
    their name are changed to what the file says unless `override_existing_tools` is off.
    """

    name: str | None = None
    append_copy_suffix: bool = True
    strip_messages: bool = False
    override_existing_tools: bool = True
    model: str | None = None
    embedding: str | None = None
    secrets: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    bytes_max: int = AGENT_FILE_BYTES_DEFAULT


IMPORT_DEFAULTS = ImportOptions()


@attrs.frozen(kw_only=True)
class ImportPlan:
    """What an import will write; tools only under names that are free. Messages are in order, agent by agent."""

    agents: tuple[Agent, ...]
    heads: tuple[AgentHead, ...]
    blocks: tuple[Block, ...]
    tools: tuple[Tool, ...]
    messages: tuple[Message, ...]

    @property
    def agent_ids(self) -> tuple[str, ...]:
        """Return the ids of the agents, in the order of the file."""
        return tuple(agent.id for agent in self.agents)


def check_options(options: ImportOptions) -> None:
    """Raise InvalidInput or LimitExceeded unless the options' own texts are fit to be stored."""
    if options.name is not None:
        check_text(options.name, "$.name", chars_min=1, chars_max=NAME_CHARS_MAX)
    check_text(options.model or "", "$.model", chars_max=HANDLE_CHARS_MAX)
    check_text(options.embedding or "", "$.embedding", chars_max=HANDLE_CHARS_MAX)
    for name, value in (options.secrets or {}).items():
        check_text(name, "$.secrets", chars_min=1, chars_max=NAME_CHARS_MAX)
        check_text(value, f"$.secrets.{name}", chars_max=TEXT_CHARS_MAX)


def plan_import(
    file: AgentFile, options: ImportOptions, *, mint: Callable[[str], str], actor: Actor, now: dt.datetime
) -> ImportPlan:
    """Return what to write; raise LimitExceeded if a name becomes too long. `mint` gives a fresh id of a kind."""
    entries = [_stripped(entry) if options.strip_messages else entry for entry in file.agents]
    agent_ids = {entry.agent.id: mint("agent") for entry in entries}
    block_ids = {block.id: mint("block") for block in file.blocks}
    tool_ids = {tool.id: mint("tool") for tool in file.tools}
    about_file = _about(file)
    agents = [
        attrs.evolve(
            _with_options(entry, options),
            block_ids=tuple(block_ids[block_id] for block_id in entry.agent.block_ids),
            tool_ids=tuple(tool_ids[tool_id] for tool_id in entry.agent.tool_ids),
            extra=entry.agent.extra | about_file,
        )
        for entry in entries
    ]
    return ImportPlan(
        agents=tuple(_owned(agent, agent_ids, actor, now) for agent in agents),
        heads=tuple(_head(entry, agent_ids, actor) for entry in entries),
        blocks=tuple(_owned(block, block_ids, actor, now) for block in file.blocks),
        tools=tuple(_owned(tool, tool_ids, actor, now) for tool in file.tools),
        messages=tuple(message for entry in entries for message in _adopted(entry, agent_ids, mint, actor, now)),
    )


def _stripped(entry: AgentEntry) -> AgentEntry:
    return attrs.evolve(entry, messages=(), window=())


def _about(file: AgentFile) -> JsonObject:
    """Return what the file says about itself as an entry for `extra`, so that an export says it again."""
    about = {**file.extra, "metadata": file.metadata} if file.metadata else file.extra
    return {FILE_FIELDS: about} if about else {}


def _with_options(entry: AgentEntry, options: ImportOptions) -> Agent:
    agent = attrs.evolve(
        entry.agent, name=_name(entry, options), secrets={**entry.agent.secrets, **(options.secrets or {})}
    )
    if options.model is not None:
        agent = attrs.evolve(agent, model=options.model, llm_config=None, model_settings=None)
    if options.embedding is not None:
        agent = attrs.evolve(agent, embedding=options.embedding, embedding_config=None)
    return agent


def _name(entry: AgentEntry, options: ImportOptions) -> str:
    if options.name is not None:
        return options.name
    name = entry.agent.name + COPY_SUFFIX if options.append_copy_suffix else entry.agent.name
    check_text(name, f"{entry.path}.name", chars_max=NAME_CHARS_MAX)
    return name


def _owned(part: Part, ids: Mapping[str, str], actor: Actor, now: dt.datetime) -> Part:
    return attrs.evolve(
        part,
        id=ids[part.id],
        organization_id=actor.organization_id,
        created_by_id=actor.user_id,
        created_at=_time(part.created_at, now),
        updated_at=_time(part.updated_at, now),
    )


def _time(time: dt.datetime, now: dt.datetime) -> dt.datetime:
    return now if time == TIME_UNKNOWN else time


def _head(entry: AgentEntry, agent_ids: Mapping[str, str], actor: Actor) -> AgentHead:
    return AgentHead(
        agent_id=agent_ids[entry.agent.id],
        organization_id=actor.organization_id,
        seq_next=len(entry.messages),
        window=entry.window,
    )


def _adopted(
    entry: AgentEntry, agent_ids: Mapping[str, str], mint: Callable[[str], str], actor: Actor, now: dt.datetime
) -> list[Message]:
    """Return the messages of one agent with ids of this house; an id that is none of the file's stays as it is."""
    message_ids = {message.id: mint("message") for message in entry.messages}
    run_ids = _fresh([message.run_id for message in entry.messages], "run", mint)
    step_ids = _fresh([message.step_id for message in entry.messages], "step", mint)
    return [
        attrs.evolve(
            message,
            id=message_ids[message.id],
            agent_id=agent_ids[message.agent_id],
            organization_id=actor.organization_id,
            sender_id=agent_ids.get(message.sender_id or "", message.sender_id),
            run_id=run_ids[message.run_id],
            step_id=step_ids[message.step_id],
            approval_request_id=message_ids.get(message.approval_request_id or "", message.approval_request_id),
            created_at=_time(message.created_at, now),
        )
        for message in entry.messages
    ]


def _fresh(file_ids: Sequence[str | None], kind: str, mint: Callable[[str], str]) -> dict[str | None, str | None]:
    return {file_id: None if file_id is None else mint(kind) for file_id in dict.fromkeys(file_ids)}

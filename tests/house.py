"""A Kelpie of twins, and words for what tests of the services do with it.

A `House` is what outlives a process: the store, the model, the tools, the time. Each `kelpie()` is one process.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from itertools import count
from typing import Any

import attrs

from kelpie_core.errors import StoreError
from kelpie_core.kelpie import Kelpie
from kelpie_core.limits import PAGE_ITEMS_MAX
from kelpie_core.memory_store import MemoryStore
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent
from kelpie_core.model.content import TextPart, text_of
from kelpie_core.model.message import Message
from kelpie_core.model.tool import ToolCall
from kelpie_core.ports import Ports, Store
from kelpie_core.records import DEPARTURES, TABLES
from kelpie_core.service.drafts import AgentDraft, MessageDraft, ToolDraft
from tests.twins import (
    Act,
    CountingEntropy,
    FlakyStore,
    Harm,
    IdEntropy,
    Reply,
    Said,
    ScriptedModel,
    ScriptedTools,
    VirtualClock,
    run,
)

OTHERS = Actor(user_id="user-other", organization_id="org-other")


@attrs.define(eq=False)
class House:
    """The ports, and what their far sides saw. `store` is the first process's view of `memory`."""

    model: ScriptedModel = attrs.field(factory=ScriptedModel)
    tools: ScriptedTools = attrs.field(factory=ScriptedTools)
    memory: MemoryStore = attrs.field(factory=MemoryStore)
    clock: VirtualClock = attrs.field(factory=VirtualClock)
    entropy: CountingEntropy = attrs.field(factory=IdEntropy)
    dead: list[asyncio.Future[object]] = attrs.field(factory=list)
    store: FlakyStore = attrs.field(init=False)
    main: Kelpie = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.store = FlakyStore(self.memory)
        self.main = self.kelpie(self.store)

    def ports(self, store: Store | None = None) -> Ports:
        """Return the ports of a process, with its own view of the store if it has one."""
        return Ports(
            clock=self.clock, entropy=self.entropy, store=store or self.memory, model=self.model, tools=self.tools
        )

    def kelpie(self, store: Store | None = None, *, grace_seconds: float = 10) -> Kelpie:
        """Return a new process on the same store."""
        return Kelpie(self.ports(store), grace_seconds=grace_seconds)

    async def die(self, work: Coroutine[Any, Any, object], harm: Harm, at: int) -> bool:
        """Let the first process begin some work and die at its `at`-th commit; return False if it ends before that."""
        self.store.arm(harm, at)
        self.dead.append(asyncio.ensure_future(work))
        died = asyncio.ensure_future(self.store.died.wait())
        await asyncio.wait((died, self.dead[-1]), return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        return self.store.died.is_set()

    async def agent(self, *tools: ToolDraft, **fields: Any) -> Agent:
        """Return a new agent that has these tools."""
        made = [await self.main.tools.upsert(tool) for tool in tools]
        return await self.main.agents.create(AgentDraft(name="Ada", tool_ids=tuple(t.id for t in made), **fields))


def house(*lines: Said | tuple[Said, ...], **acts: Act) -> House:
    """Return a house whose model says these lines and whose tools do these acts."""
    return House(model=ScriptedModel(lines or (Reply(text="hello there"),)), tools=ScriptedTools(acts))


def said(text: str = "hi", **fields: Any) -> MessageDraft:
    """Return a user's message."""
    return MessageDraft(content=(TextPart(text=text),), **fields)


def call(name: str, arguments: str = "{}", key: str | None = None) -> ToolCall:
    """Return a call of a tool; its id is the tool's name unless said."""
    return ToolCall(id=key or name, name=name, arguments=arguments)


def gist(messages: Sequence[Message]) -> list[str]:
    """Return messages as a reader would tell them: role, text, calls, returns."""
    return [_gist(message) for message in messages]


def _gist(message: Message) -> str:
    calls = [f"{one.name}({one.arguments})" for one in message.tool_calls]
    returns = [f"{one.tool_call_id}={one.status}:{one.text}" for one in message.tool_returns]
    return " ".join((f"{message.role}:", *filter(None, (text_of(message.content), *calls, *returns))))


async def everything(store: Store) -> dict[str, list[object]]:
    """Return all records of a store by table, those aside that tell of deletions; tables without any are left out."""
    found: dict[str, list[object]] = {}
    async with store.transaction() as tx:
        for table in TABLES:
            rows = list(await tx.scan(table, limit=PAGE_ITEMS_MAX))
            if rows and table.name != DEPARTURES.name:
                found[table.name] = rows
    return found


def timeless(value: object) -> object:
    """Return a value with every time in it taken out, to compare what happened at different times."""
    if attrs.has(type(value)):
        return {"": type(value).__name__, **timeless_items(attrs.asdict(value, recurse=False))}  # type: ignore[arg-type]
    if isinstance(value, dict):
        return timeless_items(value)
    if isinstance(value, list | tuple):
        return [timeless(item) for item in value]
    return None if isinstance(value, dt.datetime) else value


def timeless_items(items: dict[str, object]) -> dict[str, object]:
    """Return a dict with every time in it taken out."""
    return {key: timeless(item) for key, item in items.items()}


Deed = Callable[[], Awaitable[object]]
Story = Callable[[House], Awaitable[Deed]]


@attrs.frozen(kw_only=True)
class Outcome:
    """What a deed gave (or the StoreError that it raised) and left in the store, without times."""

    result: object
    left: object


def outcomes(story: Story, harm: Harm, build: Callable[[], House] = House) -> Iterator[Outcome]:
    """Yield how a story's deed ends if it is harmed at its first commit, at its second, ... to its last.

    The story prepares a fresh house in peace, each time, and returns the deed.
    """
    for at in count(1):
        outcome, commits = run(_outcome(story, build, harm, at))
        if commits < at:
            return
        yield outcome


def calm_outcome(story: Story, build: Callable[[], House] = House) -> Outcome:
    """Return how a story's deed ends if nothing goes wrong."""
    return run(_outcome(story, build, None, 0))[0]


def before(story: Story, build: Callable[[], House] = House) -> Outcome:
    """Return what a story has left before its deed."""

    async def prepared(house: House) -> Deed:
        await story(house)
        return _nothing

    return run(_outcome(prepared, build, None, 0))[0]


async def _nothing() -> None:
    """Do nothing."""


async def _outcome(story: Story, build: Callable[[], House], harm: Harm | None, at: int) -> tuple[Outcome, int]:
    house = build()
    deed = await story(house)
    house.store.arm(harm, at)
    try:
        result: object = timeless(await deed())
    except StoreError as error:
        result = error
    commits = house.store.commits
    house.store.arm(None)
    return Outcome(result=result, left=timeless(dict(await everything(house.memory)))), commits

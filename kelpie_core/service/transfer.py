"""Import and export of agent files.

An import is all or nothing: the file is checked as a whole before anything is written, and a file too long for one
transaction is written in chunks that nobody can see until a last commit publishes its agents. Such an import begins
with a sweep that is due at its deadline; each chunk and the last commit look that it is still there. So an import
that breaks off, or a process that dies in it, leaves what the sweep removes, and one that was swept never publishes.

An export is one moment of the agent: configuration, blocks, tools, window and all messages up to then, read page by
page. A read that fails ends it with an error; what came before is no document, so no short file passes for a whole.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from functools import partial

import attrs

from kelpie_core.errors import InvariantBroken, Refused, StoreError
from kelpie_core.ids import draw_id
from kelpie_core.limits import IMPORT_CHUNK_MESSAGES, IMPORT_DEADLINE_SECONDS
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent, AgentHead, Span
from kelpie_core.model.message import Message, Role
from kelpie_core.model.sweep import Sweep
from kelpie_core.model.tool import Tool
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, BLOCKS, HEADS, MESSAGES, SWEEPS, TOOLS
from kelpie_core.service.commit import commit
from kelpie_core.service.history import read_span
from kelpie_core.service.import_plan import IMPORT_DEFAULTS, ImportOptions, ImportPlan, check_options, plan_import
from kelpie_core.service.owned import read_all_owned, read_head, read_owned
from kelpie_core.service.sweeps import run_sweep
from kelpie_core.service.tools import find_tool, is_builtin
from kelpie_core.wire.agent_file_reader import read_agent_file
from kelpie_core.wire.agent_file_writer import AgentSnapshot, closing, history, message_id_at, opening


@attrs.frozen(kw_only=True)
class _Page:
    """Messages to export, and the file's ids of stored messages that they refer to."""

    messages: tuple[Message, ...]
    message_ids: Mapping[str, str]


@attrs.frozen
class Transfer:
    """Agent files for the actor. Everything raises StoreError; what else is said at each method."""

    _ports: Ports
    _actor: Actor

    async def import_file(self, data: bytes, options: ImportOptions = IMPORT_DEFAULTS) -> tuple[str, ...]:
        """Store the agents of a file, of either generation, and return their ids in the order of the file.

        Raises InvalidInput, LimitExceeded or Unsupported, naming the place in the file; nothing is stored then.
        """
        check_options(options)
        file = read_agent_file(data, bytes_max=options.bytes_max)
        plan = plan_import(file, options, mint=self._mint, actor=self._actor, now=self._ports.clock.now())
        if len(plan.messages) <= IMPORT_CHUNK_MESSAGES:
            await commit(self._ports, partial(self._publish, plan, options, plan.messages, None))
        else:
            await self._import_in_chunks(plan, options)
        return plan.agent_ids

    async def export_file(self, agent_id: str, *, conversation_id: str | None = None) -> AsyncIterator[bytes]:
        """Yield the agent with the whole history of a thread as one JSON document, in pieces.

        Without `conversation_id` it is the default thread. Raises NotFound, Refused (reset meanwhile). Only what came
        before any error, so a caller who did not reach the end without one has no document.
        """
        created_at = self._ports.clock.now()
        snapshot, spans = await commit(self._ports, partial(self._read_snapshot, agent_id, conversation_id))
        yield opening(snapshot)
        for number, span in enumerate(spans):
            page = await commit(self._ports, partial(self._read_page, agent_id, conversation_id, span))
            yield history(page.messages, page.message_ids, goes_on=number > 0)
        yield closing(snapshot, created_at)

    def _mint(self, kind: str) -> str:
        return draw_id(kind, self._ports.entropy)

    async def _import_in_chunks(self, plan: ImportPlan, options: ImportOptions) -> None:
        due_at = self._ports.clock.now() + timedelta(seconds=IMPORT_DEADLINE_SECONDS)
        sweep = Sweep(id=self._mint("sweep"), agent_ids=plan.agent_ids, due_at=due_at)
        await commit(self._ports, partial(_begin, sweep))
        try:
            for first in range(0, len(plan.messages), IMPORT_CHUNK_MESSAGES):
                chunk = plan.messages[first : first + IMPORT_CHUNK_MESSAGES]
                await commit(self._ports, partial(_store_chunk, sweep, chunk))
            await commit(self._ports, partial(self._publish, plan, options, (), sweep))
        except StoreError as error:
            await self._give_up(sweep, error)
            raise

    async def _give_up(self, sweep: Sweep, reason: StoreError) -> None:
        """Purge what an import has written so far, now if the store can, else when its sweep falls due."""
        try:
            await run_sweep(self._ports, sweep)
        except StoreError as error:
            reason.add_note(f"what was written stays, invisible, until {sweep.due_at}: {error}")

    async def _publish(
        self,
        plan: ImportPlan,
        options: ImportOptions,
        messages: tuple[Message, ...],
        sweep: Sweep | None,
        tx: Transaction,
    ) -> None:
        """Make the agents visible, in one commit with the messages that are not stored yet."""
        if await tx.get(AGENTS, (plan.agent_ids[0],)) is not None:
            return  # an earlier attempt went through, only its acknowledgement was lost
        if sweep is not None:
            await _check_not_swept(tx, sweep)
            await tx.delete(SWEEPS, (sweep.id,))
        tool_ids = {tool.id: await self._upsert_tool(tx, tool, options) for tool in plan.tools}
        for message in messages:
            await tx.put(MESSAGES, message)
        for block in plan.blocks:
            await tx.put(BLOCKS, block)
        for agent, head in zip(plan.agents, plan.heads, strict=True):
            own = tuple(tool_ids[tool_id] for tool_id in agent.tool_ids)
            await tx.put(AGENTS, attrs.evolve(agent, tool_ids=own))
            await tx.put(HEADS, head)

    async def _upsert_tool(self, tx: Transaction, tool: Tool, options: ImportOptions) -> str:
        """Return the id of the organization's tool of that name, made or changed to be this one."""
        found = await find_tool(tx, self._actor, tool.name)
        if found is None:
            await tx.put(TOOLS, tool)
            return tool.id
        if options.override_existing_tools and not _same_tool(found, tool) and not is_builtin(found):
            now = self._ports.clock.now()
            changed = attrs.evolve(
                tool, id=found.id, created_by_id=found.created_by_id, created_at=found.created_at, updated_at=now
            )
            await tx.put(TOOLS, changed)
        return found.id

    async def _read_snapshot(
        self, agent_id: str, conversation_id: str | None, tx: Transaction
    ) -> tuple[AgentSnapshot, tuple[Span, ...]]:
        """Return the agent as it is now, and the pieces of the history that belongs to that moment."""
        agent: Agent = await read_owned(tx, self._actor, AGENTS, agent_id)
        head = await read_head(tx, self._actor, agent_id, conversation_id)
        end = await _settled_end(tx, head)
        snapshot = AgentSnapshot(
            agent=agent,
            window=tuple(Span(first=s.first, end=min(s.end, end)) for s in head.window),
            blocks=await read_all_owned(tx, self._actor, BLOCKS, agent.block_ids),
            tools=await read_all_owned(tx, self._actor, TOOLS, agent.tool_ids),
        )
        return snapshot, tuple(_pieces(head, end))

    async def _read_page(self, agent_id: str, conversation_id: str | None, span: Span, tx: Transaction) -> _Page:
        """Return the messages of a span, every one of them; raise NotFound, Refused if they were reset meanwhile."""
        head = await read_head(tx, self._actor, agent_id, conversation_id)
        if head.hides(span.end - 1):
            raise Refused(f"the messages of {head.thread_id} were reset while they were exported")
        messages = await read_span(tx, head.thread_id, span)
        if [message.seq for message in messages] != list(range(span.first, span.end)):
            raise InvariantBroken(f"{head.thread_id} has lost messages between {span.first} and {span.end}")
        message_ids: dict[str, str] = {}
        for message in messages:
            if message.approval_request_id is not None:
                for found in await tx.scan(MESSAGES, "by_id", (message.approval_request_id,), limit=1):
                    message_ids |= {found.id: message_id_at(found.seq)} if found.thread_id == head.thread_id else {}
        return _Page(messages=tuple(messages), message_ids=message_ids)


async def _begin(sweep: Sweep, tx: Transaction) -> None:
    if await tx.get(SWEEPS, (sweep.id,)) is None:
        await tx.put(SWEEPS, sweep)


async def _store_chunk(sweep: Sweep, chunk: tuple[Message, ...], tx: Transaction) -> None:
    await _check_not_swept(tx, sweep)
    if await tx.get(MESSAGES, (chunk[0].thread_id, chunk[0].seq)) is None:
        for message in chunk:
            await tx.put(MESSAGES, message)


async def _check_not_swept(tx: Transaction, sweep: Sweep) -> None:
    if await tx.get(SWEEPS, (sweep.id,)) is None:
        raise StoreError("import was swept: it took longer than its deadline", retriable=False)


async def _settled_end(tx: Transaction, head: AgentHead) -> int:
    """Return where the history ends without a last step whose calls still run or wait: their returns come later."""
    end = head.seq_next
    while end > head.cleared.end:
        end -= 1
        last = await tx.get(MESSAGES, (head.thread_id, end))
        if last is not None and last.tool_calls:
            return end
        if last is None or last.role is not Role.APPROVAL:
            break
    return head.seq_next


def _pieces(head: AgentHead, end: int) -> Iterator[Span]:
    """Yield the spans of a history up to its end, none too long for one read, without what a reset took away."""
    whole = (Span(first=0, end=head.cleared.first), Span(first=head.cleared.end, end=end))
    for span in whole if head.cleared.end else (Span(first=0, end=end),):
        for first in range(span.first, span.end, IMPORT_CHUNK_MESSAGES):
            yield Span(first=first, end=min(first + IMPORT_CHUNK_MESSAGES, span.end))


def _same_tool(found: Tool, tool: Tool) -> bool:
    return found == attrs.evolve(
        tool,
        id=found.id,
        created_by_id=found.created_by_id,
        last_updated_by_id=found.last_updated_by_id,
        created_at=found.created_at,
        updated_at=found.updated_at,
    )

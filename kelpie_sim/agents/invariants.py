"""What must hold of the durable state, checked at every commit of every host on the records that it wrote.

    order        messages of a thread are numbered without a gap, and none is ever changed
    pairing      a stored tool call is answered by the next tool messages; only an approval comes between
    fencing      the lease's token never falls; only who holds the lease adds messages of a turn, moves the head, or
                 changes a run that is not ended; a lease is granted to who asks for it
    waiting      while nobody holds a thread its open calls are those that wait for approval; while somebody does none
                 waits
    window       what the model may see is never forgotten, and every new message is added to it
    one turn     a thread has at most one run that is not ended, and a run ends once
    limit        no block is longer than its limit
    sight        what a stream calls stored is stored (checked when a client hears of it)

Each keeps a small account per thread, built from the commits themselves: production records, nothing else.
"""

from functools import partial
from typing import TypeVar, cast

import attrs

from kelpie_core.keys import KeyPart, encode_key
from kelpie_core.model.agent import Agent, AgentHead, Span
from kelpie_core.model.block import Block
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.optimistic import ABSENT, Backend, Commit, Row
from kelpie_core.records import AGENTS, MESSAGES, Table
from kelpie_core.turn.conduct import conduct_of, forgets
from kelpie_core.turn.window import answers_of
from kelpie_sim.simulation import World

R = TypeVar("R")
COMMITTED = "commit"
LAWS = ("order", "pairing", "fencing", "waiting", "window", "one turn", "limit")


@attrs.define(eq=False)
class _Account:
    """What the commits so far said of one thread."""

    seq_next: int = 0
    open_calls: tuple[str, ...] = ()
    token_last: int = 0
    holder: str | None = None
    holder_run: str | None = None
    unfinished_run: str | None = None
    head_last: AgentHead | None = None


@attrs.define(eq=False)
class StoredState:
    """The accounts of all threads, and what is wrong with the last commit, by law.

    `by_calls` says of each agent whether it speaks by calls only. `told` are the messages of a turn as a client was
    told them, by the operation's index: the audit reads them back.
    """

    world: World
    durable: Backend
    accounts: dict[str, _Account] = attrs.field(factory=dict)
    wrong: dict[str, str] = attrs.field(factory=dict)
    told: dict[int, tuple[Message, ...]] = attrs.field(factory=dict)
    by_calls: dict[str, bool] = attrs.field(factory=dict)
    _runs: dict[str, Run] = attrs.field(factory=dict)
    _autoclear: dict[str, bool] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for law in LAWS:
            self.world.invariants.add(law, partial(self.wrong.get, law), when=(COMMITTED,))

    def committed(self, holder: str, commit: Commit) -> None:
        """Take a commit of that holder of leases into account and check the laws; raise InvariantBroken."""
        heads: list[AgentHead] = []
        messages: list[Message] = []
        for write in commit.writes:
            if write.body is None:
                self._deleted(write.table.name, write.key)
                continue
            self.world.trace.record("stored", write.table.name, write.key, write.body)
            match write.table.decode(write.body):
                case Message() as message:
                    self._check_new(message, write.version)
                    messages.append(message)
                case AgentHead() as head:
                    heads.append(head)
                case Agent() as agent:
                    self._autoclear[agent.id] = forgets(agent)
                    self.by_calls[agent.id] = conduct_of(agent).heartbeats
                case Run() as run:
                    self._run(run, holder)
                case Block() as block if len(block.value) > block.limit:
                    self.wrong["limit"] = f"block {block.label} has {len(block.value)} of {block.limit} characters"
        for message in sorted(messages, key=lambda message: (message.thread_id, message.seq)):
            self._message(message, holder)
        for head in heads:
            self._head(head, holder)
        self.world.invariants.notify(COMMITTED)

    def account(self, thread_id: str) -> _Account:
        """Return the account of a thread."""
        return self.accounts.setdefault(thread_id, _Account())

    async def check_seen(self, message: Message) -> None:
        """Check that a message which a stream called stored is stored, equal; raise InvariantBroken."""
        row = await self._read(MESSAGES, message.thread_id, message.seq)
        gone = await self._read(AGENTS, message.agent_id) is None
        stored = None if row is None else MESSAGES.decode(row.body)
        self.world.check(gone or stored == message, "sight: a stream called a message stored that is not stored so")

    async def _read(self, table: Table[R], *key: KeyPart) -> Row | None:
        return await self.durable.read(cast(Table[object], table), encode_key(key))

    def _deleted(self, table: str, key: bytes) -> None:
        self.world.trace.record("deleted", table, key)

    def _check_new(self, message: Message, version: int) -> None:
        if version != ABSENT:
            self.wrong["order"] = f"message {message.seq} was changed"

    def _message(self, message: Message, holder: str) -> None:
        account = self.account(message.thread_id)
        if message.seq != account.seq_next:
            self.wrong["order"] = f"message {message.seq} was stored where {account.seq_next} was next"
        answers = answers_of(message)
        known, left = set(answers) <= set(account.open_calls), set(account.open_calls) - set(answers)
        if not known or (account.open_calls and not answers and message.role is not Role.APPROVAL):
            self.wrong["pairing"] = (
                f"a {message.role} message answers {len(answers)} of {len(account.open_calls)} open calls"
            )
        account.open_calls = (*sorted(left), *(call.id for call in message.tool_calls))
        account.seq_next = message.seq + 1
        of_turn = message.step_id is not None and message.run_id in self._runs  # not one that was imported
        if of_turn and (message.run_id, holder) != (account.holder_run, account.holder):
            self.wrong["fencing"] = f"a {message.role} message came from who does not hold the lease"

    def _head(self, head: AgentHead, holder: str) -> None:
        account = self.account(head.thread_id)
        if account.head_last is not None:
            self._check_moved(account, account.head_last, head, holder)
        if head.token_last < account.token_last:
            self.wrong["fencing"] = f"the token fell from {account.token_last} to {head.token_last}"
        if head.seq_next != account.seq_next:
            self.wrong["order"] = f"the head says {head.seq_next} is next, the messages say {account.seq_next}"
        self._check_waiting(account, head)
        account.head_last = head
        account.token_last = head.token_last
        account.holder = None if head.lease is None else head.lease.holder
        account.holder_run = None if head.lease is None else head.lease.run_id

    def _check_waiting(self, account: _Account, head: AgentHead) -> None:
        before, waits = account.head_last, {call.id for call in head.pending.calls} if head.pending else set[str]()
        if before is not None and head.cleared != before.cleared:
            account.open_calls = ()  # gone with the messages that a reset took away
        is_open = set(account.open_calls)
        # A history that was imported may end in half an exchange: nobody waits for that.
        if (waits and head.lease is not None) or (before is not None and head.lease is None and waits != is_open):
            self.wrong["waiting"] = f"{len(waits)} calls wait for approval, {len(is_open)} are open"

    def _check_moved(self, account: _Account, before: AgentHead, head: AgentHead, holder: str) -> None:
        """Check a head that was there before: an agent that is made, or imported, is nobody's yet."""
        if head.token_last > before.token_last:
            if head.lease is None or head.lease.holder != holder:
                self.wrong.setdefault("fencing", "a lease was granted to another than who asked for it")
        elif head.cleared != before.cleared:
            if before.lease is not None or head.lease is not None:
                self.wrong.setdefault("fencing", "a thread was reset while a turn held it")
        elif holder != account.holder and not (before.lease is None and before.pending and head.pending is None):
            self.wrong.setdefault("fencing", "the head was moved by who does not hold the lease")
        seen = (*before.window, Span(first=before.seq_next, end=head.seq_next))
        if self._autoclear.get(head.agent_id) or head.cleared != before.cleared:
            return
        if not all(_covers(head.window, span) for span in seen):
            self.wrong["window"] = f"of the messages up to {head.seq_next} some are not in the window any more"

    def _run(self, run: Run, holder: str) -> None:
        account = self.account(run.thread_id)
        before = self._runs.get(run.id, run)
        if before.status not in (RunStatus.RUNNING, run.status):
            self.wrong["one turn"] = f"a run that was {before.status} became {run.status}"
        own = (run.id, holder) == (account.holder_run, account.holder)
        mere_wish = run == attrs.evolve(before, cancel_requested=run.cancel_requested)
        if before.status is RunStatus.RUNNING and not own and not mere_wish:
            self.wrong["fencing"] = "a run was changed by who does not hold the lease"
        self._runs[run.id] = run
        if run.status is not RunStatus.RUNNING:
            if account.unfinished_run == run.id:
                account.unfinished_run = None
        elif account.unfinished_run not in (None, run.id):
            self.wrong["one turn"] = "a run began while another of the same thread was not ended"
        else:
            account.unfinished_run = run.id


def _covers(window: tuple[Span, ...], wanted: Span) -> bool:
    """Return whether every message of a span is in the window."""
    missing = wanted.first
    for span in sorted(window, key=lambda span: span.first):
        if span.first <= missing < span.end:
            missing = span.end
    return missing >= wanted.end

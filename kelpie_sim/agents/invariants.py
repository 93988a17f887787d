"""What must hold of the durable state, checked at every commit of every host on the records that it wrote.

    order        messages of an agent are numbered without a gap, and none is ever changed
    pairing      a stored tool call is answered by the next tool messages; only an approval comes between
    fencing      the lease's token never falls, and only who holds the lease adds messages of a turn
    one turn     an agent has at most one run that is not ended, and a run ends once
    limit        no block is longer than its limit
    sight        what a stream calls stored is stored (checked when a client hears of it)

Each keeps a small account per agent, built from the commits themselves: production records, nothing else.
"""

from functools import partial
from typing import TypeVar, cast

import attrs

from kelpie_core.keys import KeyPart, encode_key
from kelpie_core.model.agent import AgentHead
from kelpie_core.model.block import Block
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.optimistic import ABSENT, Backend, Commit, Row
from kelpie_core.records import AGENTS, MESSAGES, Table
from kelpie_core.turn.window import answers_of
from kelpie_sim.simulation import World

R = TypeVar("R")
COMMITTED = "commit"
LAWS = ("order", "pairing", "fencing", "one turn", "limit")


@attrs.define(eq=False)
class _Account:
    """What the commits so far said of one agent."""

    seq_next: int = 0
    open_calls: tuple[str, ...] = ()
    token_last: int = 0
    holder: str | None = None
    holder_run: str | None = None
    unfinished_run: str | None = None


@attrs.define(eq=False)
class StoredState:
    """The accounts of all agents, and what is wrong with the last commit, by law."""

    world: World
    durable: Backend
    accounts: dict[str, _Account] = attrs.field(factory=dict)
    wrong: dict[str, str] = attrs.field(factory=dict)
    _runs: dict[str, RunStatus] = attrs.field(factory=dict)

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
                case Run() as run:
                    self._run(run)
                case Block() as block if len(block.value) > block.limit:
                    self.wrong["limit"] = f"block {block.label} has {len(block.value)} of {block.limit} characters"
        for message in sorted(messages, key=lambda message: (message.agent_id, message.seq)):
            self._message(message, holder)
        for head in heads:
            self._head(head)
        self.world.invariants.notify(COMMITTED)

    def account(self, agent_id: str) -> _Account:
        """Return the account of an agent."""
        return self.accounts.setdefault(agent_id, _Account())

    async def check_seen(self, message: Message) -> None:
        """Check that a message which a stream called stored is stored, equal; raise InvariantBroken."""
        row = await self._read(MESSAGES, message.agent_id, message.seq)
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
        account = self.account(message.agent_id)
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

    def _head(self, head: AgentHead) -> None:
        account = self.account(head.agent_id)
        if head.token_last < account.token_last:
            self.wrong["fencing"] = f"the token fell from {account.token_last} to {head.token_last}"
        if head.seq_next != account.seq_next:
            self.wrong["order"] = f"the head says {head.seq_next} is next, the messages say {account.seq_next}"
        account.token_last = head.token_last
        account.holder = None if head.lease is None else head.lease.holder
        account.holder_run = None if head.lease is None else head.lease.run_id

    def _run(self, run: Run) -> None:
        account = self.account(run.agent_id)
        before = self._runs.setdefault(run.id, run.status)
        if before not in (RunStatus.RUNNING, run.status):
            self.wrong["one turn"] = f"a run that was {before} became {run.status}"
        self._runs[run.id] = run.status
        if run.status is not RunStatus.RUNNING:
            if account.unfinished_run == run.id:
                account.unfinished_run = None
        elif account.unfinished_run not in (None, run.id):
            self.wrong["one turn"] = "a run began while another of the same agent was not ended"
        else:
            account.unfinished_run = run.id

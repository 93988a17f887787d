"""A client of Kelpie that writes down what it asked and what it was told.

Every send bears a mark of its own in its script, so that what became of it can be found in the stored state:

    ok     the turn ended well, and these were its messages
    fail   refused: nothing of it may be stored
    info   nobody knows: the server died, or said that it does not know; it may be stored once, never twice
    ok with `failed`   the turn began and ended as failed: its input is stored, once
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs

from kelpie_core.errors import CallerError, KelpieError, StoreError, TurnFailed
from kelpie_core.kelpie import Kelpie
from kelpie_core.model.content import TextPart
from kelpie_core.model.message import Message
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.ports import ReasoningDelta
from kelpie_core.service.drafts import MessageDraft, TurnOptions
from kelpie_core.service.turn_events import Delta, MessageStored, RunStarted, TurnEnded
from kelpie_sim.agents.cluster import Cluster, Server, ServerGone
from kelpie_sim.check.history import Op
from kelpie_sim.faults import NS_PER_SECOND

T = TypeVar("T")
SEND = "send"
PATIENCE_SECONDS = 3_600
# First soon, then ever less: a fault that lasts for an hour need not be met ten thousand times.
RETRY_SECONDS = 0.2
RETRY_SECONDS_MAX = 30.0


@attrs.define(eq=False)
class Client:
    """One client: one thing at a time, under its name in the history."""

    cluster: Cluster
    name: str

    async def send(
        self,
        agent_id: str,
        mark: str,
        script: str,
        *,
        server: Server | None = None,
        wait: float = 0,
        conversation_id: str | None = None,
    ) -> Op:
        """Send a script plainly and record what came of it."""
        options = TurnOptions(wait_seconds=wait)
        op = self._invoke(SEND, agent_id, mark, script, conversation_id)

        async def work(kelpie: Kelpie) -> None:
            result = await kelpie.messages.send(agent_id, [draft(script)], options, conversation_id=conversation_id)
            self.cluster.state.told[op.index] = tuple(result.messages)
            op.ok(run=result.run.id, failed=False, reason=result.run.stop_reason, messages=_seqs(result.messages))

        return await self._told(op, server, work)

    async def stream(
        self,
        agent_id: str,
        mark: str,
        script: str,
        *,
        server: Server | None = None,
        wait: float = 0,
        tokens: bool = False,
        conversation_id: str | None = None,
    ) -> Op:
        """Send a script, listen to the stream, and record what came of it: a stream must never end in silence."""
        options = TurnOptions(wait_seconds=wait, tokens=tokens)
        op = self._invoke(SEND, agent_id, mark, script, conversation_id)
        target = server or self.cluster.server
        heard, said = Heard(), [draft(script)]
        try:
            async for event in target.stream(
                lambda kelpie: kelpie.messages.stream(agent_id, said, options, conversation_id=conversation_id)
            ):
                heard.hear(event)
        except (KelpieError, ServerGone) as error:
            self._record(op, error)
            return op
        self.cluster.world.check(heard.ended is not None, "stream: it ended without an end or an error")
        assert heard.ended is not None, "checked on the line before"
        heard.check(self.cluster)
        run = heard.ended
        self.cluster.state.told[op.index] = tuple(heard.messages)
        op.ok(run=run.id, failed=run.error is not None, reason=run.stop_reason, messages=_seqs(heard.messages))
        return op

    async def _told(self, op: Op, server: Server | None, work: Callable[[Kelpie], Awaitable[None]]) -> Op:
        try:
            await (server or self.cluster.server).call(work)
        except (KelpieError, ServerGone) as error:
            self._record(op, error)
        return op

    def _record(self, op: Op, error: Exception) -> None:
        if isinstance(error, TurnFailed):
            op.ok(run=error.run_id, failed=True, reason=None, messages=())
        elif isinstance(error, CallerError):
            op.fail(error)
        else:
            op.info(error)

    def _invoke(self, operation: str, agent_id: str, mark: str, script: str, conversation_id: str | None) -> Op:
        where = {"thread": conversation_id} if conversation_id is not None else {}
        return self.cluster.world.history.invoke(
            self.name, operation, agent=agent_id, mark=mark, script=script, **where
        )

    async def until_done(self, work: Callable[[Kelpie], Awaitable[T]], *, server: Server | None = None) -> T:
        """Do `work` again and again until the server says that it is done: for what a scenario needs to go on."""
        world, wait_seconds = self.cluster.world, RETRY_SECONDS
        deadline_ns = world.now_ns + PATIENCE_SECONDS * NS_PER_SECOND
        while True:
            try:
                return await (server or self.cluster.server).call(work)
            except (StoreError, ServerGone) as error:
                if world.now_ns >= deadline_ns:
                    raise AssertionError("the server never managed to do it") from error
            await asyncio.sleep(wait_seconds)
            wait_seconds = min(2 * wait_seconds, RETRY_SECONDS_MAX)


@attrs.define(eq=False)
class Heard:
    """What a listener heard of one turn."""

    started: Run | None = None
    ended: Run | None = None
    messages: list[Message] = attrs.field(factory=list)
    pieces: dict[str, str] = attrs.field(factory=dict)

    def hear(self, event: RunStarted | MessageStored | Delta | TurnEnded) -> None:
        """Take an event in."""
        match event:
            case RunStarted(run=run):
                self.started = run
            case MessageStored(message=message):
                self.messages.append(message)
            case TurnEnded(run=run):
                self.ended = run
            case Delta(message_id=key, part=part):
                said = "" if isinstance(part, ReasoningDelta) else getattr(part, "text", "")
                self.pieces[key] = self.pieces.get(key, "") + (said or getattr(part, "arguments", ""))

    def check(self, cluster: Cluster) -> None:
        """Check that the stream tells a whole turn: its beginning, and no piece of a message that never came."""
        world = cluster.world
        world.check(self.started is not None, "stream: it did not begin with its run")
        if self.ended is not None and self.ended.status is RunStatus.COMPLETED:
            stored = {message.id: _text(message) for message in self.messages}
            told = {key: text for key, text in self.pieces.items() if text}
            world.check(
                all(stored.get(key) == text for key, text in told.items()),
                "stream: the pieces do not add up to the stored message",
            )


def draft(script: str) -> MessageDraft:
    """Return the user's message that bears a script."""
    return MessageDraft(content=(TextPart(text=script),))


def _text(message: Message) -> str:
    texts = [part.text for part in message.content if isinstance(part, TextPart)]
    return "".join(texts + [call.arguments for call in message.tool_calls])


def _seqs(messages: "tuple[Message, ...] | list[Message]") -> tuple[int, ...]:
    return tuple(message.seq for message in messages)

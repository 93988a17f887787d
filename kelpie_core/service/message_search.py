"""Searching messages by words: the newest are read backwards, up to a bound, and the best of them returned.

There is no index of words: it would cost each turn a record for every word, to serve a search that few make. So a
search reads at most SEARCH_MESSAGES_MAX messages or SEARCH_CHARS_MAX characters, whichever comes first, and says how
far it came: who wants what is older asks again with that as the end.

A word is found wherever it stands, also within another one, whatever the case: languages without spaces have words too.
"""

import datetime as dt
from collections.abc import Sequence
from functools import partial

import attrs

from kelpie_core.keys import Key
from kelpie_core.limits import (
    SEARCH_CHARS_MAX,
    SEARCH_ITEMS_MAX,
    SEARCH_MESSAGES_MAX,
    SEARCH_PIECE_MESSAGES,
    SEARCH_QUERY_CHARS_MAX,
)
from kelpie_core.model.actor import Actor
from kelpie_core.model.content import text_of
from kelpie_core.model.message import Message, Role
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, BY_KEY, MESSAGES
from kelpie_core.service.commit import commit
from kelpie_core.service.inputs import check_limit, check_text
from kelpie_core.service.owned import is_shown, read_owned
from kelpie_core.service.runs import check_thread
from kelpie_core.turn.conduct import SEND_MESSAGE, parsed_arguments

_MICROSECOND = dt.timedelta(microseconds=1)
_END_OF_TIME = dt.datetime.max.replace(tzinfo=dt.UTC) - _MICROSECOND
SPOKEN = frozenset((Role.USER, Role.ASSISTANT))


@attrs.frozen(kw_only=True)
class MessageQuery:
    """What to search for. Without words, whatever was said last.

    `agent_id` means all threads of an agent, `thread_id` one: a conversation, or an agent's default thread. A message
    counts that was made after `start` and not after `end`. What a model says while it asks for approval counts as an
    assistant's.
    """

    words: str = ""
    agent_id: str | None = None
    thread_id: str | None = None
    roles: frozenset[Role] = SPOKEN
    start: dt.datetime | None = None
    end: dt.datetime | None = None


@attrs.frozen(kw_only=True)
class FoundMessages:
    """What a search found, best first, then newest; `read_back_to` is where it gave up, None if it read all."""

    messages: tuple[Message, ...]
    read_back_to: dt.datetime | None = None


async def search_messages(ports: Ports, actor: Actor, query: MessageQuery, limit: int) -> FoundMessages:
    """Return at most `limit` of the actor's messages; raise NotFound, InvalidInput, LimitExceeded, StoreError."""
    check_limit(limit, "$.limit", SEARCH_ITEMS_MAX)
    check_text(query.words, "$.query", chars_max=SEARCH_QUERY_CHARS_MAX)
    search = _Search(actor=actor, query=query, limit=limit, words=tuple(dict.fromkeys(query.words.casefold().split())))
    index, equals = await commit(ports, search.source)
    after = None if query.end is None or index == BY_KEY else _behind(query.end)
    while True:
        piece = await commit(ports, partial(search.piece, index, equals, after))
        if search.take(piece):
            return search.found()
        last = piece.messages[-1]
        after = (last.seq,) if index == BY_KEY else (last.created_at, last.thread_id, last.seq)


@attrs.frozen
class _Piece:
    """Messages as they were read, backwards, and the best of them with their scores."""

    messages: Sequence[Message]
    scored: Sequence[tuple[int, Message]]


@attrs.define(eq=False, kw_only=True)
class _Search:
    """A search at work."""

    actor: Actor
    query: MessageQuery
    limit: int
    words: tuple[str, ...]
    _scored: list[tuple[int, Message]] = attrs.field(factory=list)
    _messages_read: int = 0
    _chars_read: int = 0
    _back_to: dt.datetime | None = None

    async def source(self, tx: Transaction) -> tuple[str, Key]:
        """Return what to read backwards; raise NotFound."""
        thread_id = self.query.thread_id
        if thread_id is not None:
            await check_thread(tx, self.actor, thread_id)
            return (BY_KEY, (thread_id,))
        if self.query.agent_id is not None:
            return ("by_agent", ((await read_owned(tx, self.actor, AGENTS, self.query.agent_id)).id,))
        return ("by_organization", (self.actor.organization_id,))

    async def piece(self, index: str, equals: Key, after: Key | None, tx: Transaction) -> _Piece:
        """Return the next messages backwards, and what fits of them."""
        found = await tx.scan(MESSAGES, index, equals, after=after, limit=SEARCH_PIECE_MESSAGES, descending=True)
        scored = [(score, message) for message in found if (score := self._score(message))]
        return _Piece(found, [(score, message) for score, message in scored if await is_shown(tx, message)])

    def take(self, piece: _Piece) -> bool:
        """Take what was read; return whether that was the last."""
        self._scored += piece.scored
        self._messages_read += len(piece.messages)
        self._chars_read += sum(len(said_in(message)) for message in piece.messages)
        if len(piece.messages) < SEARCH_PIECE_MESSAGES or self._is_before(piece.messages[-1]):
            return True
        if sum(score == self._score_max for score, _ in self._scored) >= self.limit:
            return True  # nothing that is older can be better
        if self._messages_read >= SEARCH_MESSAGES_MAX or self._chars_read >= SEARCH_CHARS_MAX:
            self._back_to = piece.messages[-1].created_at
        return self._back_to is not None

    def found(self) -> FoundMessages:
        """Return the best: the order in which they were read, newest first, decides between equals."""
        best = sorted(self._scored, key=lambda one: -one[0])[: self.limit]
        return FoundMessages(messages=tuple(message for _, message in best), read_back_to=self._back_to)

    @property
    def _score_max(self) -> int:
        return 2 * len(self.words) or 1

    def _is_before(self, message: Message) -> bool:
        return self.query.start is not None and message.created_at <= self.query.start

    def _score(self, message: Message) -> int:
        """Return how many words stand in a message, twice as many if they stand there as asked; 0 if it is no match."""
        query = self.query
        if role_of(message) not in query.roles or query.agent_id not in (None, message.agent_id):
            return 0
        if self._is_before(message) or (query.end is not None and message.created_at > query.end):
            return 0
        if not self.words:
            return 1
        text = said_in(message).casefold()
        found = sum(word in text for word in self.words)
        return self._score_max if found and " ".join(self.words) in " ".join(text.split()) else found


def _behind(time: dt.datetime) -> Key | None:
    """Return the place from which a walk backwards begins with what was made at that time; None for the end."""
    return None if time >= _END_OF_TIME else (time + _MICROSECOND,)


def role_of(message: Message) -> Role:
    """Return who speaks: a reply that asks for approval is an assistant's."""
    return Role.ASSISTANT if message.role is Role.APPROVAL and message.tool_calls else message.role


def said_in(message: Message) -> str:
    """Return what a message says: its text, what it sends by a tool, or what its tools returned."""
    sent = [(parsed_arguments(call) or {}).get("message") for call in message.tool_calls if call.name == SEND_MESSAGE]
    returned = [one.text or "" for one in message.tool_returns]
    return "\n".join(text for text in (text_of(message.content), *sent, *returned) if isinstance(text, str) and text)

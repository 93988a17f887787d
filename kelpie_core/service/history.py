"""Reading a thread's messages: by key, so that a read costs what it returns however long the history is."""

from kelpie_core.limits import PAGE_ITEMS_MAX
from kelpie_core.model.agent import AgentHead, Span
from kelpie_core.model.message import Message
from kelpie_core.ports import Transaction
from kelpie_core.records import MESSAGES
from kelpie_core.turn.window import tail


async def read_window(tx: Transaction, head: AgentHead, count: int) -> tuple[Message, ...]:
    """Return the last `count` messages of the window, in order."""
    messages: list[Message] = []
    for span in tail(head.window, count):
        messages.extend(await read_span(tx, head.thread_id, span))
    return tuple(messages)


async def read_span(tx: Transaction, thread_id: str, span: Span) -> list[Message]:
    """Return the messages of a span, in order; at most PAGE_ITEMS_MAX of them."""
    limit = min(span.end - span.first, PAGE_ITEMS_MAX)
    return list(await tx.scan(MESSAGES, equals=(thread_id,), after=(span.first - 1,), limit=limit))

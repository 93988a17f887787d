"""Which messages go into the next model call.

The head keeps the window as spans of sequence numbers, so it stays small however long the history is. A model call
reads only the last `WINDOW_MESSAGES_MAX` of them, by key. What the model sees never holds half a tool exchange.
"""

import attrs

from kelpie_core.model.agent import Agent, Span
from kelpie_core.model.block import Block
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import ClientSkill


def extended(window: tuple[Span, ...], first: int, end: int) -> tuple[Span, ...]:
    """Return the window with the messages `first <= seq < end` added behind it."""
    if first >= end:
        return window
    if window and window[-1].end == first:
        return (*window[:-1], attrs.evolve(window[-1], end=end))
    return (*window, Span(first=first, end=end))


def tail(window: tuple[Span, ...], count: int) -> tuple[Span, ...]:
    """Return the part of the window that holds its last `count` messages."""
    kept: list[Span] = []
    for span in reversed(window):
        if count <= 0:
            break
        first = max(span.first, span.end - count)
        kept.append(Span(first=first, end=span.end))
        count -= span.end - first
    return tuple(reversed(kept))


def visible(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return what the model may see: no leading system message (it is rendered anew), no half tool exchange.

    To the model a request for approval is its own reply like any other, and the answer is what the call returned.
    """
    if messages and messages[0].seq == 0 and messages[0].role is Role.SYSTEM:
        messages = messages[1:]
    seen: list[Message] = []
    exchange: list[Message] = []
    open_calls: set[str] = set()
    for message in messages:
        answers = set(answers_of(message))
        if message.role is Role.APPROVAL:
            if not message.tool_calls:
                continue
            message = attrs.evolve(message, role=Role.ASSISTANT)
        if open_calls and answers and answers <= open_calls:
            exchange.append(message)
            open_calls -= answers
            if not open_calls:
                seen += exchange
            continue
        # Whatever else comes here: an exchange that is still open stays half, and goes.
        exchange, open_calls = [message], {call.id for call in message.tool_calls}
        if not open_calls and not answers:
            seen.append(message)
    return tuple(seen)


def answers_of(message: Message) -> tuple[str, ...]:
    """Return the ids of the tool calls that a message answers. Old files name the call on the message itself."""
    if message.role is not Role.TOOL:
        return ()
    ids = tuple(answer.tool_call_id or message.tool_call_id for answer in message.tool_returns)
    return tuple(i for i in ids or (message.tool_call_id,) if i is not None)


def rendered_system(agent: Agent, blocks: tuple[Block, ...]) -> str:
    """Return the system prompt with the memory blocks below it."""
    if not blocks:
        return agent.system
    return "\n".join((agent.system, "", "<memory_blocks>", *map(_rendered_block, blocks), "</memory_blocks>"))


def rendered_skills(system: str, skills: tuple[ClientSkill, ...]) -> str:
    """Return the system prompt with the skills that a request tells of below it."""
    if not skills:
        return system
    lines = (f"- {skill.name}: {skill.description} (location: {skill.location})" for skill in skills)
    return "\n".join((system, "", "<available_skills>", *lines, "</available_skills>"))


def _rendered_block(block: Block) -> str:
    lines = [f"<{block.label}>"]
    if block.description:
        lines.append(f"<description>{block.description}</description>")
    lines.append(f"<metadata>chars_current={len(block.value)} chars_limit={block.limit}</metadata>")
    if block.read_only:
        lines.append("<metadata>read_only=true</metadata>")
    return "\n".join((*lines, "<value>", block.value, "</value>", f"</{block.label}>"))

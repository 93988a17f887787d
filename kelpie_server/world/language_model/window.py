"""The window as any provider takes it: who said what, each tool call answered right behind it.

Providers refuse a whole window for one call without its return, one return without its call, one empty text or one id
that is there twice. What we stored may have all of these: imported histories, turns that broke off, other providers'
ids. So nothing is sent as it is stored.
"""

from collections.abc import Iterator, Sequence

import attrs

from kelpie_core.model.content import ContentPart, OpaquePart, TextPart, text_of
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_server.world.language_model.names import CallIds

UNANSWERED = "no return of this call was recorded"


@attrs.frozen(kw_only=True)
class Heard:
    """What was told to the model. `by_system`: by the operator or by ourselves, not by a user."""

    parts: tuple[ContentPart, ...]
    by_system: bool = False
    name: str | None = None


@attrs.frozen(kw_only=True)
class Said:
    """What the model said, and `returns`, what each of its calls gave, in their order. `model` is its handle."""

    parts: tuple[ContentPart, ...]
    calls: tuple[ToolCall, ...] = ()
    returns: tuple[ToolReturn, ...] = ()
    model: str | None = None


Entry = Heard | Said


def entries_of(messages: Sequence[Message]) -> tuple[Entry, ...]:
    """Return the window's entries, none of them empty."""
    ids = CallIds()
    return tuple(_entries(messages, ids))


def _entries(messages: Sequence[Message], ids: CallIds) -> Iterator[Entry]:
    for index, message in enumerate(messages):
        if message.role is Role.ASSISTANT or (message.role is Role.APPROVAL and message.tool_calls):
            said = _said(message, _returns_behind(messages, index), ids)
            if said.parts or said.calls:
                yield said
        elif message.role in (Role.USER, Role.SYSTEM, Role.SUMMARY) and (parts := _not_empty(message.content)):
            yield Heard(parts=parts, by_system=message.role is Role.SYSTEM, name=message.name)


def _said(message: Message, returns: dict[str, ToolReturn], ids: CallIds) -> Said:
    calls, answers = [], []
    for call in message.tool_calls:
        answer = returns.get(call.id) or ToolReturn(tool_call_id=call.id, status=ToolStatus.ERROR, text=UNANSWERED)
        fit_id = ids.take(call.id)
        calls.append(attrs.evolve(call, id=fit_id))
        answers.append(attrs.evolve(answer, tool_call_id=fit_id))
    return Said(parts=_not_empty(message.content), calls=tuple(calls), returns=tuple(answers), model=message.model)


def _returns_behind(messages: Sequence[Message], index: int) -> dict[str, ToolReturn]:
    """Return what is told of returns between a message and the next one that is neither return nor approval."""
    found: dict[str, ToolReturn] = {}
    for message in messages[index + 1 :]:
        if message.role is Role.TOOL:
            for answer in message.tool_returns or (_old_return(message),):
                found.setdefault(answer.tool_call_id or message.tool_call_id or "", answer)
        elif message.role is not Role.APPROVAL or message.tool_calls:
            break
    return found


def _old_return(message: Message) -> ToolReturn:
    """Return what a message of an old file says that its one call gave."""
    status = ToolStatus.ERROR if message.is_error else ToolStatus.SUCCESS
    return ToolReturn(tool_call_id=message.tool_call_id, status=status, text=text_of(message.content))


def _not_empty(content: tuple[ContentPart, ...]) -> tuple[ContentPart, ...]:
    return tuple(part for part in content if not isinstance(part, TextPart) or part.text.strip())


@attrs.frozen(kw_only=True)
class Image:
    """A picture: its bytes in base64 with their type, or where it is."""

    data: str | None = None
    media_type: str = "image/png"
    url: str | None = None
    detail: str | None = None


def image_of(part: ContentPart) -> Image | None:
    """Return the picture that a part shows, None if it shows none that can be passed on."""
    fields = part.fields if isinstance(part, OpaquePart) else {}
    source = fields.get("source")
    if fields.get("type") != "image" or not isinstance(source, dict):
        return None
    if isinstance(data := source.get("data"), str):
        media_type = source.get("media_type")
        detail = source.get("detail")
        return Image(
            data=data,
            media_type=media_type if isinstance(media_type, str) else "image/png",
            detail=detail if detail in ("low", "high", "auto") else None,
        )
    url = source.get("url")
    return Image(url=url) if isinstance(url, str) and url.startswith(("https://", "http://", "data:")) else None

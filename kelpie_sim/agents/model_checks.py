"""What providers of models refuse: the rules of chat completions and of Anthropic's messages, as they hold them."""

import json
import re

from kelpie_core.json_types import JsonObject

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_THOUGHTS = ("thinking", "redacted_thinking")


class Unsound(Exception):
    """A request that a provider refuses."""


def check_chat(messages: list[JsonObject]) -> None:
    """Raise Unsound unless each call is answered right behind it, by an id of its own, and nothing is empty."""
    open_calls: list[str] = []
    seen: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                raise Unsound("a return without its call")
            open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            raise Unsound("a call without its return")
        calls = message.get("tool_calls", [])
        if not calls and not message.get("content"):
            raise Unsound("an empty message")
        for call in calls:
            _check_call(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]), seen)
            open_calls.append(call["id"])
    if open_calls:
        raise Unsound("a call without its return")


def texts_of(message: JsonObject) -> list[str]:
    """Return the texts of a turn."""
    return [block["text"] for block in message["content"] if block["type"] == "text"]


def check_turns(messages: list[JsonObject], thinks: bool) -> None:
    """Raise Unsound unless turns are taken, each call is answered first in the next, and thoughts are as they were."""
    if [message["role"] for message in messages] != [("user", "assistant")[n % 2] for n in range(len(messages))]:
        raise Unsound("turns that are not taken in turn")
    if len(messages) % 2 == 0:
        raise Unsound("the user does not speak last")
    open_calls: list[str] = []
    seen: set[str] = set()
    for message in messages:
        blocks = message["content"]
        open_calls = _check_blocks(blocks, open_calls, seen)
    own = [message["content"] for message in messages if message["role"] == "assistant"][-1:]
    if thinks and own and _makes_calls(own[0]) and own[0][0]["type"] not in _THOUGHTS:
        raise Unsound("a turn that thinks goes on from calls without thoughts")


def _check_blocks(blocks: list[JsonObject], open_calls: list[str], seen: set[str]) -> list[str]:
    """Return the calls that a turn leaves open."""
    results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    kinds = {block["type"] for block in blocks[: len(results)]}
    if sorted(results) != sorted(open_calls) or not kinds <= {"tool_result"}:
        raise Unsound("calls and returns do not match")
    if not all(block["text"].strip() for block in blocks if block["type"] == "text"):
        raise Unsound("a blank text")
    _check_thoughts(blocks)
    calls = [block for block in blocks if block["type"] == "tool_use"]
    for call in calls:
        _check_call(call["id"], call["name"], call["input"], seen)
    return [call["id"] for call in calls]


def _makes_calls(blocks: list[JsonObject]) -> bool:
    """Return whether a turn of the model made calls."""
    return any(block["type"] == "tool_use" for block in blocks)


def _check_thoughts(blocks: list[JsonObject]) -> None:
    for block in blocks:
        if block["type"] == "thinking" and block["signature"] != signature_of(block["thinking"]):
            raise Unsound("a thought that is not what was thought")


def _check_call(call_id: str, name: str, arguments: object, seen: set[str]) -> None:
    if call_id in seen or not _NAME.fullmatch(call_id) or not _NAME.fullmatch(name) or not isinstance(arguments, dict):
        raise Unsound(f"a call with a bad id, name or arguments: {call_id} {name}")
    seen.add(call_id)


def check_tools(tools: list[JsonObject]) -> None:
    """Raise Unsound unless every tool has a name of its own that fits."""
    names = [tool["name"] for tool in tools]
    if len(set(names)) != len(names) or not all(map(_NAME.fullmatch, names)):
        raise Unsound("bad names of tools")


def signature_of(thought: str) -> str:
    """Return what Anthropic signs a thought with."""
    return f"signed: {thought}"

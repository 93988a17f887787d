"""A model endpoint in the shape of OpenAI's API that understands just enough to be tested against.

It calls the tool that it must call, or the one whose name the user said; it answers what a tool returned with words;
otherwise it says back what it was told, or what stands in quotes if it is asked to say just that.

    python -m tools.scripted_endpoint [--port N]
"""

import argparse
import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

MODELS = ("gpt-4o-mini", "gpt-4o", "gpt-4.1", "gpt-5-mini", "o3-mini")
SEND = "send_message"
DIMENSIONS = 384
_QUOTED = re.compile(r"""(?:say|reply|respond|answer)[^"'`]*["'`]([^"'`]+)["'`]""", re.IGNORECASE)
_calls = itertools.count(1)
Reply = tuple[str, list[dict[str, str]]]


def reply_to(body: dict[str, Any]) -> Reply:
    """Return the text and the tool calls, by name and arguments, with which a request is answered."""
    tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools") or ()}
    last, choice = body["messages"][-1], body.get("tool_choice")
    forced = choice["function"]["name"] if isinstance(choice, dict) else None
    words = _words(last)
    if last["role"] == "tool":
        words = f"The tool returned: {words}"
    named = None if last["role"] == "tool" else next((name for name in tools if name in words), None)
    name = forced or named or (SEND if choice == "required" and SEND in tools else None)
    if name is None and choice == "required" and tools:
        name = next(iter(tools))
    if name is None:
        return _said(words), []
    return "", [{"name": name, "arguments": json.dumps(_arguments(tools[name], _said(words)))}]


def _said(words: str) -> str:
    quoted = _QUOTED.search(words)
    return quoted[1] if quoted else words or "Hello."


def _words(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)


def _arguments(function: dict[str, Any], words: str) -> dict[str, Any]:
    """Return arguments that fit the function's schema; texts are what was said."""
    parameters = function.get("parameters") or {}
    required = parameters.get("required") or ()
    return {name: _example(kind, words) for name, kind in parameters.get("properties", {}).items() if name in required}


def _example(schema: dict[str, Any], words: str) -> object:
    if schema.get("enum"):
        return schema["enum"][0]
    return {"integer": 1, "number": 1.0, "boolean": False, "array": [], "object": {}}.get(schema.get("type", ""), words)


async def complete(request: Request) -> Response:
    """Answer a chat completion, at once or as a stream."""
    body = await request.json()
    text, calls = reply_to(body)
    numbered = [
        {"id": f"call_{next(_calls)}", "type": "function", "function": call, "index": n} for n, call in enumerate(calls)
    ]
    why = "tool_calls" if calls else "stop"
    usage = {"prompt_tokens": len(str(body["messages"])) // 4, "completion_tokens": len(text) // 4 + 1}
    usage["total_tokens"] = sum(usage.values())
    head: dict[str, Any] = {"id": "chatcmpl-1", "created": 0, "model": body["model"]}
    if body.get("stream"):
        return StreamingResponse(_events(head, text, numbered, why, usage), media_type="text/event-stream")
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text or None,
        **({"tool_calls": numbered} if calls else {}),
    }
    choice = {"index": 0, "message": message, "finish_reason": why}
    return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage})


async def _events(
    head: dict[str, Any], text: str, calls: list[dict[str, Any]], why: str, usage: dict[str, int]
) -> AsyncIterator[bytes]:
    deltas: list[dict[str, Any]] = [{"content": word} for word in re.findall(r"\s*\S+", text)]
    deltas += [{"tool_calls": [call]} for call in calls]
    choices: list[list[dict[str, Any]]]
    choices = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    choices.append([{"index": 0, "delta": {}, "finish_reason": why}])
    for choice in choices:
        yield _event({**head, "object": "chat.completion.chunk", "choices": choice})
    yield _event({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


async def list_models(request: Request) -> Response:
    """Answer which models there are."""
    return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in MODELS]})


async def embed(request: Request) -> Response:
    """Answer embeddings: a number per letter, as good as any other for a test."""
    asked = (await request.json())["input"]
    texts = [asked] if isinstance(asked, str) else asked
    vectors = [[float(str(text).count(chr(97 + n % 26))) for n in range(DIMENSIONS)] for text in texts]
    data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    return JSONResponse({"object": "list", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}})


def create_app() -> Starlette:
    """Return the endpoint."""
    return Starlette(
        routes=[
            Route("/v1/chat/completions", complete, methods=["POST"]),
            Route("/v1/embeddings", embed, methods=["POST"]),
            Route("/v1/models", list_models),
        ]
    )


async def serve(port: int) -> None:
    """Serve on the loopback until the process is told to end."""
    await uvicorn.Server(uvicorn.Config(create_app(), port=port, log_level="warning")).serve()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8290)
    asyncio.run(serve(parser.parse_args().port))

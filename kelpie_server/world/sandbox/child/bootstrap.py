"""The start of a tool's process: request in, shut in, run, result out.

The request comes on standard input, with everything that is secret in it, so that nothing of it is on a command line or
in an environment. The result leaves on a pipe of its own, so that a tool may print what it likes.
"""

import contextlib
import json
import os
import sys
import types
from collections.abc import Callable

from kelpie_server.world.sandbox.child import calling, isolation, offered
from kelpie_server.world.sandbox.child.offered import Json, JsonObject

FRAMES_MAX = 5
TRACEBACK_CHARS_MAX = 4_000
_LOWER_PRIORITY = 5


def main() -> None:
    """Answer the one request and end this process."""
    result_fd = int(sys.argv[2])
    request = _request()
    try:
        _isolate(request, isolation.supervise(request["server"]))
    except (isolation.NotIsolated, OSError) as error:
        result = {"not_isolated": str(error)}
    else:
        result = _run(request)
    _flush()
    _send(result_fd, result, request["result_bytes_max"])
    os._exit(0)  # a thread that the tool left behind must not keep the process


def _request() -> JsonObject:
    with open(0, "rb", closefd=False) as stream:
        request: JsonObject = json.load(stream)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    return request


def _isolate(request: JsonObject, supervisor: int) -> None:
    rules, user = request["rules"], request["user"]
    os.nice(_LOWER_PRIORITY)
    if sys.platform == "linux":
        # Whoever runs out of memory, it shall be this process that ends; where that cannot be said, the system chooses.
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    with contextlib.nullcontext() if rules is not None else contextlib.suppress(isolation.NotIsolated):
        # Without isolation the limits are kept as far as the system knows them.
        isolation.limit(request["limits"], processes=request["processes_max"], shared_user=user is None)
    if rules is not None:
        isolation.shut_in(rules, user, request["machine"], [os.__file__, *request["wanted"]], supervisor)
    _become_tool(request)
    if rules is not None:
        isolation.filter_calls(bytes.fromhex(rules["calls"]))


def _become_tool(request: JsonObject) -> None:
    sys.path[:] = [*(path for path in sys.path if path != request["own_path"]), *request["import_paths"]]
    sys.argv = [calling.FILE]
    os.environ.clear()
    os.environ.update(request["environment"])
    for stream in (sys.stdout, sys.stderr):
        # By lines, so that what was printed is there even if the process is killed.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]


def _run(request: JsonObject) -> JsonObject:
    state = request["state"]
    try:
        function = calling.load(request["source"], request["name"])
        view = offered.agent_state(state) if state is not None and function.wants_state else None
        attributed: Callable[[Json], Json] | None = offered.attributed if request["attributes"] else None
        value = _awaited(function.call(request["arguments"], view, attributed))
        changed = {} if view is None else offered.edits(view, state)
        return {"status": "success", "text": text_of(value), "edits": changed}
    except calling.NotCallable as error:
        return {"status": "error", "text": str(error)}
    except BaseException as error:  # whatever it is, SystemExit included, it is how the tool ended
        return {"status": "error", **_told(error, request["source"])}


def _awaited(value: Json) -> Json:
    if not isinstance(value, types.CoroutineType):
        return value
    import asyncio

    return asyncio.run(value)


def text_of(value: Json) -> str:
    """Return what a tool returned as text: a text as it is, an object or a list as JSON, else what str() says."""
    if isinstance(value, dict | list):
        try:
            return json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError):
            return str(value)
    return str(value)


def _told(error: BaseException, source: str) -> "dict[str, str]":
    """Return an exception in words: what and where for the model, and the tool's own frames; bounded."""
    if isinstance(error, MemoryError):  # there may be none left to say more
        return {"text": "MemoryError: the tool needs more memory than it may have", "trace": ""}
    import linecache  # costs more to load than most tools take, and few fail
    import traceback

    linecache.cache[calling.FILE] = (len(source), None, source.splitlines(keepends=True), calling.FILE)
    told = traceback.TracebackException.from_exception(error, compact=True)
    own = [frame for frame in told.stack if frame.filename == calling.FILE]
    told.stack[:] = own[-FRAMES_MAX:]
    last = "".join(told.format_exception_only()).strip()
    trace = "".join(told.format(chain=False)).strip()
    where = f" (line {own[-1].lineno} of the tool)" if own else ""
    return {"text": f"{last[:TRACEBACK_CHARS_MAX]}{where}", "trace": trace[:TRACEBACK_CHARS_MAX]}


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the tool closed it: there is nobody to print for
            stream.flush()


def _send(fd: int, result: JsonObject, bytes_max: int) -> None:
    # Halves of characters that belong together are joined, others replaced: JSON can hold none.
    text = json.dumps(result, ensure_ascii=False).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    data = text.encode()
    if len(data) > bytes_max:
        words = f"the tool returned {len(data)} bytes, {bytes_max} are allowed"
        data = json.dumps({"status": "error", "text": words}).encode()
    while data:
        data = data[os.write(fd, data) :]

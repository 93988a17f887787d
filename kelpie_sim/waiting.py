"""Where a suspended task waits, as a line of text that is the same on every machine."""

from __future__ import annotations

import os
from types import CodeType

from kelpie_sim.tasks import AnyTask

_DEPTH_MAX = 64


def await_site(task: AnyTask) -> str:
    """Return a task's name and its awaits, outermost first: `3:main waits in main (app.py:10) > get
    (queues.py:158)`."""
    places: list[str] = []
    awaited: object = task.get_coro()
    while awaited is not None and len(places) < _DEPTH_MAX:
        place, awaited = _place(awaited)
        if place:
            places.append(place)
    return f"{task.get_name()} waits in {' > '.join(places) or 'code without a frame'}"


def _place(awaited: object) -> tuple[str, object]:
    """Return where a coroutine, generator or async generator stands, and what it awaits in turn."""
    for kind in ("cr", "gi", "ag"):
        code = getattr(awaited, f"{kind}_code", None)
        if isinstance(code, CodeType):
            frame = getattr(awaited, f"{kind}_frame", None)
            line = code.co_firstlineno if frame is None else frame.f_lineno
            onward = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await", None)
            return f"{code.co_name} ({os.path.basename(code.co_filename)}:{line})", onward
    return "", None

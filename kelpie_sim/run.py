"""One run, from the first step to the burial.

Whatever happens, the guards are gone and the loop is closed at the end, and nothing of the run is left to be finalized
later, in somebody else's time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import CoroutineType
from typing import Any, TypeVar

from kelpie_sim import libraries
from kelpie_sim.guards import guarded
from kelpie_sim.loop import SimLoop
from kelpie_sim.seed import Streams

T = TypeVar("T")


def run(loop: SimLoop, streams: Streams, main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on `loop`, guarded, and return its result; then cancel what is left, as asyncio.run does, and close.

    Raise what `main` raises, and the loop's own errors. Errors that nobody saw are in `loop.lost_exceptions()`, calls
    that were refused in `loop.refusals`.
    """
    libraries.apply()
    try:
        with guarded(loop, streams):
            return _guarded_run(loop, streams, main)
    finally:
        # Left unstarted, it would complain when it is collected.
        main.close()


def _guarded_run(loop: SimLoop, streams: Streams, main: Coroutine[Any, Any, T]) -> T:
    try:
        result = loop.run_until_complete(main) if type(main) is not CoroutineType else _result_of(main, loop)
        if loop.live_tasks():
            loop.release_all()
            loop.run_until_complete(_cancel_all(loop))
        if loop.has_open_generators():
            loop.run_until_complete(loop.shutdown_asyncgens())
        return result  # type: ignore[no-any-return]
    finally:
        loop.trace.record("tape", streams.tape.fingerprint())
        loop.finish()


def _result_of(main: Coroutine[Any, Any, T], loop: SimLoop) -> T:
    """Do what `loop.run_until_complete` does, and let go of the task: an error's traceback holds this frame, so that
    the error would hold itself, and with it all of the run, until garbage is collected."""
    task = loop.create_task(main)
    task.add_done_callback(loop._main_ended)
    try:
        loop.run_forever()
        if not task.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        return task.result()  # type: ignore[no-any-return]
    except BaseException:
        if task.done() and not task.cancelled():
            task.exception()  # Marked as seen: nobody else has the task.
        raise
    finally:
        if not task.done():
            task.remove_done_callback(loop._main_ended)
        del task
        if loop.network is not None:
            loop.network.program_ended()


async def _cancel_all(loop: SimLoop) -> None:
    """Cancel every task but this one, and wait for their ends."""
    this = asyncio.current_task(loop)
    tasks = [task for task in loop.live_tasks() if task is not this]
    for task in tasks:
        task.cancel()
    for task, result in zip(tasks, await asyncio.gather(*tasks, return_exceptions=True), strict=True):
        if isinstance(result, BaseException) and not task.cancelled():
            loop.call_exception_handler({"message": "error while shutting down", "exception": result, "task": task})

"""From an exception to a finding: its kind, a signature that is the same under every seed, and a message.

A signature names the error class, the check (the message up to its first colon, without whatever holds a digit or is
quoted) and the innermost function of the program under test. So one bug found by a hundred seeds is one row in a
report and one file in the corpus. The classes of the program count by name: its own InvariantBroken is as good as
ours, and the engine imports no program.
"""

import re
import sys
import traceback
from collections.abc import Iterator
from types import CodeType, FrameType, TracebackType

from kelpie_sim import errors
from kelpie_sim.outcome import Finding, FindingKind

CHECK_CHARS_MAX = 100

_KINDS = (
    (errors.NonDeterminism, FindingKind.NONDETERMINISM),
    (errors.FaultNeverFired, FindingKind.FAULT_NEVER_FIRED),
    ((errors.Stalled, errors.StepLimit, errors.TimeLimit, errors.NotSettled, errors.Overdue), FindingKind.LIVENESS),
    (AssertionError, FindingKind.CORRECTNESS),
)
# A quoted text, or a word with a digit in it: a value, an id, a count.
_VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|[^\s:()\[\]{},;=]*\d[^\s:()\[\]{},;=]*")
_PLACE = re.compile(r" \([^()]*:\d+\)")
_ENGINE = "kelpie_sim"
_ENGINE_EXEMPT = ("kelpie_sim.agents",)


def finding_of(error: BaseException) -> Finding:
    """Return the finding for an exception that ended a run, or that nobody awaited."""
    cause = _telling(error)
    return Finding(
        kind=kind_of(cause),
        signature=signature_of(cause),
        message=str(cause) or type(cause).__name__,
        traceback="".join(traceback.format_exception(type(error), error, _from_program(error.__traceback__))),
    )


def kind_of(error: BaseException) -> FindingKind:
    """Return what sort of failure an exception is."""
    for classes, kind in _KINDS:
        if isinstance(error, classes):
            return kind
    if any(base.__name__ == "InvariantBroken" for base in type(error).__mro__):
        return FindingKind.CORRECTNESS
    return FindingKind.CRASH


def signature_of(error: BaseException) -> str:
    """Return the text that is equal for the same failure under other seeds."""
    place = _place(error)
    parts = (type(error).__name__, _check(error), f"at {place}" if place else "")
    return " ".join(part for part in parts if part)


def _check(error: BaseException) -> str:
    """Return the name of what does not hold; a crash has none, and a stall is told by where its tasks wait."""
    if isinstance(error, errors.Stalled):
        # Without the lines, and without who holds a lock: that changes with each seed.
        sites = {_PLACE.sub("", line.partition(" waits in ")[2]).partition(" for a ")[0] for line in error.waiting}
        return " | ".join(sorted(sites))[:CHECK_CHARS_MAX]
    return "" if kind_of(error) is FindingKind.CRASH else scrubbed(str(error).partition(":")[0])


def scrubbed(text: str) -> str:
    """Return the first line of a text without what changes from seed to seed."""
    first = text.strip().partition("\n")[0]
    return _VARIABLE.sub("#", first)[:CHECK_CHARS_MAX].strip()


def _telling(error: BaseException) -> BaseException:
    """Return, of a group of errors, the one that tells most: a broken law before anything else, else the first."""
    leaves = list(_leaves(error))
    broken = [leaf for leaf in leaves if kind_of(leaf) is not FindingKind.CRASH]
    return (broken or leaves)[0]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _place(error: BaseException) -> str:
    """Return the innermost function of the program that the error passed through, as module:name."""
    place = ""
    for frame in _frames(error.__traceback__):
        module = frame.f_globals.get("__name__", "")
        if _is_program(module, frame.f_code):
            place = f"{module}:{frame.f_code.co_qualname}"
    return place


def _from_program(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the program's first frame on, whole if it has none: how the engine got there is noise."""
    rest = trace
    while rest is not None and not _is_program(rest.tb_frame.f_globals.get("__name__", ""), rest.tb_frame.f_code):
        rest = rest.tb_next
    return rest or trace


def _frames(trace: TracebackType | None) -> Iterator[FrameType]:
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def _is_program(module: str, code: CodeType) -> bool:
    """Say whether a frame belongs to the program under test: no library, and not this engine."""
    if module.partition(".")[0] in sys.stdlib_module_names or "site-packages" in code.co_filename:
        return False
    return module.partition(".")[0] != _ENGINE or module.startswith(_ENGINE_EXEMPT)

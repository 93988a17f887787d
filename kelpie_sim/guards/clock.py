"""The clocks of a guarded run: virtual, in UTC, and never blocking.

`datetime` is a C type that refuses assignment, yet its class must stay the same one (code compares and dispatches on
it). So its two clock readers are exchanged inside its own dictionary, and the interpreter is told. That is CPython's,
as the rest of the simulator is. `today` reads `time.time` and follows by itself.
"""

from __future__ import annotations

import ctypes
import datetime
import gc
import os
import time
from collections.abc import Callable
from typing import Any

from kelpie_sim.guards.active import current
from kelpie_sim.guards.patches import Patch

SECOND_NS = 1_000_000_000
_UTC = ("UTC", "UTC")


def _wall_s() -> float | None:
    guard = current()
    return None if guard is None else guard.wall_ns() / SECOND_NS


def _reader(real: Callable[[], Any], wall: bool, ns: bool) -> Callable[[], Any]:
    """Return a clock without argument."""

    def read() -> float | int:
        guard = current()
        if guard is None:
            return real()  # type: ignore[no-any-return]
        value = guard.wall_ns() if wall else guard.loop.time_ns
        return value if ns else value / SECOND_NS

    return read


def _by_clock(real: Callable[[int], Any], ns: bool) -> Callable[[int], Any]:
    """Return clock_gettime or its sibling."""

    def read(clock: int, /) -> float | int:
        guard = current()
        if guard is None:
            return real(clock)  # type: ignore[no-any-return]
        value = guard.wall_ns() if clock == time.CLOCK_REALTIME else guard.loop.time_ns
        return value if ns else value / SECOND_NS

    return read


def _seconds_taker(real: Callable[..., Any]) -> Callable[..., Any]:
    """Return gmtime, localtime or ctime: without an argument they mean now."""

    def convert(seconds: float | None = None, /) -> object:
        return real(_wall_s() if seconds is None else seconds)

    return convert


def _asctime(real: Callable[..., Any]) -> Callable[..., Any]:
    def asctime(moment: Any = None, /) -> object:
        return real(time.localtime() if moment is None else moment)

    return asctime


def _strftime(real: Callable[..., Any]) -> Callable[..., Any]:
    def strftime(form: str, moment: Any = None, /) -> object:
        return real(form, time.localtime() if moment is None else moment)

    return strftime


def _sleep(real: Callable[[float], None]) -> Callable[[float], None]:
    def sleep(seconds: float, /) -> None:
        guard = current()
        if guard is not None:
            guard.loop.refuse("time.sleep", "await asyncio.sleep instead")
        real(seconds)

    return sleep


def clock_patches() -> list[Patch]:
    """Return the patches of the module `time`."""
    makers: dict[str, Callable[[Any], object]] = {
        "time": lambda real: _reader(real, wall=True, ns=False),
        "time_ns": lambda real: _reader(real, wall=True, ns=True),
        "clock_gettime": lambda real: _by_clock(real, ns=False),
        "clock_gettime_ns": lambda real: _by_clock(real, ns=True),
        "gmtime": _seconds_taker,
        "localtime": _seconds_taker,
        "ctime": _seconds_taker,
        "asctime": _asctime,
        "strftime": _strftime,
        "sleep": _sleep,
    }
    for name in ("monotonic", "perf_counter", "process_time", "thread_time"):
        makers[name] = lambda real: _reader(real, wall=False, ns=False)
        makers[f"{name}_ns"] = lambda real: _reader(real, wall=False, ns=True)
    return [
        Patch(owner=time, name=name, replacement=make(vars(time)[name]))
        for name, make in makers.items()
        if name in vars(time)
    ]


class DatetimeClock:
    """Exchanges `datetime.datetime.now` and `utcnow`, for all who hold the class."""

    def __init__(self) -> None:
        # The mapping that a class shows is read only; the dictionary behind it is the only thing it refers to.
        self._dictionary: dict[str, object] = gc.get_referents(datetime.datetime.__dict__)[0]
        self._real = {name: self._dictionary[name] for name in ("now", "utcnow")}
        self._virtual = {
            "now": classmethod(_now_like(self._real["now"])),
            "utcnow": classmethod(_utcnow_like(self._real["utcnow"])),
        }

    def apply(self) -> None:
        """Show the virtual clock."""
        self._dictionary.update(self._virtual)
        _type_modified(ctypes.py_object(datetime.datetime))

    def undo(self) -> None:
        """Show the real clock."""
        self._dictionary.update(self._real)
        _type_modified(ctypes.py_object(datetime.datetime))


_type_modified = ctypes.pythonapi.PyType_Modified
_type_modified.argtypes = [ctypes.py_object]
_type_modified.restype = None


def _now_like(real: Any) -> Callable[..., datetime.datetime]:
    def now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
        guard = current()
        if guard is None:
            return real.__get__(None, cls)(tz)  # type: ignore[no-any-return]
        seconds, rest_ns = divmod(guard.wall_ns(), SECOND_NS)
        return cls.fromtimestamp(seconds, tz).replace(microsecond=rest_ns // 1_000)

    return now


def _utcnow_like(real: Any) -> Callable[..., datetime.datetime]:
    def utcnow(cls: type[datetime.datetime]) -> datetime.datetime:
        if current() is None:
            return real.__get__(None, cls)()  # type: ignore[no-any-return]
        return cls.now(datetime.UTC).replace(tzinfo=None)

    return utcnow


class UtcZone:
    """Pins the local time zone to UTC, so that naive local times are the same on every machine."""

    def __init__(self) -> None:
        self._before: str | None = None
        self._changed = False

    def apply(self) -> None:
        """Set the zone, unless it is UTC already: the system call is not free."""
        self._changed = time.tzname != _UTC or time.timezone != 0
        if self._changed:
            self._before = os.environ.get("TZ")
            os.environ["TZ"] = "UTC0"
            time.tzset()

    def undo(self) -> None:
        """Set the zone back."""
        if not self._changed:
            return
        if self._before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = self._before
        time.tzset()

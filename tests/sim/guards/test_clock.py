"""The clocks of a guarded run."""

import asyncio
import datetime
import time
from datetime import datetime as imported_class
from time import monotonic as imported_function

import pytest

from kelpie_sim.errors import Unsupported
from tests.sim.programs import World

START_S = 1767225600
UTC = datetime.UTC
NAIVE = datetime.datetime(2026, 1, 1, 0, 0, 1, 500_000)  # noqa: DTZ001
AWARE = NAIVE.replace(tzinfo=UTC)
SECOND_ONE = time.gmtime(START_S + 1)


def seen(read):
    """Return what a reader sees after a second and a half of a run."""

    async def main():
        await asyncio.sleep(1.5)
        return read()

    return World().run(main())


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda: time.time(), START_S + 1.5),
        (lambda: time.time_ns(), START_S * 10**9 + 1_500_000_000),
        (lambda: time.monotonic(), 1.5),
        (lambda: time.monotonic_ns(), 1_500_000_000),
        (lambda: time.perf_counter(), 1.5),
        (lambda: time.perf_counter_ns(), 1_500_000_000),
        (lambda: time.process_time(), 1.5),
        (lambda: time.thread_time_ns(), 1_500_000_000),
        (lambda: time.clock_gettime(time.CLOCK_REALTIME), START_S + 1.5),
        (lambda: time.clock_gettime_ns(time.CLOCK_MONOTONIC), 1_500_000_000),
        (lambda: time.gmtime(), SECOND_ONE),
        (lambda: time.localtime()[:6], SECOND_ONE[:6]),
        (lambda: time.gmtime(0).tm_year, 1970),
        (lambda: time.ctime(), "Thu Jan  1 00:00:01 2026"),
        (lambda: time.asctime(), "Thu Jan  1 00:00:01 2026"),
        (lambda: time.strftime("%Y %H:%M:%S"), "2026 00:00:01"),
        (lambda: time.strftime("%Y", time.gmtime(0)), "1970"),
        (lambda: imported_function(), 1.5),
        (lambda: datetime.datetime.now(), NAIVE),  # noqa: DTZ005
        (lambda: datetime.datetime.now(UTC), AWARE),
        (lambda: datetime.datetime.now(tz=UTC), AWARE),
        (lambda: datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=2))), AWARE),
        (lambda: imported_class.utcnow(), NAIVE),  # noqa: DTZ003
        (lambda: datetime.datetime.today(), NAIVE),  # noqa: DTZ002
        (lambda: datetime.date.today(), datetime.date(2026, 1, 1)),  # noqa: DTZ011
        (lambda: NAIVE.astimezone(UTC), AWARE),
        (lambda: type(imported_class.now(UTC)) is datetime.datetime, True),
    ],
)
def test_every_clock_is_virtual_and_in_utc(read, expected):
    """Whatever is asked, by whatever name, the answer is the virtual instant."""
    assert expected == seen(read)


def test_subclass_of_datetime_reads_the_same_clock():
    """A class derived from datetime makes its own kind."""

    class Moment(datetime.datetime):
        """A datetime of our own."""

    assert Moment(2026, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC) == seen(lambda: Moment.now(UTC))
    assert Moment is type(seen(lambda: Moment.now(UTC)))


@pytest.mark.parametrize("name", ["EST5EDT", "UTC"])
def test_zone_of_the_machine_does_not_show(name, monkeypatch):
    """Local time is UTC inside a run, and the machine's again after it."""
    monkeypatch.setenv("TZ", name)
    time.tzset()
    before = time.tzname
    try:
        assert (NAIVE, before) == (seen(lambda: datetime.datetime.now()), time.tzname)  # noqa: DTZ005
    finally:
        monkeypatch.undo()
        time.tzset()


def test_zone_is_put_back_where_none_was_set(monkeypatch):
    """An environment without a zone is without one afterwards."""
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(time, "tzname", ("X", "Y"))
    seen(lambda: None)
    import os

    assert "TZ" not in os.environ


def test_blocking_sleep_is_refused():
    """time.sleep would stop everything."""

    def sleep():
        time.sleep(1)

    with pytest.raises(Unsupported, match=r"time.sleep .*await asyncio.sleep"):
        seen(sleep)


def test_clocks_are_real_again_afterwards():
    """After a run the clocks show the real time, through the same names."""
    before = imported_function()
    seen(lambda: None)
    year = datetime.datetime.now(UTC).year
    assert (True, False) == (0 <= imported_function() - before < 60, year == 1970)
    assert abs(datetime.datetime.now(UTC).timestamp() - time.time()) < 60


def test_what_the_interpreter_remembers_is_no_way_around():
    """Code that has often read the clock at one place reads the virtual one inside a run, and the real one after it."""

    def year():
        return [datetime.datetime.now(UTC) for _ in range(100)][-1]

    real, virtual, after = year(), seen(year), year()
    assert ((AWARE, True), True) == ((virtual, virtual < real), real <= after)


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_utcnow_is_real_again_afterwards():
    """The old naive reader is restored as well, with its warning."""
    seen(lambda: None)
    assert abs(imported_class.utcnow().replace(tzinfo=UTC).timestamp() - time.time()) < 60  # noqa: DTZ003

"""Venues whose clock is off, or whose sessions are not those of our calendar."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.fakes.host import ShiftedHost
from tests.fakes.trading import TradingHarness, open_harness
from tests.fakes.venue import AUTHORITATIVE, SCRIPTED
from tradebotd.clocks.host import host_now
from tradebotd.jobs.reconcile import Reconcile
from tradebotd.market.calendars import ExchangeCalendar
from tradebotd.market.sessions import Break, Session
from tradebotd.ports.venue import VenueClock
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.venue_state.server_clocks import EVERY_SECONDS, Offset, ServerClocks

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OFFSET, SESSIONS = "clock_offset", "calendar_disagrees"


class Clocked:
    def __init__(
        self, harness: TradingHarness, host: ShiftedHost, calendar: ExchangeCalendar | None = None
    ) -> None:
        self.harness, self.host, self.venue = harness, host, harness.venue
        self.clocks = ServerClocks(
            database=harness.database,
            clock=harness.clock,
            host=host,
            holds=harness.gate.holds,
            venues=harness.venues,
            symbols=harness.symbols,
            calendars={} if calendar is None else {calendar.code: calendar},
            limits={},
        )

    async def alert(self, code: str) -> tuple[str, str] | None:
        rows = await self.harness.rows(
            "SELECT * FROM alerts WHERE code = $1 AND cleared_at IS NULL", code
        )
        return (rows[0]["subject"], rows[0]["message"]) if rows else None

    @property
    def asked(self) -> int:
        return self.venue.asked_for.count("server_clock")


async def clocked(database: Database, calendar: ExchangeCalendar | None = None) -> Clocked:
    host = ShiftedHost()
    telling = replace(AUTHORITATIVE, tells_clock=True, receive_window=5 * SECOND)
    harness = await open_harness(database, host=host, traits=telling, calendar=calendar)
    return Clocked(harness, host, calendar)


def test_an_offset_is_measured_at_the_middle_of_the_call() -> None:
    """The venue may have read its clock anywhere in it: half is doubt."""
    offset = Offset.of(NOON, NOON + 5 * SECOND, NOON + 4 * SECOND)

    assert (offset.ahead, offset.doubt) == (3 * SECOND, 2 * SECOND)
    assert str(offset) == "3.0 s ahead of this machine's (± 2.0 s)"
    assert not offset.is_beyond(SECOND)
    assert offset.is_beyond(SECOND - timedelta(milliseconds=1))


@pytest.mark.parametrize(("ahead", "way"), [(3, "ahead of"), (-3, "behind")])
async def test_a_clock_that_is_off_is_said_with_the_way(
    database: Database, ahead: int, way: str
) -> None:
    """M6.2: beyond a second; within the receive window entries go on."""
    clocked_ = await clocked(database)
    clocked_.venue.ahead = ahead * SECOND

    await clocked_.clocks.check()

    found = await clocked_.alert(OFFSET)
    assert found is not None
    assert found[0] == SCRIPTED
    assert f"s {way} this machine's" in found[1]
    assert clocked_.harness.gate.closed_because(SCRIPTED) is None


async def test_entries_wait_beyond_the_receive_window_until_the_clock_is_right(
    database: Database,
) -> None:
    """M6.2: what we sign would be refused; it is looked at each time while it is so."""
    clocked_ = await clocked(database)
    clocked_.venue.ahead = -7 * SECOND
    await clocked_.clocks.check()
    reason = clocked_.harness.gate.closed_because(SCRIPTED)
    assert reason is not None
    assert "behind this machine's" in reason
    clocked_.venue.ahead = timedelta()

    await clocked_.clocks.check()

    assert clocked_.harness.gate.closed_because(SCRIPTED) is None
    assert await clocked_.alert(OFFSET) is None


async def test_a_right_clock_is_asked_for_hourly(database: Database) -> None:
    clocked_ = await clocked(database)
    for shift in (timedelta(), timedelta(minutes=59), timedelta(minutes=2)):
        clocked_.host.shift += shift
        clocked_.venue.ahead = clocked_.host.shift
        await clocked_.clocks.check()

    assert clocked_.asked == 2
    assert HOUR.total_seconds() == EVERY_SECONDS


async def test_a_slow_answer_proves_nothing(database: Database) -> None:
    """Neither that a clock is off, nor that it is right again."""
    clocked_ = await clocked(database)
    real, slow = clocked_.venue.server_clock, 20 * SECOND

    async def server_clock() -> VenueClock:
        clocked_.host.shift += slow
        return await real()

    clocked_.venue.server_clock = server_clock  # type: ignore[method-assign]
    clocked_.venue.ahead = 15 * SECOND
    await clocked_.clocks.check()
    assert await clocked_.alert(OFFSET) is None
    slow = timedelta()
    clocked_.venue.ahead = clocked_.host.shift + 3 * SECOND
    clocked_.host.shift += HOUR
    clocked_.venue.ahead += HOUR
    await clocked_.clocks.check()
    assert await clocked_.alert(OFFSET) is not None
    slow = 20 * SECOND

    await clocked_.clocks.check()

    assert await clocked_.alert(OFFSET) is not None


async def test_a_venue_that_does_not_tell_keeps_what_was_known(database: Database) -> None:
    """M2.6: and the job goes on with the others."""
    clocked_ = await clocked(database)
    clocked_.venue.ahead = 3 * SECOND
    await clocked_.clocks.check()
    clocked_.venue.reads_fail = True
    harness = clocked_.harness
    job = Reconcile(reconciler=harness.reconciler, gate=harness.gate, clocks=clocked_.clocks)

    await job.run(harness.context())

    assert await clocked_.alert(OFFSET) is not None


# Sessions


def calendar() -> ExchangeCalendar:
    """From 8 to 16 UTC with a break at noon, today and for the next days."""
    today = host_now().replace(hour=0, minute=0, second=0, microsecond=0)
    sessions = []
    for number in range(-2, 20):
        day = today + timedelta(days=number)
        lunch = Break(day + 12 * HOUR, day + 13 * HOUR)
        on = date(day.year, day.month, day.day)
        sessions.append(Session(on, day + 8 * HOUR, day + 16 * HOUR, (lunch,)))
    return ExchangeCalendar("XTST", sessions)


async def compared(
    database: Database, at: timedelta, *, is_open: bool, opens: timedelta, closes: timedelta
) -> str | None:
    """What is said of a venue that says so at *at* of a day; all from its beginning."""
    clocked_ = await clocked(database, calendar())
    day = host_now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    clocked_.host.shift = clocked_.venue.ahead = day + at - host_now()
    clocked_.venue.session = VenueClock(
        time=day, is_open=is_open, next_open=day + opens, next_close=day + closes
    )
    await clocked_.clocks.check()
    found = await clocked_.alert(SESSIONS)
    assert found is None or found[0] == f"{SCRIPTED} XTST"
    return None if found is None else found[1]


@pytest.mark.parametrize(
    ("at", "is_open", "opens", "closes"),
    [
        (10, True, 32, 16),  # it knows no break, or does not tell of it
        (10, True, 13, 12),
        (20, False, 32, 40),
        (20, False, 32, 36),
        (16, True, 32, 16),  # at this very moment
    ],
)
async def test_a_venue_that_agrees_says_so_with_breaks_and_without(
    database: Database, at: int, opens: int, closes: int, *, is_open: bool
) -> None:
    """M3.9"""
    found = await compared(
        database, at * HOUR, is_open=is_open, opens=opens * HOUR, closes=closes * HOUR
    )
    assert found is None


@pytest.mark.parametrize(
    ("at", "is_open", "opens", "closes", "words"),
    [
        (10, False, 32, 40, ["the venue is closed, by XTST open", "closes next"]),
        (20, True, 32, 21, ["the venue is open, by XTST closed", "closes next"]),
        (10, True, 32, 13.5, ["closes next"]),  # an early close that we do not know
        (20, False, 33, 40, ["opens next"]),
    ],
)
async def test_a_venue_that_disagrees_is_said_with_both_times(
    database: Database, at: int, opens: int, closes: float, words: list[str], *, is_open: bool
) -> None:
    """M3.9: a holiday or an early close that one of them does not know."""
    found = await compared(
        database, at * HOUR, is_open=is_open, opens=opens * HOUR, closes=closes * HOUR
    )
    assert found is not None
    assert [each in found for each in words] == [True] * len(words)
    assert found.count(";") == len(words) - 1


async def test_a_market_that_always_trades_is_compared_with_nothing(database: Database) -> None:
    clocked_ = await clocked(database)
    clocked_.venue.session = VenueClock(time=host_now(), is_open=False)
    await clocked_.clocks.check()

    assert await clocked_.alert(SESSIONS) is None

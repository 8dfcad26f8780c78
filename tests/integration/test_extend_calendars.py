"""The tables of calendars while a daemon runs for years, and where the library's own data end."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.fakes.market_data import standing_clock
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.job import RunStatus
from tradebotd.jobs.extend_calendars import ExtendCalendars
from tradebotd.market import calendar_extension
from tradebotd.market.calendars import ExchangeCalendar, KnownSessions
from tradebotd.market.sessions import AlwaysOpen, Session
from tradebotd.scheduling.job import RunContext
from tradebotd.storage.postgres.database import Database

DAY = timedelta(days=1)
ENDS = date(2026, 12, 31)
FAR = {"XAAA": None, "XEND": ENDS}


@dataclass
class Library:
    """Knows weekdays, of XEND until ENDS; `broken` makes it fail as pandas does."""

    broken: bool = False
    read: list[str] = field(default_factory=list)

    def known(self, code: str, first: date, now: date) -> KnownSessions:
        self.read.append(code)
        if self.broken:
            raise ConfigError([f"calendar {code!r} cannot be built"])
        until = min(now + timedelta(days=730), FAR[code] or date.max)
        days = [first + n * DAY for n in range((until - first).days + 1)]
        noon = [datetime(day.year, day.month, day.day, 12, tzinfo=UTC) for day in days]
        sessions = [
            Session(at.date(), at, at + timedelta(hours=4)) for at in noon if at.weekday() < 5
        ]
        return KnownSessions(
            sessions=tuple(sessions), known_from=first, known_until=until, ends=FAR[code], zone=UTC
        )


@dataclass
class Years:
    """Two exchanges and a market that never closes, read on 2026-06-01."""

    database: Database
    library: Library
    clock: MarketClock = field(
        default_factory=lambda: standing_clock(datetime(2026, 6, 1, tzinfo=UTC))
    )

    def __post_init__(self) -> None:
        today = self.clock.now().date()
        self.exchanges = {
            code: ExchangeCalendar.from_table(
                code, self.library.known(code, date(2026, 1, 1), today)
            )
            for code in FAR
        }
        self.job = ExtendCalendars(
            calendars={"24/7": AlwaysOpen(), **self.exchanges},
            database=self.database,
            clock=self.clock,
        )
        self.library.read.clear()

    async def on(self, day: str) -> RunStatus:
        self.clock.jump_to(datetime.fromisoformat(f"{day}T02:40:00+00:00"))
        now = self.clock.now()
        return (await self.job.run(RunContext(scheduled_at=now, now=now))).status()

    async def alerts(self) -> list[tuple[str, str, str]]:
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT subject, severity, message FROM alerts"
                " WHERE code = 'calendar_ends' AND cleared_at IS NULL"
            )
        return [tuple(row) for row in rows]


@pytest.fixture
def years(database: Database, monkeypatch: pytest.MonkeyPatch) -> Years:
    library = Library()
    monkeypatch.setattr(calendar_extension, "read_known", library.known)
    return Years(database, library)


async def test_a_table_is_read_again_a_year_before_its_end(years: Years) -> None:
    """M3.9: and not each day; what the library does not know is not asked for."""
    assert await years.on("2027-05-01") is RunStatus.OK
    assert years.library.read == []
    assert await years.on("2027-06-02") is RunStatus.OK
    assert await years.on("2027-06-03") is RunStatus.OK

    assert years.library.read == ["XAAA"]
    assert years.exchanges["XAAA"].known_until > date(2029, 5, 1)
    outcome = await years.job.outcome()
    assert outcome.ok
    assert "XEND the shortest: until 2026-12-31" in outcome.message


async def test_a_library_that_fails_is_told_and_goes_on_as_it_was(years: Years) -> None:
    """A year is left to mend it; nothing ends."""
    years.library.broken = True
    assert await years.on("2027-06-02") is RunStatus.PARTIAL
    outcome = await years.job.outcome()
    assert not outcome.ok
    assert "XAAA until 2028-05-31" in outcome.message
    assert years.exchanges["XAAA"].is_open(datetime(2027, 6, 2, 13, tzinfo=UTC))

    years.library.broken = False
    assert await years.on("2027-06-03") is RunStatus.OK
    assert (await years.job.outcome()).ok


async def test_the_end_of_what_is_known_is_told_weeks_before(years: Years) -> None:
    """M9: a warning, critical once sessions are assumed, over when a newer release knows more."""
    await years.on("2026-11-01")
    assert await years.alerts() == []
    await years.on("2026-11-20")
    ((subject, severity, message),) = await years.alerts()
    assert (subject, severity) == ("XEND", "warning")
    assert "known until 2026-12-31 only (41 days from 2026-11-20)" in message

    await years.on("2027-01-04")
    ((subject, severity, message),) = await years.alerts()
    assert (subject, severity) == ("XEND", "critical")
    assert "regular hours of weekdays are assumed" in message
    assert years.exchanges["XEND"].is_open(datetime(2027, 1, 4, 13, tzinfo=UTC))
    assert not years.exchanges["XEND"].is_open(datetime(2027, 1, 3, 13, tzinfo=UTC))

    years.exchanges["XEND"].extend(Library().known("XAAA", date(2026, 1, 1), date(2027, 1, 4)))
    await years.on("2027-01-05")
    assert await years.alerts() == []

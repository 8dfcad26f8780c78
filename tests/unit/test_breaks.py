"""Lunch: a session that is closed in its midst, by every question that a calendar answers."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tradebotd.domain.candle import Candle
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.assumed_sessions import regular_hours
from tradebotd.market.calendars import ExchangeCalendar, KnownSessions
from tradebotd.market.gap_plan import plan_gaps
from tradebotd.market.roll_up import roll_up
from tradebotd.market.sessions import Break, Hours, Session

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
TOKYO = ZoneInfo("Asia/Tokyo")
MONDAY = date(2025, 3, 3)


def at(clock: str, day: date = MONDAY) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}+00:00")


def session(day: date = MONDAY) -> Session:
    """Of Tokyo: 09:00 to 11:30 and 12:30 to 15:00 there."""
    lunch = Break(at("02:30", day), at("03:30", day))
    return Session(day, at("00:00", day), at("06:00", day), (lunch,))


def candle_at(instant: datetime, price: float) -> Candle:
    return Candle(instant, price, price, price, price, 1.0)


def week() -> list[Session]:
    return [session(MONDAY + n * DAY) for n in range(5)]


CALENDAR = ExchangeCalendar("XTKS", week())


@pytest.mark.parametrize(
    ("clock", "is_open"),
    [
        ("00:00", True),
        ("02:29", True),
        ("02:30", False),
        ("03:29", False),
        ("03:30", True),
        ("05:59", True),
        ("06:00", False),
    ],
)
def test_it_is_closed_in_the_break(clock: str, is_open: bool) -> None:  # noqa: FBT001
    assert CALENDAR.is_open(at(clock)) is is_open
    assert (CALENDAR.hours_at(at(clock)) is not None) is is_open


def test_a_break_belongs_to_its_session() -> None:
    """It closes none: what follows a close waits for the session's."""
    assert CALENDAR.session_at(at("03:00")) == session()
    assert CALENDAR.next_close(at("02:00")) == at("06:00")
    assert CALENDAR.next_open(at("02:45")) == at("03:30")
    assert CALENDAR.next_open(at("04:00")) == at("04:00")
    assert CALENDAR.next_open(at("06:00")) == at("00:00", MONDAY + DAY)
    last = CALENDAR.last_completed(at("03:00", MONDAY + DAY))
    assert last is not None
    assert last.date == MONDAY


def test_hours_are_the_halves() -> None:
    morning, afternoon = Hours(at("00:00"), at("02:30")), Hours(at("03:30"), at("06:00"))
    assert session().hours == (morning, afternoon)
    assert list(CALENDAR.hours(at("02:29"), at("03:31"))) == [morning, afternoon]
    assert list(CALENDAR.hours(at("02:30"), at("03:30"))) == []
    assert list(CALENDAR.sessions(at("02:30"), at("03:30"))) == [session()]


def test_a_break_is_no_hole() -> None:
    """M3.9: nothing of it is asked of the feed."""
    assert plan_gaps([(at("02:20"), at("03:40"))], CALENDAR) == [
        (at("02:20"), at("02:30")),
        (at("03:30"), at("03:40")),
    ]
    assert plan_gaps([(at("02:30"), at("03:30"))], CALENDAR) == []


def test_a_print_in_the_break_is_in_no_daily_candle() -> None:
    candles = [candle_at(at("00:00"), 100), candle_at(at("03:00"), 500), candle_at(at("03:30"), 90)]
    (day,) = roll_up(candles, Timeframe.D1, CALENDAR, first=at("00:00"), until=at("06:00"))
    assert (day.high, day.low, day.close) == (100, 90, 90)


def test_the_hour_in_which_a_break_ends_is_in_the_daily_candle() -> None:
    """It opens in the break; what it holds was traded after it."""
    candles = [candle_at(at("00:00"), 100), candle_at(at("03:00"), 500)]
    (day,) = roll_up(
        candles, Timeframe.D1, CALENDAR, first=at("00:00"), until=at("06:00"), base=Timeframe.H1
    )
    assert day.high == 500


# Behind the end of what is known


def known(until: date, *, ends: date | None = None) -> KnownSessions:
    """Tokyo's weeks from 2024-12-02 to *until*, with the first of January closed."""
    days = [date(2024, 12, 2) + n * DAY for n in range((until - date(2024, 12, 2)).days + 1)]
    trading = [day for day in days if day.weekday() < 5 and (day.month, day.day) != (1, 1)]
    return KnownSessions(
        sessions=tuple(session(day) for day in trading),
        known_from=days[0],
        known_until=until,
        ends=ends,
        zone=TOKYO,
    )


def test_sessions_are_assumed_behind_the_end() -> None:
    """Regular hours on weekdays, lunch included: positions stay guarded, and no error ends them."""
    calendar = ExchangeCalendar.from_table("XTKS", known(date(2025, 3, 7)))
    monday = date(2025, 3, 10)

    assert not calendar.is_open(at("00:00", monday - DAY))
    assert calendar.is_open(at("00:00", monday))
    assert not calendar.is_open(at("03:00", monday))
    assert calendar.next_close(at("07:00", date(2025, 3, 7))) == at("06:00", monday)
    assert calendar.next_session_after(date(2035, 1, 5)).date == date(2035, 1, 8)
    found = calendar.session_at(at("01:00", monday))
    assert found is not None
    assert found.assumed
    assert calendar.hours(at("00:00", monday), at("23:00", monday)) == list(found.hours)


def test_what_is_known_later_takes_the_place_of_what_was_assumed() -> None:
    calendar = ExchangeCalendar.from_table("XTKS", known(date(2024, 12, 31)))
    new_year = at("01:00", date(2025, 1, 1))
    assert calendar.is_open(new_year)

    calendar.extend(known(date(2025, 3, 7)))

    assert not calendar.is_open(new_year)
    assert calendar.known_until == date(2025, 3, 7)


def test_the_hours_of_the_last_quarter_are_the_regular_ones() -> None:
    """A single half day changes nothing; new hours for most of the quarter do; summer time moves them."""
    zone = ZoneInfo("America/New_York")

    def of(day: date, hour: int) -> Session:
        opens = datetime(day.year, day.month, day.day, 9, 30, tzinfo=zone)
        return Session(day, opens.astimezone(UTC), opens.replace(hour=hour).astimezone(UTC))

    days = [date(2024, 11, 4) + n * DAY for n in range(112)]
    sessions = [
        of(day, 13 if day == days[-3] else 16 if day > date(2025, 1, 1) else 15)
        for day in days
        if day.weekday() < 5
    ]
    regular = regular_hours(sessions, zone)
    assert regular is not None
    assert [regular.session(date(2025, 3, 3) + n * DAY) is None for n in range(7)] == [
        *[False] * 5,
        *[True] * 2,
    ]
    winter, summer = regular.session(date(2025, 3, 7)), regular.session(date(2025, 3, 10))
    assert winter is not None
    assert summer is not None
    assert (winter.open, winter.close) == (at("14:30", winter.date), at("21:30", winter.date))
    assert (summer.open, summer.close) == (at("13:30", summer.date), at("20:30", summer.date))


def test_a_list_made_here_just_ends() -> None:
    with pytest.raises(ConfigError, match="no session after"):
        CALENDAR.next_session_after(MONDAY + 4 * DAY)
    assert not CALENDAR.is_open(at("01:00", MONDAY + 7 * DAY))

"""Sessions of XNYS and XFRA around clock changes, holidays and half days."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tradebotd.domain.errors import ConfigError
from tradebotd.market.calendars import AlwaysOpen, Calendar, load_calendar

pytest.importorskip("exchange_calendars")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def new_york() -> Calendar:
    return load_calendar("XNYS")


@pytest.fixture(scope="module")
def frankfurt() -> Calendar:
    return load_calendar("XFRA")


@pytest.mark.parametrize(
    ("day", "open_", "close"),
    [
        ("2024-03-08", "2024-03-08T14:30", "2024-03-08T21:00"),  # the Friday before the change
        ("2024-03-11", "2024-03-11T13:30", "2024-03-11T20:00"),  # the Monday after
        ("2024-11-01", "2024-11-01T13:30", "2024-11-01T20:00"),
        ("2024-11-04", "2024-11-04T14:30", "2024-11-04T21:00"),
        ("2024-11-29", "2024-11-29T14:30", "2024-11-29T18:00"),  # half day after Thanksgiving
    ],
)
def test_new_york_follows_its_clock_and_its_half_days(
    new_york: Calendar, day: str, open_: str, close: str
) -> None:
    """M3.9: sessions, DST and half days from a maintained library."""
    session = new_york.session_at(utc(open_))
    assert session is not None
    assert (session.date, session.open, session.close) == (
        date.fromisoformat(day),
        utc(open_),
        utc(close),
    )
    assert not new_york.is_open(utc(close))
    assert not new_york.is_open(utc(open_) - timedelta(minutes=1))


@pytest.mark.parametrize(
    ("before", "after"),
    [("2024-03-28T08:00", "2024-04-02T07:00"), ("2024-10-25T07:00", "2024-10-28T08:00")],
)
def test_frankfurt_follows_its_clock(frankfurt: Calendar, before: str, after: str) -> None:
    """M3.9: both changes; in spring Easter lies in between."""
    first = frankfurt.session_at(utc(before))
    assert first is not None
    assert frankfurt.next_session_after(first.date).open == utc(after)


def test_yesterday_is_the_last_completed_session(new_york: Calendar) -> None:
    """M3.9: on Monday morning it is Friday."""
    friday = new_york.last_completed(utc("2024-03-11T13:00"))
    assert friday is not None
    assert friday.date == date(2024, 3, 8)
    assert new_york.next_session_after(friday.date).date == date(2024, 3, 11)
    assert new_york.next_open(utc("2024-03-09T12:00")) == utc("2024-03-11T13:30")
    assert new_york.next_close(utc("2024-03-09T12:00")) == utc("2024-03-11T20:00")


def test_sessions_reach_back_to_the_oldest_recorded_data(new_york: Calendar) -> None:
    days = [s.date for s in new_york.sessions(utc("1998-01-01T00:00"), utc("1998-01-06T00:00"))]
    assert days == [date(1998, 1, 2), date(1998, 1, 5)]


def test_a_market_that_never_closes_has_utc_days() -> None:
    calendar = AlwaysOpen()
    noon = utc("2024-03-10T12:00")
    assert calendar.last_completed(noon).date == date(2024, 3, 9)
    assert calendar.next_session_after(date(2024, 3, 9)).open == utc("2024-03-10T00:00")
    assert len(calendar.sessions(noon, noon + timedelta(days=1))) == 2


def test_an_unknown_calendar_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="XXXX"):
        load_calendar("XXXX")

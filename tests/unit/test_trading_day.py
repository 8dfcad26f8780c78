"""A bot's days: local dates, of 23, 24 and 25 hours."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tradebotd.trading.account.trading_day import day_began, local_day

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "began", "hours"),
    [
        ("2022-03-26", "2022-03-25T23:00", 24),
        ("2022-03-27", "2022-03-26T23:00", 23),  # 02:00 does not exist
        ("2022-03-28", "2022-03-27T22:00", 24),
        ("2022-10-30", "2022-10-29T22:00", 25),  # 02:30 comes twice
        ("2022-10-31", "2022-10-30T23:00", 24),
    ],
)
def test_a_day_has_as_many_hours_as_the_clock_gives_it(day: str, began: str, hours: int) -> None:
    """M4.8, M2.10: both DST changes; each instant belongs to exactly one day."""
    first = utc(began)
    wanted = date.fromisoformat(day)
    for minutes in range(hours * 60):
        instant = first + timedelta(minutes=minutes)
        assert (local_day(instant, BERLIN), day_began(instant, BERLIN)) == (wanted, first)
    assert local_day(first - timedelta(microseconds=1), BERLIN) < wanted
    assert local_day(first + timedelta(hours=hours), BERLIN) > wanted


def test_the_same_instant_is_of_different_days_in_different_zones() -> None:
    """M4.8: the bot's own zone, not the daemon's."""
    instant = utc("2022-06-01T02:00")

    assert local_day(instant, NEW_YORK) == date(2022, 5, 31)
    assert local_day(instant, BERLIN) == date(2022, 6, 1)
    assert day_began(instant, NEW_YORK) == utc("2022-05-31T04:00")


def test_a_bot_that_is_gone_has_utc_days() -> None:
    """M4.2: fills of an orphan are counted, too."""
    assert local_day(utc("2022-06-01T23:59"), None) == date(2022, 6, 1)

"""Roll-up against an independent aggregation."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.market_data import MINUTE, START, minutes
from tradebotd.domain.candle import Candle
from tradebotd.domain.timeframe import EPOCH, Timeframe
from tradebotd.market.calendars import AlwaysOpen, ExchangeCalendar, Session
from tradebotd.market.roll_up import roll_up


def plainly(candles: list[Candle], duration: timedelta, until: datetime) -> list[tuple[float, ...]]:
    """The plainest aggregation: by period, over lists."""
    periods: dict[datetime, list[Candle]] = {}
    for candle in candles:
        periods.setdefault(candle.ts - (candle.ts - EPOCH) % duration, []).append(candle)
    return [
        (
            ts.timestamp(),
            rows[0].open,
            max(row.high for row in rows),
            min(row.low for row in rows),
            rows[-1].close,
            sum(row.volume for row in rows),
        )
        for ts, rows in periods.items()
        if ts >= candles[0].ts and ts + duration <= until
    ]


@given(
    offset=st.integers(0, 300),
    kept=st.lists(st.booleans(), min_size=1, max_size=600),
    timeframe=st.sampled_from([Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4]),
)
def test_roll_up_equals_an_independent_aggregation(
    offset: int, kept: list[bool], timeframe: Timeframe
) -> None:
    """M3.6: complete periods on the UTC grid, whatever minutes are missing; no partial first one."""
    every = minutes(len(kept), START + offset * MINUTE)
    candles = [candle for candle, keep in zip(every, kept, strict=True) if keep] or every[:1]
    until = every[-1].ts + MINUTE

    made = roll_up(candles, timeframe, AlwaysOpen(), first=candles[0].ts, until=until)

    actual = [(c.ts.timestamp(), c.open, c.high, c.low, c.close, c.volume) for c in made]
    assert actual == plainly(candles, timeframe.duration, until)


def test_a_day_is_made_of_session_minutes_only() -> None:
    """M3.6: 1d uses session minutes only, and carries the session's date."""
    open_ = START + timedelta(hours=14, minutes=30)
    close = open_ + timedelta(hours=2)
    calendar = ExchangeCalendar("TEST", [Session(START.date(), open_, close)])
    candles = minutes(24 * 60)
    inside = [candle for candle in candles if open_ <= candle.ts < close]

    (day,) = roll_up(candles, Timeframe.D1, calendar, first=START, until=close)

    assert day.ts == datetime(2022, 3, 1, tzinfo=UTC)
    assert (day.open, day.close) == (inside[0].open, inside[-1].close)
    assert day.high == max(candle.high for candle in inside)


def test_a_session_that_began_before_the_first_candle_is_never_made() -> None:
    """M3.6: a partial first one is not made."""
    open_ = START - timedelta(minutes=1)
    calendar = ExchangeCalendar("TEST", [Session(START.date(), open_, START + 60 * MINUTE)])

    assert not roll_up(minutes(90), Timeframe.D1, calendar, first=START, until=START + 90 * MINUTE)


def test_a_period_under_way_is_not_made() -> None:
    """M3.6: an unfinished candle is never used."""
    made = roll_up(minutes(9), Timeframe.M5, AlwaysOpen(), first=START, until=START + 9 * MINUTE)

    assert [candle.ts for candle in made] == [START]


def test_what_is_told_before_and_after_the_session_is_in_no_period() -> None:
    """M3.6: the hour of the open begins at it, as the day does; nothing is made of a closed market."""
    open_ = START + timedelta(hours=14, minutes=30)
    close = open_ + timedelta(hours=2)
    calendar = ExchangeCalendar("TEST", [Session(START.date(), open_, close)])
    candles = minutes(24 * 60)
    made = roll_up(candles, Timeframe.H1, calendar, first=START, until=START + timedelta(days=1))
    hours = [START + timedelta(hours=each) for each in (14, 15, 16)]
    assert [each.ts for each in made] == hours
    inside = [candle for candle in candles if open_ <= candle.ts < close]
    assert made[0].open == inside[0].open
    assert sum(each.volume for each in made) == sum(each.volume for each in inside)


def test_an_hour_that_the_session_opens_in_is_of_it() -> None:
    """M3.6: where the base candles are hours themselves."""
    open_ = START + timedelta(hours=14, minutes=30)
    calendar = ExchangeCalendar("TEST", [Session(START.date(), open_, open_ + timedelta(hours=2))])
    hours = [Candle(START + n * timedelta(hours=1), 1.0, 1.0, 1.0, 1.0, 1.0) for n in range(24)]
    made = roll_up(
        hours,
        Timeframe.H4,
        calendar,
        first=START,
        until=START + timedelta(days=1),
        base=Timeframe.H1,
    )
    assert sum(each.volume for each in made) == 3

"""Validation, gap plan, price book and the path inside a candle."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.market_data import MINUTE, START, minutes
from tradebotd.domain.candle import Candle, Tick, path_through
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.calendars import AlwaysOpen, ExchangeCalendar, Session
from tradebotd.market.gap_plan import plan_gaps
from tradebotd.market.price_cache import PriceCache
from tradebotd.market.validate import outliers, validate

prices = st.floats(0.01, 1e6)


def test_a_candle_that_has_not_closed_is_rejected() -> None:
    """M3.4: not in the future."""
    candles = minutes(3)
    checked = validate(candles, Timeframe.M1, "feed", START + 2 * MINUTE)

    assert checked.good == candles[:2]
    assert [row.ts for row in checked.rejected] == [candles[2].ts]


def test_an_outlier_is_flagged_and_stays() -> None:
    """M3.4: outliers are flagged against the recent range."""
    recent = minutes(60)
    last = recent[-1].close
    odd = Candle(START + 60 * MINUTE, last, last * 2, last, last * 2, 1.0)

    assert outliers([odd], recent) == [odd]
    assert outliers(minutes(61)[60:], recent) == []


@given(prices, prices, prices, prices, st.sampled_from(list(Timeframe)))
def test_the_path_of_a_candle_visits_its_four_prices_in_time(
    a: float, b: float, c: float, d: float, timeframe: Timeframe
) -> None:
    """Open first, close last, both extremes between; the nearer one before the other."""
    low, open_, close, high = min(a, b, c, d), a, b, max(a, b, c, d)
    points = path_through(Candle(START, open_, high, low, close, 0.0), timeframe)

    assert points[0][1] == open_
    assert points[-1][1] == close
    assert {points[1][1], points[2][1]} == {low, high}
    assert abs(points[1][1] - open_) <= abs(points[2][1] - open_)
    assert all(early[0] < late[0] for early, late in pairwise(points))
    assert points[-1][0] < START + timeframe.duration


def test_holes_are_planned_within_sessions_only() -> None:
    """M3.9: a night is no hole."""
    day = timedelta(days=1)
    sessions = [
        Session((START + n * day).date(), START + n * day, START + n * day + 60 * MINUTE)
        for n in range(3)
    ]
    calendar = ExchangeCalendar("TEST", sessions)
    hole = (START + 50 * MINUTE, START + 2 * day + 10 * MINUTE)

    planned = plan_gaps([hole], calendar)

    assert planned == [
        (START + 50 * MINUTE, START + 60 * MINUTE),
        (START + day, START + day + 60 * MINUTE),
        (START + 2 * day, START + 2 * day + 10 * MINUTE),
    ]
    assert plan_gaps([hole], calendar, {planned[1]}) == [planned[0], planned[2]]


@given(st.integers(0, 5_000), st.integers(1, 5_000))
def test_a_market_that_never_closes_keeps_its_holes_whole(start: int, length: int) -> None:
    hole = (START + start * MINUTE, START + (start + length) * MINUTE)
    assert plan_gaps([hole], AlwaysOpen()) == [hole]
    assert plan_gaps([hole], AlwaysOpen(), {hole}) == []


def test_the_price_book_knows_the_last_two_ticks() -> None:
    book = PriceCache()
    at = datetime(2022, 3, 1, tzinfo=UTC)
    assert book.last_prices("BTC") is None

    book.record(Tick(at, "BTC", Decimal(10)))
    first = book.last_prices("BTC")
    assert first is not None
    assert first.previous == first.current == Decimal(10)

    book.record(Tick(at + MINUTE, "BTC", Decimal(11)))
    second = book.last_prices("BTC")
    assert second is not None
    assert (second.previous, second.current) == (Decimal(10), Decimal(11))
    assert book.age("BTC", at + 3 * MINUTE) == 2 * MINUTE

"""The average true range, against Wilder's rule written down naively."""

import math
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.trading import NOON, spec
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.candle import Candle
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.trading.entries.atr import MEMORY, average_true_range, candles_needed, candles_wanted

Bar = tuple[float, float, float]  # high, low, close


def candles(bars: list[Bar]) -> list[Candle]:
    return [
        Candle(NOON + timedelta(minutes=i), close, high, low, close, 1.0)
        for i, (high, low, close) in enumerate(bars)
    ]


def naive(bars: list[Bar], period: int) -> float:
    """The first value is a mean; each later one keeps (period - 1) parts of the former."""
    ranges = [
        max(high - low, abs(high - before[2]), abs(low - before[2]))
        for before, (high, low, _) in pairwise(bars)
    ]
    value = sum(ranges[:period]) / period
    for each in ranges[period:]:
        value = (value * (period - 1) + each) / period
    return value


@st.composite
def bar(draw: st.DrawFn) -> Bar:
    low = draw(st.floats(1, 1000))
    high = low + draw(st.floats(0.01, 100))
    return high, low, low + (high - low) * draw(st.floats(0, 1))


@given(
    st.integers(2, 20).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(bar(), min_size=n + 1, max_size=n * 5))
    )
)
def test_it_is_wilders_average(case: tuple[int, list[Bar]]) -> None:
    """M4.6: the range that stops and sizes are measured by, to 1e-9 of TA-Lib's own words."""
    period, bars = case

    found = average_true_range(candles(bars), period)

    assert float(found) == pytest.approx(naive(bars, period), rel=1e-9)


@pytest.mark.parametrize("period", [2, 14, 50])
def test_candles_of_long_ago_do_not_change_it(period: int) -> None:
    """M4.6: the same stop after a restart that loads fewer candles, to a millionth."""
    bars = [
        (101 + math.sin(i / 7) + i % 3, 99 + math.sin(i / 7), 100 + math.sin(i / 7))
        for i in range(1500)
    ]
    bars[:50] = [(1e6, 1.0, 5e5)] * 50

    assert float(average_true_range(candles(bars), period)) == pytest.approx(
        naive(bars[-1400:], period), rel=1e-6
    )


def test_too_few_candles_and_no_movement_are_denied() -> None:
    flat: Bar = (100.0, 100.0, 100.0)
    with pytest.raises(OrderDeniedError) as few:
        average_true_range(candles([flat] * 14), 14)
    with pytest.raises(OrderDeniedError) as still:
        average_true_range(candles([flat] * 15), 14)

    assert (few.value.rule, still.value.rule) == ("warming up", "no_range")


def test_a_bot_needs_candles_for_every_range_it_is_measured_by() -> None:
    sizing = SizingRule(kind=SizingKind.ATR, value=Decimal(1), period=10)
    exits = ExitPlan(stop_loss_atr=Decimal(2), atr_period=30)

    assert candles_needed(spec()) == candles_wanted(spec()) == 0
    assert candles_needed(spec(sizing=sizing)) == 11
    assert candles_needed(spec(sizing=sizing, exits=exits)) == 31
    assert candles_wanted(spec(sizing=sizing, exits=exits)) == 30 * MEMORY

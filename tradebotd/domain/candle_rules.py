"""Validation of candles: one rule for every source (files, feeds, our own roll-up)."""

from datetime import datetime
from math import inf

from tradebotd.domain.timeframe import Timeframe


def candle_flaw(
    ts: datetime,
    prices: tuple[float, float, float, float],
    volume: float,
    timeframe: Timeframe,
) -> str | None:
    """Return why the values are not a candle, or None. *prices*: open, high, low, close."""
    open_, high, low, close = prices
    # Comparisons with NaN are false, so the good case is spelled out and everything else is bad.
    if not (low > 0 and low <= open_ <= high and low <= close <= high < inf):
        return _price_flaw(open_, high, low, close)
    if not 0 <= volume < inf:
        return "volume is not finite" if volume != volume or volume == inf else "negative volume"  # noqa: PLR0124
    if not timeframe.is_on_grid(ts):
        return f"ts is off the grid of {timeframe}"
    return None


def _price_flaw(open_: float, high: float, low: float, close: float) -> str:
    prices = (open_, high, low, close)
    if any(price != price or price in (inf, -inf) for price in prices):  # noqa: PLR0124
        return "a price is not finite"
    if min(prices) <= 0:
        return "a price is zero or negative"
    if high < low:
        return "high is below low"
    return "high or low does not enclose open and close"

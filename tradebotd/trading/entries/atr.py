"""Average true range of a bot's own candles, as in TA-Lib (Wilder's smoothing)."""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from tradebotd.domain.bot import BotSpec, SizingKind
from tradebotd.domain.candle import Candle
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.strategies import indicators

# Wilder's average remembers its start; after this many periods less than a billionth remains.
MEMORY: Final = 21


def periods_of(spec: BotSpec) -> tuple[int, ...]:
    """Return the periods of the ranges that an entry of *spec* is measured by."""
    periods = set()
    if spec.sizing.kind is SizingKind.ATR:
        periods.add(spec.sizing.period)
    if spec.exits.needs_atr:
        periods.add(spec.exits.atr_period)
    return tuple(sorted(periods))


def candles_needed(spec: BotSpec) -> int:
    """Return the number of candles below which the bot is warming up."""
    return max((period + 1 for period in periods_of(spec)), default=0)


def candles_wanted(spec: BotSpec) -> int:
    """Return the number of candles from which the value no longer depends on where they begin."""
    return max((MEMORY * period for period in periods_of(spec)), default=0)


def average_true_range(candles: Sequence[Candle], period: int) -> Decimal:
    """Return the average true range of the last *period* candles, smoothed.

    Raises OrderDeniedError with too few candles, or where nothing has moved.
    """
    if len(candles) <= period:
        raise OrderDeniedError(
            DenialRule.WARMING_UP,
            f"ATR({period}) needs {period + 1} candles, {len(candles)} are there",
        )
    recent = candles[-MEMORY * period :]
    highs = indicators.floats([candle.high for candle in recent])
    lows = indicators.floats([candle.low for candle in recent])
    closes = indicators.floats([candle.close for candle in recent])
    value = indicators.average_true_range(highs, lows, closes, period)[-1]
    if not math.isfinite(value) or value <= 0:
        raise OrderDeniedError(
            DenialRule.NO_RANGE, f"ATR({period}) is {value}: nothing to measure by"
        )
    return Decimal(repr(value))

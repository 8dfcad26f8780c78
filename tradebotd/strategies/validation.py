"""Validation of a strategy on synthetic candles: at `check`, and at every start."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from tradebotd.domain.candle import Candle
from tradebotd.domain.errors import StrategyError
from tradebotd.domain.levels import pivot_levels
from tradebotd.strategies.base import AnyStrategy
from tradebotd.strategies.evaluation import evaluate

LONGEST_LOOKBACK: Final = 20_000
_START: Final = datetime(2026, 1, 5, tzinfo=UTC)
_LEVELS: Final = pivot_levels(102.0, 98.0, 101.0)


def validate(strategy: AnyStrategy) -> None:
    """Raise StrategyError if it fails, is too slow, reaches outside or is not pure.

    In the first evaluation it may still import what it needs; then two must agree.
    """
    lookback: Any = strategy.lookback
    if not isinstance(lookback, int) or isinstance(lookback, bool):
        raise StrategyError(f"lookback is a {type(lookback).__name__}, not a whole number")
    if not 1 <= lookback <= LONGEST_LOOKBACK:
        raise StrategyError(f"lookback must be from 1 to {LONGEST_LOOKBACK}, was {lookback}")
    candles = made_up_candles(lookback)
    evaluate(strategy, candles, _LEVELS, pure=False)
    given = list(candles)
    first = evaluate(strategy, given, _LEVELS)
    if given != candles:
        raise StrategyError("is not pure: it changed the candles that it was given")
    second = evaluate(strategy, list(candles), _LEVELS)
    same = (first.kind, first.reason, first.path) == (second.kind, second.reason, second.path)
    if not same or not _same_values(first.indicators, second.indicators):
        raise StrategyError("is not pure: asked twice about the same candles it said two things")


def made_up_candles(count: int) -> Sequence[Candle]:
    """Return one-minute candles of a wave without noise, the same each time."""
    closes = [100 + 3 * math.sin(i / 5) + 0.7 * math.sin(i / 1.7) for i in range(-1, count)]
    return [
        Candle(
            _START + i * timedelta(minutes=1),
            before,
            max(before, close) + 0.2,
            min(before, close) - 0.2,
            close,
            1.0 + i % 7,
        )
        for i, (before, close) in enumerate(pairwise(closes))
    ]


def _same_values(one: dict[str, float], other: dict[str, float]) -> bool:
    """Compare indicators, with NaN equal to NaN."""
    return one.keys() == other.keys() and all(
        value == other[name] or (value != value and other[name] != other[name])  # noqa: PLR0124
        for name, value in one.items()
    )

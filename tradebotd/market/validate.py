"""Validation of fetched candles: bad ones are rejected, odd ones flagged, none is repaired."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.domain.candle_rules import candle_flaw
from tradebotd.domain.timeframe import Timeframe

OUTLIER_FACTOR: Final = 10  # times the widest recent candle
MIN_RECENT: Final = 20  # fewer candles do not define a usual range


class Validated(NamedTuple):
    good: Sequence[Candle]
    rejected: Sequence[RejectedCandle]


def validate(
    candles: Sequence[Candle], timeframe: Timeframe, source: str, now: datetime
) -> Validated:
    """Split *candles* into valid ones that are closed by *now*, and rejected ones with reasons."""
    good: list[Candle] = []
    rejected: list[RejectedCandle] = []
    latest = now - timeframe.duration
    for candle in candles:
        prices = (candle.open, candle.high, candle.low, candle.close)
        flaw = candle_flaw(candle.ts, prices, candle.volume, timeframe)
        if flaw is None and candle.ts > latest:
            flaw = "not closed yet: ts is in the future"
        if flaw is None:
            good.append(candle)
        else:
            rejected.append(RejectedCandle(source, None, candle.ts, flaw, repr(candle)))
    return Validated(good=good, rejected=rejected)


def outliers(candles: Sequence[Candle], recent: Sequence[Candle]) -> list[Candle]:
    """Return candles whose close is many times the widest recent range from the previous close."""
    flagged: list[Candle] = []
    if len(recent) < MIN_RECENT:
        return flagged
    widest = max(candle.high - candle.low for candle in recent)
    before = recent[-1].close
    for candle in candles:
        if widest > 0 and abs(candle.close - before) > OUTLIER_FACTOR * widest:
            flagged.append(candle)
        widest = max(widest, candle.high - candle.low)
        before = candle.close
    return flagged

"""Whether fetched candles are good. Bad ones are named, odd ones are flagged; nothing is mended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.domain.candle_rules import candle_flaw
from tradebotd.domain.timeframe import Timeframe

OUTLIER_FACTOR: Final = 10  # times the widest recent candle
MIN_RECENT: Final = 20  # fewer candles say nothing about what is usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    good: Sequence[Candle]
    rejected: Sequence[RejectedCandle]


def validate(
    candles: Sequence[Candle], timeframe: Timeframe, source: str, now: datetime
) -> Validated:
    """Split *candles*: sound and closed by *now*, or rejected with the reason."""
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
    """Candles whose close is many times the widest recent range away from the close before."""
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

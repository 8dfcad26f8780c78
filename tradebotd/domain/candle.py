"""OHLCV candles and the path a price is assumed to follow inside one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from tradebotd.domain.decimals import from_float
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.timeframe import Timeframe


@dataclass(frozen=True, slots=True)
class Candle:
    """One closed candle; `ts` is its open time. Floats: candles never become an order's price."""

    ts: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class RejectedCandle:
    """A row that failed validation, kept as received. `ts` is None when the row had none."""

    source: str
    line: int | None
    ts: datetime | None
    reason: str
    raw: str


class Tick(NamedTuple):
    """The price of *symbol* at one instant: a live tick, or one derived from a recorded candle.

    `after_gap`: the path from the previous price is unknown, as at a candle's open, across missing
    candles and closed sessions, and between the trades of a live stream. Without it the price
    passed through everything in between, as inside a candle. `repeats`: the tick may be the same
    print as the one before: a candle whose low is its close may have traded there only once.
    `kind`: which of the symbol's prices it is; only the last one is of a trade. `timed`: `at` is
    when it was traded, not when it was asked for.
    """

    at: datetime
    symbol: str
    price: Decimal
    after_gap: bool = False
    repeats: bool = False
    kind: PriceKind = PriceKind.LAST
    timed: bool = False


def path_through(candle: Candle, timeframe: Timeframe) -> tuple[tuple[datetime, float], ...]:
    """Return open (0 s), the extreme nearer to the open (20 s), the other (40 s), close (59 s).

    Offsets are those of a minute, in proportion at higher timeframes; the low comes first on a tie.
    """
    low_first = candle.open - candle.low <= candle.high - candle.open
    first, second = (candle.low, candle.high) if low_first else (candle.high, candle.low)
    unit = timedelta(seconds=timeframe.seconds / 60)
    return (
        (candle.ts, candle.open),
        (candle.ts + 20 * unit, first),
        (candle.ts + 40 * unit, second),
        (candle.ts + 59 * unit, candle.close),
    )


def ticks_of(symbol: str, candle: Candle, timeframe: Timeframe) -> list[Tick]:
    """Return the path through *candle*; its open follows a gap, whatever the close before it."""
    before: float | None = None
    ticks: list[Tick] = []
    for at, price in path_through(candle, timeframe):
        ticks.append(
            Tick(at, symbol, from_float(price), after_gap=before is None, repeats=price == before)
        )
        before = price
    return ticks

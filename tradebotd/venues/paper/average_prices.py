"""Average prices of symbols whose notional is judged by them, from the points that were seen."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from tradebotd.domain.candle import Tick
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.quote import PriceKind


class AveragePrices:
    """Plain means: the feeds have no trades that could weigh them. Memory only, as long as the
    symbol's `average_minutes`.
    """

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._points: dict[str, deque[tuple[datetime, Decimal]]] = {}
        self._sums: dict[str, Decimal] = {}

    def record(self, tick: Tick) -> None:
        """Record every price, in order; it costs nothing where no average is asked for."""
        symbol = tick.symbol
        instrument = self._instruments.get(symbol)
        if tick.kind is not PriceKind.LAST or instrument is None or not instrument.average_minutes:
            return
        self._points.setdefault(symbol, deque()).append((tick.at, tick.price))
        self._sums[symbol] = self._sums.get(symbol, ZERO) + tick.price
        self._forget(instrument, tick.at)

    def average(self, symbol: str, now: datetime) -> Decimal | None:
        """Return the mean of the last `average_minutes` before *now*; None: no price came in them,
        or the symbol is judged by the last one.
        """
        instrument = self._instruments.get(symbol)
        if instrument is None or not instrument.average_minutes:
            return None
        self._forget(instrument, now)
        points = self._points.get(symbol)
        return self._sums[symbol] / len(points) if points else None

    def _forget(self, instrument: Instrument, now: datetime) -> None:
        points = self._points.get(instrument.symbol)
        since = now - timedelta(minutes=instrument.average_minutes)
        while points and points[0][0] <= since:
            self._sums[instrument.symbol] -= points.popleft()[1]

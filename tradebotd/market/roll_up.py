"""Higher timeframes out of base candles, one by one. Pure; only complete periods come out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from tradebotd.domain.candle import Candle
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.sessions import Break, Calendar


@dataclass(frozen=True, slots=True)
class Period:
    """What one higher candle is made of: base candles with start <= ts < end, outside `breaks`."""

    ts: datetime
    start: datetime
    end: datetime
    breaks: tuple[Break, ...] = ()

    def passes_over(self, begin: datetime, duration: timedelta) -> bool:
        """Whether a base candle lies in a break as a whole: nothing of it was traded."""
        return any(each.start <= begin and begin + duration <= each.end for each in self.breaks)


def period_at(timeframe: Timeframe, calendar: Calendar, instant: datetime) -> Period | None:
    """Intraday: on the UTC grid, whatever the session. 1d: the session; None outside of one."""
    if timeframe is not Timeframe.D1:
        start = timeframe.floor(instant)
        return Period(start, start, start + timeframe.duration)
    session = calendar.session_at(instant)
    if session is None:
        return None
    midnight = datetime.combine(session.date, time(), UTC)
    return Period(midnight, session.open, session.close, session.breaks)


class RollUp:
    """One symbol's candles of one timeframe. Base candles are given in order, each once.

    `first`: the oldest base candle that is held: a period that began before it is never made.
    `made`: the open time of the newest candle that is stored already.
    `base`: how long a base candle is.
    """

    def __init__(
        self,
        timeframe: Timeframe,
        calendar: Calendar,
        *,
        first: datetime | None = None,
        made: datetime | None = None,
        base: Timeframe = Timeframe.M1,
    ) -> None:
        self.timeframe = timeframe
        self._base = base.duration
        self._calendar = calendar
        self._first = first
        self._made = made
        self._period: Period | None = None
        self._open = self._high = self._low = self._close = self._volume = 0.0

    def add(self, candle: Candle) -> Candle | None:
        """Take *candle* in; the period it ends, if it begins a later one."""
        period = self._period
        if self._first is None:
            self._first = candle.ts
        if period is not None and candle.ts < period.end:
            if period.breaks and period.passes_over(candle.ts, self._base):
                return None
            self._high = max(self._high, candle.high)
            self._low = min(self._low, candle.low)
            self._close = candle.close
            self._volume += candle.volume
            return None
        finished = self._finish()
        self._period = period_at(self.timeframe, self._calendar, candle.ts)
        if self._period is not None and self._period.passes_over(candle.ts, self._base):
            self._period = None
        self._open, self._high, self._low = candle.open, candle.high, candle.low
        self._close, self._volume = candle.close, candle.volume
        return finished

    def close_until(self, instant: datetime) -> Candle | None:
        """The period under way, if everything before *instant* has been given."""
        if self._period is None or self._period.end > instant:
            return None
        return self._finish()

    def _finish(self) -> Candle | None:
        period, self._period = self._period, None
        if period is None or self._first is None or period.start < self._first:
            return None
        if self._made is not None and period.ts <= self._made:
            return None
        return Candle(period.ts, self._open, self._high, self._low, self._close, self._volume)


def roll_up(
    candles: Iterable[Candle],
    timeframe: Timeframe,
    calendar: Calendar,
    *,
    first: datetime,
    until: datetime,
    base: Timeframe = Timeframe.M1,
) -> list[Candle]:
    """All complete periods of *candles*: begun at or after *first*, ended at or before *until*."""
    builder = RollUp(timeframe, calendar, first=first, base=base)
    made = [done for candle in candles if (done := builder.add(candle)) is not None]
    last = builder.close_until(until)
    return [*made, last] if last is not None else made

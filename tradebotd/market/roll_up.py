"""Roll-up of base candles to higher timeframes, one by one; only complete periods. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from tradebotd.domain.candle import Candle
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.sessions import Break, Calendar, Session

_INSTANT = timedelta(microseconds=1)


class Period(NamedTuple):
    """Period of a higher candle: base candles with start <= ts < end, outside `breaks`."""

    ts: datetime
    start: datetime
    end: datetime
    breaks: tuple[Break, ...] = ()

    def passes_over(self, begin: datetime, duration: timedelta) -> bool:
        """Return whether a base candle lies wholly in a break, without any trading."""
        return any(
            break_.start <= begin and begin + duration <= break_.end for break_ in self.breaks
        )


def period_at(timeframe: Timeframe, calendar: Calendar, instant: datetime) -> Period | None:
    """Return the period: on the UTC grid; for 1d the session, or None outside of one."""
    if timeframe is not Timeframe.D1:
        start = timeframe.floor(instant)
        return Period(start, start, start + timeframe.duration)
    session = calendar.session_at(instant)
    if session is None:
        return None
    midnight = datetime.combine(session.date, time(), UTC)
    return Period(midnight, session.open, session.close, session.breaks)


class RollUp:
    """Roll-up of one symbol and timeframe. Base candles are given in order, each once.

    `first`: the oldest stored base candle; a period that began before it is never made.
    `made`: the open time of the newest candle that is stored already.
    `base`: timeframe of the base candles.
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
        self._session: Session | None = None  # of the last base candle
        self._open = self._high = self._low = self._close = self._volume = 0.0

    def add(self, candle: Candle) -> Candle | None:
        """Add *candle*; return the previous period if *candle* begins a later one."""
        period = self._period
        if self._first is None:
            self._first = candle.ts
        if not self._is_of_a_session(candle.ts):
            return self.close_until(candle.ts)
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

    def _is_of_a_session(self, begin: datetime) -> bool:
        """Return whether any of a base candle is of a session: what is told of before and after it
        (Alpaca tells minutes from 4:00 to 20:00 in New York) is in no period.
        """
        session = self._session
        if session is None or not session.open <= begin < session.close:
            last = begin + self._base - _INSTANT
            session = self._calendar.session_at(begin) or self._calendar.session_at(last)
            self._session = session
        return session is not None

    def close_until(self, instant: datetime) -> Candle | None:
        """Return the current period if it is over, given all candles before *instant*."""
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
    """Return complete periods, begun at or after *first* and ended at or before *until*."""
    builder = RollUp(timeframe, calendar, first=first, base=base)
    made = [done for candle in candles if (done := builder.add(candle)) is not None]
    last = builder.close_until(until)
    return [*made, last] if last is not None else made

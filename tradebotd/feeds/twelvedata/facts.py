"""Facts about Twelve Data that nothing else in the daemon knows; each has one function here."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from tradebotd.domain.timeframe import Timeframe

PRODUCTION: Final = "https://api.twelvedata.com"
INTERVALS: Final[Mapping[Timeframe, str]] = {
    Timeframe.M1: "1min",
    Timeframe.M5: "5min",
    Timeframe.M15: "15min",
    Timeframe.H1: "1h",
    Timeframe.H4: "4h",
    Timeframe.D1: "1day",
}
# Bars of an exchange begin with its session: an hour of New York begins at half past.
ON_ANY_GRID: Final = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.D1)
MOST_ROWS: Final = 5_000
MOST_SYMBOLS: Final = 120  # of a batch
_MOST_BARS: Final = MOST_ROWS - 2  # both ends of a range may be told, too
_INSTANT: Final = "%Y-%m-%dT%H:%M:%S"


def zone_words(timeframe: Timeframe) -> dict[str, str]:
    """The zone that is asked for: UTC; T1: none for days, whose dates are always the exchange's."""
    return {} if timeframe is Timeframe.D1 else {"timezone": "UTC"}


def range_words(timeframe: Timeframe, start: datetime, end: datetime) -> dict[str, str]:
    """Words for the bars from *start* to *end*, or a little more: whether ends belong is not told.

    T3: the size is always said; its default depends on whether there are dates.
    """
    size = {"outputsize": str(MOST_ROWS)}
    if timeframe is Timeframe.D1:
        first, last = start.date() - timedelta(days=1), end.date() + timedelta(days=1)
        return {"start_date": first.isoformat(), "end_date": last.isoformat()} | size
    return {"start_date": start.strftime(_INSTANT), "end_date": end.strftime(_INSTANT)} | size


def pages(timeframe: Timeframe, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Ranges that hold no more bars than an answer does, oldest first."""
    found: list[tuple[datetime, datetime]] = []
    width = _MOST_BARS * timeframe.duration
    while start < end:
        until = min(end, start + width)
        found.append((start, until))
        start = until
    return found


def adjust_words() -> dict[str, str]:
    """T4: prices as they were traded: adjusted bars change after a split, stored ones do not."""
    return {"adjust": "none"}


def cost(symbols: int) -> int:
    """T5: credits of one call of `time_series` or `price`: one a symbol, whatever the size."""
    return symbols


def next_day(now: datetime) -> datetime:
    """T6: the instant at which the credits of the day begin anew: midnight in UTC."""
    return datetime.combine(
        now.astimezone(UTC).date() + timedelta(days=1), datetime.min.time(), UTC
    )


def next_minute(now: datetime) -> datetime:
    """The instant at which the credits of the minute begin anew."""
    return now.replace(second=0, microsecond=0) + timedelta(minutes=1)


def is_plan_gate(code: int, message: str) -> bool:
    """T7: what the plan does not have is refused as 403, or as 404 like an unknown symbol."""
    return code == 403 or (code == 404 and "plan" in message.lower())


def key_headers(key: str) -> dict[str, str]:
    """T11: the key goes into a header: what stands in a URL stands in logs, too."""
    return {"authorization": f"apikey {key}"}


def is_pair(name: str) -> bool:
    """Whether *name* is of a currency or a coin, which trade around the clock in UTC."""
    return "/" in name


def timeframes_of(name: str) -> tuple[Timeframe, ...]:
    """Timeframes whose bars lie on our grid; the others are rolled up."""
    return tuple(INTERVALS) if is_pair(name) else ON_ANY_GRID


def bar_time(timeframe: Timeframe, told: str) -> datetime:
    """The open time of a bar; T1: a day is kept as the exchange's date, at midnight in UTC.

    Raises ValueError.
    """
    if timeframe is Timeframe.D1:
        day = date.fromisoformat(told)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    naive = datetime.strptime(told, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - UTC was asked for
    return naive.replace(tzinfo=UTC)

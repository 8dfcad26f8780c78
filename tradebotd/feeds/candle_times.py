"""Open time of a candle in a file, read only where it is unambiguous."""

from datetime import UTC, datetime, timedelta
from typing import Final

from tradebotd.domain.timeframe import Timeframe

# Unix times of these years, in any unit: the ranges of seconds, ms, us and ns do not meet.
_FIRST: Final = int(datetime(1990, 1, 1, tzinfo=UTC).timestamp())
_LAST: Final = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
_UNITS: Final = (1, 10**3, 10**6, 10**9)  # to a second
_MOST_DIGITS: Final = 19
_DAY_LENGTHS: Final = (8, 10)  # 20250131, 2025-01-31

NO_ZONE: Final = "has no time zone"
NO_TIME: Final = "is no ISO 8601 time"
NO_UNIX_TIME: Final = "is no unix time of the years 1990 to 2099"


def read_time(text: str, timeframe: Timeframe) -> datetime | str:
    """Return the instant in UTC, or why *text* is none, to follow the column's name.

    Accepts ISO 8601 with a zone; unix seconds, milliseconds, microseconds or nanoseconds, told
    apart by their size; a plain date for daily candles, since those begin at 00:00 UTC only.
    """
    try:
        if text[4:5] != "-":
            return _written_otherwise(text, timeframe)
        ts = datetime.fromisoformat(text)
        if ts.tzinfo is UTC:
            return ts
        return _in_utc(ts, text, timeframe)
    except (ValueError, OverflowError):
        return _last_try(text)


def _written_otherwise(text: str, timeframe: Timeframe) -> datetime | str:
    number = text.strip().removesuffix(".0")  # a float, as pandas writes a column with a hole
    if number.isascii() and number.isdigit() and len(number) != _DAY_LENGTHS[0]:
        return unix_time(number) or NO_UNIX_TIME
    ts = datetime.fromisoformat(text.strip())
    return _in_utc(ts, text.strip(), timeframe)


def unix_time(digits: str) -> datetime | None:
    """Return the time; None if no unit gives a plausible year."""
    if len(digits) > _MOST_DIGITS:
        return None
    number = int(digits)
    for unit in _UNITS:
        if _FIRST * unit <= number < _LAST * unit:
            seconds, rest = divmod(number, unit)
            ts = datetime.fromtimestamp(seconds, UTC)
            return ts + timedelta(microseconds=max(1, rest * 10**6 // unit)) if rest else ts
    return None


def _in_utc(ts: datetime, text: str, timeframe: Timeframe) -> datetime | str:
    if ts.tzinfo is not None:
        return ts.astimezone(UTC)
    if timeframe is Timeframe.D1 and len(text) in _DAY_LENGTHS:
        return ts.replace(tzinfo=UTC)
    return NO_ZONE


def _last_try(text: str) -> datetime | str:
    """Parse `2025-01-31 23:00:00 UTC`, which is not ISO 8601 but unambiguous."""
    plain = text.strip()
    if not plain.endswith(" UTC"):
        return NO_TIME
    try:
        ts = datetime.fromisoformat(plain.removesuffix(" UTC"))
    except ValueError:
        return NO_TIME
    return ts.replace(tzinfo=UTC) if ts.tzinfo is None else NO_TIME

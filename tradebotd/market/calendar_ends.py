"""Ends of calendars' tables, and the warnings about them."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from tradebotd.domain.calendar_aliases import one_name
from tradebotd.market.calendars import LIBRARY, ExchangeCalendar
from tradebotd.market.sessions import Calendar

KEPT_AHEAD: Final = timedelta(days=365)  # a shorter table is read again
_LUNCH: Final = "breaks for lunch"
_HOUR: Final = "stops for an hour each day, at 16:00 in Chicago"
# Where an exchange publishes a break, and the library's table (4.13.2) has none.
BREAKS_UNKNOWN: Final = {
    "XBKK": _LUNCH,
    "XIDX": _LUNCH,
    "XKLS": _LUNCH,
    "XPHS": _LUNCH,
    "XSES": _LUNCH,
    "XKAR": "breaks on Fridays from 12:00 to 14:30",
    "CMES": _HOUR,
    "us_futures": _HOUR,
    "24/5": "ends at midnight UTC on Fridays, and currency markets at 17:00 in New York",
}
TOLD_BEFORE: Final = timedelta(days=42)  # a release of the library comes about every two months


def exchanges(calendars: Mapping[str, Calendar]) -> list[ExchangeCalendar]:
    """Return the calendars that have a table, by code."""
    return [
        calendar
        for _, calendar in sorted(calendars.items())
        if isinstance(calendar, ExchangeCalendar)
    ]


def is_short(calendar: ExchangeCalendar, today: date) -> bool:
    """Return whether the table ends within a year although the library knows more."""
    at_its_end = calendar.ends is not None and calendar.known_until >= calendar.ends
    return not at_its_end and calendar.known_until < today + KEPT_AHEAD


def ending(calendar: ExchangeCalendar, today: date) -> str | None:
    """Describe a table that ends soon or has ended; None for any other."""
    left = calendar.known_until - today
    if left > TOLD_BEFORE:
        return None
    after = "regular hours of weekdays are assumed, holidays and half days are not known"
    if has_ended(calendar, today):
        return f"sessions of {calendar.code} are known until {calendar.known_until} only: {after}"
    days = "1 day" if left.days == 1 else f"{left.days} days"
    return (
        f"sessions of {calendar.code} are known until {calendar.known_until} only"
        f" ({days} from {today}): then {after}"
    )


def without_its_break(calendar: ExchangeCalendar) -> str | None:
    """Return a warning of an exchange whose break the library leaves out, or None.

    Nothing is said where the configuration declares breaks of its own.
    """
    what = BREAKS_UNKNOWN.get(one_name(calendar.code))
    if what is None or calendar.declared_breaks:
        return None
    key = calendar.code if calendar.code.isidentifier() else f'"{calendar.code}"'
    return (
        f"{calendar.code} {what}, which {LIBRARY} leaves out: it is taken for open then;"
        f" [calendars.{key}] breaks says so"
    )


def has_ended(calendar: ExchangeCalendar, today: date) -> bool:
    return today > calendar.known_until

"""Ends of calendars' tables, and the warnings about them."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from tradebotd.market.calendars import LIBRARY, ExchangeCalendar
from tradebotd.market.sessions import Calendar

KEPT_AHEAD: Final = timedelta(days=365)  # a shorter table is read again
LUNCH_UNKNOWN: Final = frozenset(
    {"XBKK", "XIDX", "JKT", "XKLS", "XPHS", "XSES"}  # JKT: the library's other name of XIDX
)
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


def without_its_lunch(calendar: ExchangeCalendar) -> str | None:
    """Describe the lunch break that the library leaves out; None if it leaves out none."""
    if calendar.code not in LUNCH_UNKNOWN:
        return None
    return (
        f"{calendar.code} breaks for lunch, which {LIBRARY} leaves out: it is taken for open then"
    )


def has_ended(calendar: ExchangeCalendar, today: date) -> bool:
    return today > calendar.known_until

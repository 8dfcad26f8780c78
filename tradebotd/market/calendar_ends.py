"""Keeps the tables of calendars ahead of market time, and says where the library's own data end."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Final

import anyio.to_thread
import structlog

from tradebotd.domain.errors import ConfigError
from tradebotd.market.calendars import LIBRARY, ExchangeCalendar, read_known
from tradebotd.market.sessions import Calendar

log = structlog.get_logger(__name__)

KEPT_AHEAD: Final = timedelta(days=365)  # a shorter table is read again
LUNCH_UNKNOWN: Final = frozenset({"XBKK", "XIDX", "XKLS", "XPHS", "XSES"})
TOLD_BEFORE: Final = timedelta(days=42)  # a release of the library comes about every two months


def exchanges(calendars: Mapping[str, Calendar]) -> list[ExchangeCalendar]:
    """Those that have a table, by code."""
    return [each for _, each in sorted(calendars.items()) if isinstance(each, ExchangeCalendar)]


def is_short(calendar: ExchangeCalendar, today: date) -> bool:
    """Whether it ends within a year although the library knows more."""
    at_its_end = calendar.ends is not None and calendar.known_until >= calendar.ends
    return not at_its_end and calendar.known_until < today + KEPT_AHEAD


async def extend(calendar: ExchangeCalendar, today: date) -> bool:
    """Read its table anew where it is short; whether it was. Raises ConfigError.

    In a thread: the library takes seconds. What is known until then is used meanwhile.
    """
    if not is_short(calendar, today):
        return False
    known = await anyio.to_thread.run_sync(read_known, calendar.code, calendar.known_from, today)
    calendar.extend(known)
    log.info("calendar extended", calendar=calendar.code, until=str(calendar.known_until))
    return True


async def extend_all(calendars: Iterable[ExchangeCalendar], today: date) -> dict[str, str]:
    """Each that is short; why not, by code: such a one goes on with what it knows and assumes."""
    failed: dict[str, str] = {}
    for calendar in calendars:
        try:
            await extend(calendar, today)
        except ConfigError as error:
            failed[calendar.code] = "; ".join(error.problems)
            log.warning(
                "calendar not extended", calendar=calendar.code, reason=failed[calendar.code]
            )
    return failed


def ending(calendar: ExchangeCalendar, today: date) -> str | None:
    """What there is to say of a table that ends soon, or has ended; None while it does not."""
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
    """What there is to say of an exchange whose break the library leaves out; None: nothing."""
    if calendar.code not in LUNCH_UNKNOWN:
        return None
    return (
        f"{calendar.code} breaks for lunch, which {LIBRARY} leaves out: it is taken for open then"
    )


def has_ended(calendar: ExchangeCalendar, today: date) -> bool:
    return today > calendar.known_until

"""Extension of the calendars' tables ahead of market time."""

from collections.abc import Iterable
from datetime import date

import anyio.to_thread
import structlog

from tradebotd.domain.errors import ConfigError
from tradebotd.market.calendar_ends import is_short
from tradebotd.market.calendars import ExchangeCalendar, read_known

log = structlog.get_logger(__name__)


async def extend(calendar: ExchangeCalendar, today: date) -> bool:
    """Read a short table anew; return whether it was short. Raises ConfigError.

    The library takes seconds, so it runs in a thread; meanwhile the old table is used.
    """
    if not is_short(calendar, today):
        return False
    known = await anyio.to_thread.run_sync(read_known, calendar.code, calendar.known_from, today)
    calendar.extend(known)
    log.info("calendar extended", calendar=calendar.code, until=str(calendar.known_until))
    return True


async def extend_all(calendars: Iterable[ExchangeCalendar], today: date) -> dict[str, str]:
    """Extend every short calendar; return the reasons of failures by code.

    A calendar that cannot be extended goes on with what it knows and assumes.
    """
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

"""Extension of exchange calendars ahead of market time, with an alert weeks before one ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.market.calendar_ends import ending, exchanges, has_ended, is_short
from tradebotd.market.calendar_extension import extend
from tradebotd.market.sessions import Calendar
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import alerts
from tradebotd.storage.postgres.database import Database

log = structlog.get_logger(__name__)

NAME: Final = JobName("extend_calendars")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendCalendars:
    """Job that is scheduled only if a symbol has an exchange's calendar."""

    calendars: Mapping[str, Calendar]
    database: Database
    clock: Clock

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        summary = Summary()
        today = context.now.date()
        for calendar in exchanges(self.calendars):
            if not context.wants(calendar.code):
                continue
            summary.attempted += 1
            try:
                extended = await extend(calendar, today)
            except ConfigError as error:
                summary.fail(calendar.code, "; ".join(error.problems))
                continue
            if extended:
                summary.updated += 1
                summary.acted += 1
                summary.items[calendar.code] = {"known_until": str(calendar.known_until)}
            else:
                summary.skipped += 1
        await alert_ends(self.calendars, self.database, self.clock.now())
        return summary

    async def outcome(self) -> Outcome:
        """Check that every table reaches a year ahead, or as far as the library knows."""
        today = self.clock.now().date()
        tables = exchanges(self.calendars)
        short = [
            f"{calendar.code} until {calendar.known_until}"
            for calendar in tables
            if is_short(calendar, today)
        ]
        if short:
            return Outcome(ok=False, message=f"known less than a year ahead: {', '.join(short)}")
        nearest = min(
            tables, key=lambda calendar: (calendar.known_until, calendar.code), default=None
        )
        if nearest is None:
            return Outcome(ok=True, message="no calendar of an exchange")
        words = f"{len(tables)} known, {nearest.code} the shortest: until {nearest.known_until}"
        return Outcome(ok=True, message=words)


async def alert_ends(calendars: Mapping[str, Calendar], database: Database, now: datetime) -> None:
    """Raise the alert of each table that ends soon or has ended, and clear those of others.

    Of all calendars, at the start and with each run. Raises DatabaseUnavailableError.
    """
    today = now.date()
    subjects: list[str] = []
    async with database.transaction() as connection:
        for calendar in exchanges(calendars):
            words = ending(calendar, today)
            if words is None:
                continue
            severity: alerts.Severity = "critical" if has_ended(calendar, today) else "warning"
            subjects.append(calendar.code)
            if await alerts.raise_alert(
                connection, AlertCode.CALENDAR_ENDS, severity, calendar.code, words, now
            ):
                log.warning("calendar end detected", calendar=calendar.code, reason=words)
        await alerts.clear_others(connection, AlertCode.CALENDAR_ENDS, subjects, now)

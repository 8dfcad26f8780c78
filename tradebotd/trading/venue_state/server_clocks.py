"""Clocks of the venues against the host's, and their sessions against our calendars."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import anyio
import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.errors import VenueError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import ALWAYS_OPEN, MarketSymbol
from tradebotd.market.calendars import Calendar
from tradebotd.ports.clock import Clock, HostClock
from tradebotd.ports.venue import Venue, VenueClock
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.condition_alerts import ConditionAlerts
from tradebotd.trading.venue_state.venue_holds import VenueHolds

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 3600.0  # host; while something is wrong, with each check
ASK_SECONDS: Final = 10.0
USUAL_LIMIT: Final = timedelta(seconds=1)
SAME: Final = timedelta(minutes=1)  # sessions that begin and end so near are the same
AHEAD: Final = timedelta(days=14)
CLOCK: Final = "clock"


@dataclass(frozen=True, slots=True)
class Offset:
    """Offset of a venue's clock: ahead of the host's (negative: behind), give or take *doubt*.

    The venue has read its clock somewhere between the call and its answer: half of that is doubt.
    """

    ahead: timedelta
    doubt: timedelta

    @classmethod
    def of(cls, asked: datetime, told: datetime, answered: datetime) -> "Offset":
        return cls(told - (asked + (answered - asked) / 2), (answered - asked) / 2)

    def is_beyond(self, limit: timedelta) -> bool:
        """Return whether the offset is beyond *limit* without doubt."""
        return abs(self.ahead) - self.doubt > limit

    def __str__(self) -> str:
        way = "ahead of" if self.ahead > timedelta() else "behind"
        size, doubt = abs(self.ahead).total_seconds(), self.doubt.total_seconds()
        return f"{size:.1f} s {way} this machine's (± {doubt:.1f} s)"


class ServerClocks:
    """Clocks of the venues that tell theirs (`traits.tells_clock`). *limits*: by venue."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        host: HostClock,
        holds: VenueHolds,
        venues: Mapping[VenueName, Venue],
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
        limits: Mapping[VenueName, timedelta],
    ) -> None:
        self._host = host
        self._holds = holds
        self._venues = {name: each for name, each in venues.items() if each.traits.tells_clock}
        self._calendars = {
            name: {
                symbol.calendar: calendars[symbol.calendar]
                for symbol in symbols.values()
                if symbol.instrument.venue == name and symbol.calendar != ALWAYS_OPEN
            }
            for name in self._venues
        }
        self._limits = limits
        self._due: dict[VenueName, float] = {}
        self._off: dict[VenueName, str] = {}
        self._disagree: dict[VenueName, dict[str, str]] = {}
        self._offsets = ConditionAlerts(database, clock, AlertCode.CLOCK_OFFSET, "warning")
        self._sessions = ConditionAlerts(database, clock, AlertCode.CALENDAR_DISAGREES, "warning")

    async def check(self) -> None:
        """Check those that are due, side by side. Raises DatabaseUnavailableError."""
        now = self._host.monotonic()
        due = [name for name in self._venues if self._due.get(name, now) <= now]
        async with anyio.create_task_group() as asking:
            for name in due:
                asking.start_soon(self._check, name)
        unheard = self._venues.keys() - self._disagree.keys()  # of an earlier life's alerts
        await self._offsets.update(
            {str(name): reason for name, reason in self._off.items()}, unheard
        )
        found = [each for problems in self._disagree.values() for each in problems.items()]
        await self._sessions.update(dict(found), unheard)

    async def _check(self, name: VenueName) -> None:
        asked = self._host.now()
        try:
            with anyio.fail_after(ASK_SECONDS):
                told = await self._venues[name].server_clock()
        except (VenueError, TimeoutError) as error:
            log.warning("a venue's clock was not told", venue=name, error=str(error) or "timed out")
            return  # what was known of it stands, and it is asked with the next check
        if told.time.tzinfo is None:
            log.error("a venue's clock has no zone", venue=name, time=told.time)
            return
        self._judge(name, Offset.of(asked, told.time, self._host.now()))
        self._compare(name, told)
        if name not in self._off and not self._disagree[name]:
            self._due[name] = self._host.monotonic() + EVERY_SECONDS

    def _judge(self, name: VenueName, offset: Offset) -> None:
        """A call that was slow proves nothing, neither way."""
        limit = self._limits.get(name, USUAL_LIMIT)
        window = self._venues[name].traits.receive_window
        if offset.is_beyond(limit):
            self._off[name] = f"its clock is {offset}"
        elif abs(offset.ahead) + offset.doubt <= limit or name not in self._off:
            self._off.pop(name, None)
        if window and offset.is_beyond(window):
            reason = f"the clock of {name} is {offset}: it refuses orders"
            self._holds.hold(name, CLOCK, reason)
        elif abs(offset.ahead) + offset.doubt <= window or not offset.is_beyond(limit):
            self._holds.release(name, CLOCK)

    def _compare(self, name: VenueName, told: VenueClock) -> None:
        found: dict[str, str] = {}
        for code, calendar in self._calendars[name].items():
            problems = list(_differences(told, calendar))
            if problems:
                found[f"{name} {code}"] = "; ".join(problems)
        self._disagree[name] = found


def _differences(told: VenueClock, calendar: Calendar) -> list[str]:
    """Return the differences by the venue's time. Either may have breaks of its own."""
    if told.is_open is None:
        return []
    now, until = told.time, told.time + AHEAD
    hours, sessions = calendar.hours(now - SAME, until), calendar.sessions(now - SAME, until)
    opens = _next(now, [each.open for each in hours], [session.open for session in sessions])
    closes = _next(now, [each.close for each in hours], [session.close for session in sessions])
    edges = [each.open for each in hours] + [each.close for each in hours]
    if any(abs(edge - now) <= SAME for edge in edges):
        return []  # it opens or closes at this moment
    problems = []
    if told.is_open != (is_open := calendar.is_open(now)):
        theirs, ours = ("open" if each else "closed" for each in (told.is_open, is_open))
        problems.append(f"at {_minute(now)} the venue is {theirs}, by {calendar.code} {ours}")
    for what, said, known in (
        ("opens", told.next_open, opens),
        ("closes", told.next_close, closes),
    ):
        if said is not None and all(abs(said - each) > SAME for each in known):
            ours = _minute(min(known)) if known else f"not within {AHEAD.days} days"
            problems.append(f"the venue {what} next at {_minute(said)}, by {calendar.code} {ours}")
    return problems


def _next(now: datetime, *kinds: list[datetime]) -> set[datetime]:
    """The next one after *now* of each kind."""
    found = (min((each for each in kind if each > now), default=None) for kind in kinds)
    return {each for each in found if each is not None}


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"

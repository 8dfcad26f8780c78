"""Order streams of the venues: which are interrupted, and what they may have missed.

While a venue's stream is silent all is asked for at once, and at a shorter interval than the
schedule's: orders more often than holdings, whose questions are many. What happened while it was
interrupted is asked for as soon as it is subscribed again, and no entry is made there before that.
"""

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

import anyio
import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.ids import VenueName
from tradebotd.ports.clock import Clock, HostClock
from tradebotd.ports.venue import StreamListener, StreamState, Venue
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.condition_alerts import ConditionAlerts
from tradebotd.trading.venue_state.venue_holds import VenueHolds

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 3.0  # host: so often orders are asked for while a stream is silent
COMPARE_SECONDS: Final = 15.0  # host: so often everything is
SAID_AFTER_SECONDS: Final = 25.0  # host: venues interrupt their streams for moments each day
AGAIN_SECONDS: Final = 0.25  # host: a reconciliation was under way already
STREAM: Final = "order stream"

Reconcile = Callable[[], Awaitable[bool]]
"""Reconcile now, all or the orders alone; False: one is under way, which may have begun before."""


class Gap(NamedTuple):
    """Time in which a venue's stream may have missed something.

    `number`: no other gap has it: a later one leaves the first instant of the older one as it is.
    """

    since: datetime
    number: int


class OrderStreams:
    """Order streams of venues that tell of theirs (`traits.tells_stream`); the others are as they
    were: the schedule's reconciliation finds what they miss.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        host: HostClock,
        holds: VenueHolds,
        venues: Iterable[Venue],
    ) -> None:
        self._clock = clock
        self._host = host
        self._holds = holds
        now = host.monotonic()
        # Since when each is silent. Until it has said that it is there, it is none to count on.
        self._silent = {each.name: now for each in venues if each.traits.tells_stream}
        self._unheard = set(self._silent)
        self._missed: dict[VenueName, datetime] = {}  # since when, of those that are interrupted
        self._gaps: dict[VenueName, Gap] = {}  # to be covered now
        self._number = 0  # of the latest gap, of any venue
        self._polled_at = self._compared_at = now  # orders, everything
        self._alerts = ConditionAlerts(database, clock, AlertCode.ORDER_STREAM_LOST, "warning")
        self._wake = anyio.Event()

    def listener(self, venue: Venue) -> StreamListener | None:
        """Return whom *venue* tells of its stream, or None where it claims nothing."""
        if not venue.traits.tells_stream:
            return None
        name = venue.name

        async def on_stream(state: StreamState) -> None:
            self.on_state(name, state)

        return on_stream

    def on_state(self, venue: VenueName, state: StreamState) -> None:
        self._unheard.discard(venue)
        if state.connected:
            self._connected(venue, state.gap_since)
        else:
            self._lost(venue, state.gap_since or self._clock.now())
        self._wake.set()

    def _lost(self, venue: VenueName, since: datetime) -> None:
        if venue not in self._silent:
            log.warning("order stream lost", venue=venue, since=since)
            self._compared_at = -math.inf  # what it has not told may be a stop that is gone
        self._silent.setdefault(venue, self._host.monotonic())
        self._missed[venue] = min(since, self._missed.get(venue, since))

    def _connected(self, venue: VenueName, gap_since: datetime | None) -> None:
        self._silent.pop(venue, None)
        older = self._gaps.get(venue)
        told = (gap_since, self._missed.pop(venue, None), None if older is None else older.since)
        known = [each for each in told if each is not None]
        if not known:
            return
        self._number += 1
        self._gaps[venue] = gap = Gap(min(known), self._number)
        self._compared_at = -math.inf
        self._holds.hold(venue, STREAM, f"what {venue} may not have told is being asked for")
        log.warning("order stream subscribed again", venue=venue, gap_since=gap.since)

    # Reconciliation

    @property
    def gaps(self) -> Mapping[VenueName, Gap]:
        """Return by venue the gap whose fills must be asked for, whatever else agrees."""
        return dict(self._gaps)

    def covered(self, venue: VenueName, gap: Gap) -> None:
        """Take note that all that *venue* has executed since *gap* is in our books.

        *gap*: as it was before the venue was asked. It stands if the stream was interrupted again
        meanwhile.
        """
        if self._gaps.get(venue) != gap:
            return
        del self._gaps[venue]
        self._holds.release(venue, STREAM)
        log.info("gap of an order stream covered", venue=venue, since=gap.since)

    # While it runs

    async def attend(self, reconcile: Reconcile, settle: Reconcile) -> None:
        """See to gaps at once and to silent streams at their intervals, until cancelled.

        *reconcile* all that the venues have; *settle* orders alone.
        """
        while True:
            seconds = await self.look(reconcile, settle)
            if self._wake.is_set():
                self._wake = anyio.Event()
                continue
            with anyio.move_on_after(seconds):
                await self._wake.wait()
            self._wake = anyio.Event()

    async def look(self, reconcile: Reconcile, settle: Reconcile) -> float | None:
        """Do what is due; the seconds until something else may be. None: not before news."""
        is_done = True
        if self._silent or self._gaps:
            now = self._host.monotonic()
            if now - self._compared_at >= COMPARE_SECONDS:
                is_done = await self._ask(reconcile, now, now)
            elif now - self._polled_at >= POLL_SECONDS:
                is_done = await self._ask(settle, now, self._compared_at)
        await self._tell()
        return self._next_look() if is_done else AGAIN_SECONDS

    async def _ask(self, what: Reconcile, polled_at: float, compared_at: float) -> bool:
        """Ask; return False, and it stays due, where that was under way already."""
        before = self._polled_at, self._compared_at
        self._polled_at, self._compared_at = polled_at, compared_at
        try:
            is_done = await what()
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("a silent order stream could not be made up for", error=str(error))
            return True
        if not is_done:  # a stream that was lost meanwhile is due in any case
            self._polled_at = min(self._polled_at, before[0])
            self._compared_at = min(self._compared_at, before[1])
        return is_done

    def _next_look(self) -> float | None:
        """Return the seconds until a poll is due, or a stream is silent for long enough to say."""
        if not self._silent and not self._gaps:
            return None
        now = self._host.monotonic()
        due = [since + SAID_AFTER_SECONDS - now for since in self._silent.values()]
        return min([POLL_SECONDS, *(each for each in due if each > 0)])

    async def _tell(self) -> None:
        """Raises nothing: what could not be said is said with the next look."""
        try:
            await self._alerts.update(self._problems())
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("a lost order stream could not be told", error=str(error))

    def _problems(self) -> dict[str, str]:
        now, found = self._host.monotonic(), {}
        polled = f"its orders are asked for every {POLL_SECONDS:.0f} s"
        for venue, since in self._silent.items():
            if now - since < SAID_AFTER_SECONDS:
                continue
            if venue in self._unheard:
                found[str(venue)] = f"it claims to tell of its stream, and never has: {polled}"
            else:
                missed = f"{self._missed[venue]:%Y-%m-%d %H:%M:%S}"
                found[str(venue)] = f"interrupted since {missed} UTC: {polled}"
        return found

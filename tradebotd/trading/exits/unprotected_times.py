"""Seconds for which a position was without guard, from its first fill on, by our own clock.

A position is guarded while its stop is acknowledged and rests; or, where none is to rest, while the
daemon's own exits are armed. What ends a guard is dated by the venue where it says when (a fill,
the end of an order), what begins one by when we hear of it: the figure is never too small by the
way that an answer takes. Only time in which the symbol's market is open counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio
import structlog

from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.ids import PositionId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.position import Position
from tradebotd.market.calendars import Calendar
from tradebotd.ports.clock import Clock
from tradebotd.storage import unprotected_seconds
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.unprotected_seconds import UnprotectedRow

log = structlog.get_logger(__name__)

EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)
LONG: Final = 5.0  # seconds without guard that are told as soon as they are over
STORED_AT_ONCE: Final = 1000
AGAIN_SECONDS: Final = 1.0  # host time, where a row was being changed or the database is away


@dataclass(slots=True)
class _Spells:
    """Spells without guard of a position. `seconds`: those that are over.

    `since`: when the present one began. `ended`: when one of its exits ended last; that begins a
    spell if it turns out that nothing rests any more. `told`: the check of what rests that is under
    way may have read before that.
    """

    symbol: str
    seconds: float = 0.0
    since: datetime | None = None
    ended: datetime | None = None
    told: bool = False


class UnprotectedTimes:
    """Spells without guard by position; those that have changed are kept until they are stored."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
    ) -> None:
        self._database = database
        self._clock = clock
        self._symbols = symbols
        self._calendars = calendars
        self._spells: dict[PositionId, _Spells] = {}
        self._unsaved: dict[PositionId, UnprotectedRow] = {}
        self._changed = anyio.Event()

    async def run(self) -> None:
        """Store what changes, for ever: a process that is killed has counted what it stored."""
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            await self.store()
            if self._unsaved:
                await anyio.sleep(AGAIN_SECONDS)
                self._changed.set()

    async def load(self) -> datetime | None:
        """Load what earlier processes have counted; return when one was last known to guard.

        Raises DatabaseUnavailableError.
        """
        async with self._database.connection() as connection:
            rows = await unprotected_seconds.select_open(connection)
            swept_at = await unprotected_seconds.last_sweep(connection)
            closed = await unprotected_seconds.select_closed(connection, swept_at or EVER)
        for position_id, seconds, since in rows:
            self._spells[position_id] = _Spells("", seconds, since)
        for row in closed:
            seconds = row.seconds + self._length(row.symbol, row.since, row.closed_at)
            self._change(row.position_id, _Spells(row.symbol, seconds))
        return swept_at

    def resumed(self, position: Position, guarded_until: datetime | None) -> None:
        """Take over a position that was open before this process.

        Nothing is known of it since *guarded_until*; what is found says whether it had a guard.
        """
        spells = self._spells.setdefault(position.id, _Spells(position.symbol))
        spells.symbol = position.symbol
        spells.ended = max(position.opened_at, guarded_until or position.opened_at)

    def opened(self, position: Position) -> None:
        """Begin with a new position's first fill; one that is known goes on.

        One that is to have no stop begins with no spell.
        """
        if position.id in self._spells:
            return
        spells = self._spells[position.id] = _Spells(position.symbol)
        if position.has_stop:
            spells.since = min(position.opened_at, self._clock.now())
            self._change(position.id, spells)

    def order_ended(self, position_id: PositionId, at: datetime) -> None:
        """Note when one of its exits has ended; no later than now, whatever clock said so."""
        spells = self._spells.get(position_id)
        if spells is not None:
            spells.ended = min(at, self._clock.now())
            spells.told = True

    def begin(self, position_id: PositionId) -> None:
        """Note that a check of what rests for it begins to read."""
        spells = self._spells.get(position_id)
        if spells is not None:
            spells.told = False

    def lost(self, position_id: PositionId, at: datetime | None = None) -> None:
        """Begin a spell: nothing guards it since its last exit ended, else since *at* or now.

        Never since later than now, as the end of a day at which it would have ended.
        """
        spells = self._spells.get(position_id)
        if spells is not None and spells.since is None:
            now = self._clock.now()
            spells.since = min(spells.ended or at or now, now)
            self._change(position_id, spells)

    def rests(self, position_id: PositionId) -> None:
        """End its spell: its stop rests, as the check says that is under way.

        That one of its exits has ended since the check read is kept: it may be this one.
        """
        spells = self._spells.get(position_id)
        if spells is None:
            return
        if not spells.told:
            spells.ended = None
        if spells.since is not None:
            self._end(position_id, spells)

    def guarded(self, position_id: PositionId) -> None:
        """End its spell: something guards it."""
        spells = self._spells.get(position_id)
        if spells is None:
            return
        spells.ended = None
        if spells.since is not None:
            self._end(position_id, spells)

    def closed(self, position_id: PositionId) -> None:
        """Forget a closed position, once its seconds are stored."""
        spells = self._spells.pop(position_id, None)
        if spells is not None and spells.since is not None:
            self._end(position_id, spells)

    def seconds(self, position_id: PositionId) -> float | None:
        """Return its seconds without guard, the present spell among them; None: it is not known."""
        spells = self._spells.get(position_id)
        if spells is None:
            return None
        return spells.seconds + self._present(spells)

    async def store_all(self) -> None:
        """Store all that has changed, at the end; what cannot be is settled at the next start."""
        for _ in range(0, len(self._unsaved), STORED_AT_ONCE):
            await self.store()

    async def store(self) -> None:
        """Store what has changed; what cannot be stored now is stored later."""
        rows = list(self._unsaved.values())[:STORED_AT_ONCE]
        if not rows:
            return
        try:
            async with self._database.connection() as connection:
                stored = await unprotected_seconds.update(connection, rows)
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("unprotected seconds not stored", error=str(error))
            return
        for row in rows:
            if row.position_id in stored and self._unsaved.get(row.position_id) is row:
                del self._unsaved[row.position_id]

    def _end(self, position_id: PositionId, spells: _Spells) -> None:
        length = self._present(spells)
        if length > LONG:
            log.warning("position was unguarded", position=position_id, seconds=round(length, 3))
        spells.seconds += length
        spells.since = None
        self._change(position_id, spells)

    def _change(self, position_id: PositionId, spells: _Spells) -> None:
        self._unsaved[position_id] = UnprotectedRow(position_id, spells.seconds, spells.since)
        self._changed.set()

    def _present(self, spells: _Spells) -> float:
        if spells.since is None:
            return 0.0
        return self._length(spells.symbol, spells.since, self._clock.now())

    def _length(self, name: str, start: datetime, end: datetime) -> float:
        """Return the seconds of a spell in which its market was open."""
        symbol = self._symbols.get(name)
        if symbol is None:
            return max(0.0, (end - start).total_seconds())
        hours = self._calendars[symbol.calendar].hours(start, end)
        open_for = sum(
            (min(each.close, end) - max(each.open, start) for each in hours), timedelta()
        )
        return max(0.0, open_for.total_seconds())

"""Exits: every tick through the trigger book, and a sweep over the database behind it.

Each can do the whole job alone, and both end in the same `MarketExits`. A position that triggered
stays latched until its exit is settled, so that no tick sells it twice.
"""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

import structlog

from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.ids import OrderId, PositionId, VenueName
from tradebotd.domain.instrument import ALWAYS_OPEN, MarketSymbol
from tradebotd.domain.position import CloseReason, Position
from tradebotd.market.calendars import Calendar
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Venue
from tradebotd.risk.exits import ExitLevels, expired, triggered
from tradebotd.risk.trigger_book import Trigger
from tradebotd.storage.bots import DecisionRecord
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.condition_alerts import Unprotected
from tradebotd.trading.execution.placement import Placement
from tradebotd.trading.exits.exit_intents import ExitIntent
from tradebotd.trading.exits.exit_placement import ExitPlacement
from tradebotd.trading.exits.market_exits import MarketExits, SweepResult
from tradebotd.trading.exits.orphaned_exits import OrphanedExits
from tradebotd.trading.exits.resting_rounds import RestingRounds
from tradebotd.trading.exits.resting_stops import GRACE, RestingStops, resting_venues
from tradebotd.trading.exits.sweep import Sweep
from tradebotd.trading.exits.tracked_positions import TrackedPositions
from tradebotd.trading.prices.bad_ticks import BadTickFilter
from tradebotd.trading.prices.fresh_prices import FRESH, FreshPrices
from tradebotd.trading.prices.symbol_pauses import SPLIT, SymbolPauses
from tradebotd.trading.reconciliation.exit_evidence import ExitEvidence

__all__ = ["ExitManager", "SweepResult"]

log = structlog.get_logger(__name__)

ProtectedBy = Literal["daemon", "resting", "both", "none"]


class ExitManager:
    """Implements `recorder.PositionWatcher`; `use` gives it the order flow once that stands.

    *sequential*: exits one after the other, by position, where effects must repeat (speed 0).
    *resting*: the venues whose configuration lets stops rest there (None: all that take them).
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        prices: PriceCache,
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
        venues: Mapping[VenueName, Venue],
        sequential: bool,
        resting: Collection[VenueName] | None = None,
    ) -> None:
        self._writes = database.writes
        self._clock = clock
        self._prices = prices
        self.hours = _hours_of(symbols, calendars)
        self.doubts = BadTickFilter(prices)
        self._watched = TrackedPositions(database, symbols, calendars, lambda: self.doubts.limit)
        self._book = self._watched.book
        self._unprotected = Unprotected(database, clock)
        self._lost: Collection[PositionId] = ()
        self.symbol_pauses = SymbolPauses(database, clock, self.hours)
        self._groups = ExitPlacement(database=database, clock=clock, venues=venues, symbols=symbols)
        self._resting = RestingStops(
            groups=self._groups,
            database=database,
            clock=clock,
            prices=prices,
            symbols=symbols,
            calendars=calendars,
            venues=resting_venues(venues, resting),
        )
        self._leftovers = OrphanedExits(self._groups, clock, sequential=sequential)
        self._closing = MarketExits(
            groups=self._groups,
            database=database,
            clock=clock,
            symbols=symbols,
            calendars=calendars,
            watcher=self,
            watched=self._watched,
            prices=prices,
            hold_back=self._hold_back,
            sequential=sequential,
        )
        self._fresh = FreshPrices(
            prices=prices,
            symbols=symbols,
            calendars=calendars,
            venues=venues,
            doubts=self.doubts.about,
        )
        self._rounds = self._rounds_of(clock, sequential=sequential)
        self._sweep = Sweep(
            watched=self._watched,
            fresh=self._fresh,
            doubts=self.doubts,
            closing=self._closing,
            resting=self._resting,
            pauses=self.symbol_pauses,
            symbols=symbols,
            calendars=calendars,
            venues=venues,
            sequential=sequential,
        )
        self._grace = GRACE if clock.speed else timedelta()
        self._met_at: dict[PositionId, datetime] = {}  # the price met what rests at the venue
        self.trades_closed = 0  # since the start

    def _rounds_of(self, clock: Clock, *, sequential: bool) -> RestingRounds:
        return RestingRounds(
            self._resting,
            leftovers=self._leftovers,
            clock=clock,
            held=self._watched.positions,
            end=self._closing.close_all,
            sequential=sequential,
        )

    def use(self, placement: Placement, evidence: ExitEvidence) -> None:
        self._groups.use(placement, evidence)

    def doubt_beyond(self, bad_tick: Decimal) -> None:
        """A fraction of the price before; it may change while running."""
        self.doubts.beyond(bad_tick)

    @property
    def held(self) -> Mapping[PositionId, Position]:
        """What is watched, by position."""
        return self._watched.positions

    def protected_by(self, position_id: PositionId) -> ProtectedBy:
        """Who would end a loss of it: a target alone guards nothing.

        An exit of ours is written before it is sent.
        """
        position = self.held.get(position_id)
        if position is not None and position.stop_loss is None and position.trailing_stop is None:
            return "none"
        by_daemon = (
            position is not None and position_id not in self._lost and self._writes.failure is None
        )
        if self._resting.live(position_id) is not None:
            return "both" if by_daemon else "resting"
        return "daemon" if by_daemon else "none"

    # PositionWatcher

    def watch(self, position: Position) -> None:
        if self._watched.watch(position):
            self._resting.touch(position)

    def as_moved(self, row: Position) -> Position:
        return self._watched.as_moved(row)

    def forget(self, position_id: PositionId) -> None:
        if self._watched.forget(position_id):
            self.trades_closed += 1
        self._resting.forget(position_id)
        self._closing.forget(position_id)
        self._leftovers.stir()
        self._met_at.pop(position_id, None)

    def release(self, position_id: PositionId) -> None:
        if position_id not in self._closing.pauses:
            self._watched.release(position_id)
        self._resting.disturbed(position_id)

    async def load(self, now: datetime) -> int:
        """Watch every open position as it stood, and as the candles since have moved its stops."""
        await self.symbol_pauses.load()
        loaded = await self._watched.load(now)
        for position in loaded:
            self._resting.touch(position)
        return len(loaded)

    # Ticks

    def on_tick(self, point: Tick) -> Awaitable[None] | None:
        """None when nothing must be done, which costs two comparisons.

        What trades outside a symbol's session moves no stop: nothing could be sold there. Nor does
        a price that looks like a split, or a single one far from the others.
        """
        symbol, price, at = point.symbol, point.price, point.at
        self._prices.record(point)
        hours = self.hours.get(symbol)
        if hours is not None:
            if not hours.is_open(at):
                return None
            if not self.symbol_pauses.look(symbol, price, at):
                return self._save_pauses() if self.symbol_pauses.unsaved else None
        pauses = self._closing.pauses
        if pauses.next is not None and pauses.next <= at:
            for position_id in pauses.over(at):
                self._watched.release(position_id)
        met: Sequence[Trigger] = ()
        if not self._book.quiet(symbol, price) and self.doubts.believes(symbol, price):
            met = self._book.tick(symbol, price)
        if met:
            return self._end(self._sweep.exits(met, price), at)
        return self._rounds.quietly() if self._rounds.wanted else None

    async def _end(self, exits: Sequence[ExitIntent], at: datetime) -> None:
        """A price that is too old is not acted on: the sweep asks for a fresh one."""
        result = SweepResult()
        age = self._clock.now() - at
        if age > FRESH:
            for each in exits:
                self._watched.release(each.position.id)
            log.warning("price too old to act on", age_s=age.total_seconds())
            return
        await self._closing.close_all(exits, result)
        if result.failed or "market closed" in result.waiting.values():
            log.warning("exits not made", failed=result.failed, waiting=result.waiting)

    async def _save_pauses(self) -> None:
        try:
            await self.symbol_pauses.save()
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("a pause could not be stored: the next sweep does", error=str(error))

    # Resting exits

    async def attend(self) -> None:
        """For ever: lay a stop to rest as soon as a fill is known, whether prices come or not."""
        await self._rounds.attend()

    async def attend_once(self) -> None:
        """Wait until something is new, and see to it."""
        await self._rounds.once()

    def _hold_back(self, each: ExitIntent) -> str | None:
        """Why an exit must wait: its symbol is paused, a stop that rests has just been met, or no
        order may leave. That is nobody's refusal: no pause grows, and it leaves as soon as it may.
        """
        position = each.position
        if position.symbol in self.symbol_pauses.paused:
            return SPLIT
        if self._rests_just_met(each):
            return "a stop rests at the venue"
        held_back = self._groups.orders.held_back()
        if held_back is None:
            return None
        self._closing.pauses.until(position.id, self._clock.now() + held_back.pause)
        return held_back.why

    def _rests_just_met(self, each: ExitIntent) -> bool:
        position = each.position
        resting = self._resting.live(position.id)
        if resting is None or not resting.covers(position, each):
            return False
        now = self._clock.now()
        since = self._met_at.get(position.id)
        if since is not None and now >= since + self._grace:
            return False
        if since is None:
            self._met_at[position.id] = now
            self._closing.pauses.until(position.id, now + self._grace)
        return True

    # The sweep

    async def sweep(self, now: datetime) -> SweepResult:
        """Check every open position. Raises DatabaseUnavailableError."""
        await self._watched.persist()
        result = SweepResult()
        self._lost = lost = await self._sweep.run(now, result)
        await self.symbol_pauses.save()
        await self._rounds.after_a_sweep(result)
        await self._resting.tell()
        await self._unprotected.tell(lost)
        self._closing.forget_others(self.held)
        await self._closing.tell()
        return result

    async def beyond_their_stop(self, now: datetime) -> list[str]:
        """Open positions whose price has met an exit and that are still there.

        Those whose market is closed wait for it to open, and are not among them; nor are those
        whose price nobody believes.
        """
        beyond = []
        async for page in self._watched.pages():
            for position in page:
                price = self._prices.price(position.symbol)
                if price is None or not self._closing.is_open(position):
                    continue
                if position.symbol in self.symbol_pauses.paused:
                    continue
                if self._fresh.why_not(position.symbol, now) is not None:
                    continue
                met = triggered(position.side, ExitLevels.of(position), price)
                if met is not None or expired(position.exits, position.opened_at, now):
                    beyond.append(f"{position.bot} {position.symbol}")
        return beyond

    async def close_by_hand(
        self, position: Position, reason: CloseReason, decision: DecisionRecord | None = None
    ) -> OrderId | None:
        """For a signal or an operator. None: it was dust, and is closed without an order.

        Raises OrderDeniedError, VenueError, StorageError.
        """
        return await self._closing.by_hand(position, reason, decision)

    async def clear_leftovers(self) -> None:
        """Exits behind closed positions, all of them, now. Raises DatabaseUnavailableError."""
        await self._leftovers.clear({}, patient=False)


def _hours_of(
    symbols: Mapping[str, MarketSymbol], calendars: Mapping[str, Calendar]
) -> dict[str, Calendar]:
    """The calendars of the symbols that do not trade all the time."""
    return {
        name: calendars[symbol.calendar]
        for name, symbol in symbols.items()
        if symbol.calendar != ALWAYS_OPEN
    }

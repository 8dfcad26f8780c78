"""Exits: every tick through the trigger book, and a sweep over the database behind it.

Each can do the whole job alone, and both end in the same `MarketExits`. A position that triggered
stays latched until its exit is settled, so that no tick sells it twice.
"""

from collections import Counter
from collections.abc import Awaitable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, NamedTuple

import anyio
import structlog

from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.ids import OrderId, PositionId, VenueName
from tradebotd.domain.position import CloseReason, Position
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.venue_ban import VenueBans
from tradebotd.market.calendars import Calendar
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.clock import Clock
from tradebotd.risk.exit_levels import ExitLevels, expired, triggered
from tradebotd.storage.bots import DecisionRecord
from tradebotd.storage.postgres.writes import Writes
from tradebotd.trading.condition_alerts import Unprotected
from tradebotd.trading.exits.exit_holds import ExitHolds
from tradebotd.trading.exits.exit_intents import ExitIntent
from tradebotd.trading.exits.market_exits import MarketExits, SweepResult
from tradebotd.trading.exits.orphaned_exits import OrphanedExits
from tradebotd.trading.exits.resting_rounds import LOOKED_AT, RestingRounds
from tradebotd.trading.exits.resting_stops import RestingStops
from tradebotd.trading.exits.sweep import Sweep
from tradebotd.trading.exits.tracked_positions import TrackedPositions
from tradebotd.trading.exits.unfilled_stops import UnfilledStops
from tradebotd.trading.prices.bad_ticks import BadTickFilter
from tradebotd.trading.prices.fresh_prices import FRESH, FreshPrices
from tradebotd.trading.prices.split_pauses import SplitPauses
from tradebotd.trading.venue_state.ban_alerts import BanAlerts

__all__ = ["ExitManager", "SweepResult"]

log = structlog.get_logger(__name__)

_LAST: Final = PriceKind.LAST

ProtectedBy = Literal["daemon", "resting", "both", "none"]


class ExitParts(NamedTuple):
    """Parts that end positions, composed by the wiring.

    *hours*: calendars of symbols that do not always trade.
    """

    tracked: TrackedPositions
    bad_ticks: BadTickFilter
    symbol_pauses: SplitPauses
    fresh: FreshPrices
    market_exits: MarketExits
    holds: ExitHolds
    resting: RestingStops
    rounds: RestingRounds
    orphaned: OrphanedExits
    sweep: Sweep
    unprotected: Unprotected
    unfilled: UnfilledStops
    bans: VenueBans
    ban_alerts: BanAlerts
    hours: Mapping[str, Calendar]


class ExitManager:
    """Exit manager for ticks, the sweep and manual closes; a `PositionListener` of the recorder."""

    def __init__(
        self, parts: ExitParts, *, clock: Clock, prices: PriceCache, writes: Writes
    ) -> None:
        self._writes = writes
        self._clock = clock
        self._prices = prices
        self.hours = parts.hours
        self.bad_ticks = parts.bad_ticks
        self.symbol_pauses = parts.symbol_pauses
        self._tracked = parts.tracked
        self._book = parts.tracked.book
        self._unprotected = parts.unprotected
        self._bans = parts.bans
        self._ban_alerts = parts.ban_alerts
        self._unfilled = parts.unfilled
        self._resting = parts.resting
        self._orphaned = parts.orphaned
        self._market_exits = parts.market_exits
        self._holds = parts.holds
        self._fresh = parts.fresh
        self._rounds = parts.rounds
        self._sweep = parts.sweep
        self._times = parts.resting.times
        self._out_of_reach: Collection[PositionId] = ()
        self.trades_closed = 0  # since the start

    def set_bad_tick(self, bad_tick: Decimal) -> None:
        """Set the bad-tick limit, a fraction of the price before; it may change while running."""
        self.bad_ticks.set_limit(bad_tick)

    @property
    def held(self) -> Mapping[PositionId, Position]:
        """Positions that are watched, by id."""
        return self._tracked.positions

    def protected_by(self, position_id: PositionId) -> ProtectedBy:
        """Return what would end a loss of the position: a target alone protects nothing.

        An exit of ours is written before it is sent.
        """
        position = self.held.get(position_id)
        if position is not None and not position.has_stop:
            return "none"
        by_daemon = (
            position is not None
            and position_id not in self._out_of_reach
            and self._writes.failure is None
            and self._bans.ban(position.venue) is None
        )
        if self._guards(position_id):
            return "both" if by_daemon else "resting"
        return "daemon" if by_daemon else "none"

    def _guards(self, position_id: PositionId) -> bool:
        """Return whether a stop rests, and has not been met and left the position open."""
        rests = self._resting.live(position_id) is not None
        return rests and not self._holds.is_passed_over(position_id)

    def resting_kind(self, position_id: PositionId) -> PriceKind | None:
        """Return the kind of price that its resting stop is compared with; None if none rests."""
        rests = self._resting.live(position_id)
        return None if rests is None else rests.working_price

    def resting_quantity(self, position_id: PositionId) -> Decimal | None:
        """Return for how much a stop rests at the venue; None: none does.

        Less than is held where stops take whole lots only; the daemon guards what is left over.
        """
        resting = self._resting.live(position_id)
        return None if resting is None else resting.quantity

    # PositionListener

    def watch(self, position: Position) -> None:
        """Take over a position as stored; a sweep or a check may have read this version already."""
        self._tracked.watch(position)
        current = self._tracked.current(position.id)
        if current is None:
            return
        self._times.opened(current)
        self._judge_guard(current)
        self._resting.on_position_changed(current)

    def as_moved(self, row: Position) -> Position:
        return self._tracked.as_moved(row)

    def levels_since(self, position: Position) -> datetime:
        return self._fresh.levels_since(position)

    def forget(self, position_id: PositionId) -> None:
        if self._tracked.forget(position_id):
            self.trades_closed += 1
        self._resting.forget(position_id)
        self._market_exits.forget(position_id)
        self._orphaned.mark_dirty()
        self._holds.forget(position_id)
        self._times.closed(position_id)

    def release(self, position_id: PositionId, at: datetime | None = None) -> None:
        if at is not None:
            self._times.order_ended(position_id, at)
        if position_id not in self._market_exits.timers:
            self._tracked.release(position_id)
        self._resting.on_order_settled(position_id)

    async def load(self, now: datetime) -> int:
        """Watch every open position as stored, its stops moved by the candles since."""
        await self.symbol_pauses.load()
        guarded_until = await self._times.load()
        loaded = await self._tracked.load(now)
        for position in loaded:
            self._times.resumed(position, guarded_until)
            if position.has_stop and self._resting.awaits(position) is None:
                self._times.lost(position.id)  # until prices come, or a sweep
            self._resting.on_position_changed(position)
        return len(loaded)

    # Ticks

    def on_tick(self, tick: Tick) -> Awaitable[None] | None:
        """Handle a tick; return None when nothing must be done, which costs two comparisons.

        What trades outside a symbol's session moves no stop: nothing could be sold there. Nor does
        a price that looks like a split, or a single one far from the others.
        """
        symbol, price, at, kind = tick.symbol, tick.price, tick.at, tick.kind
        if not self._prices.record(tick):
            return None
        hours = self.hours.get(symbol)
        if hours is not None:
            if not hours.is_open(at):
                return None
            if not self.symbol_pauses.check(symbol, price, at, kind):
                return self._save_pauses() if self.symbol_pauses.unsaved else None
        pauses = self._market_exits.timers
        if pauses.next is not None and pauses.next <= at:
            for position_id in pauses.take_over_due(at):
                self._tracked.release(position_id)
        exits: Sequence[ExitIntent] = ()
        if not self._book.of(kind).quiet(symbol, price):
            exits = self._met(symbol, price, kind, tick)
        if self._book.others and kind is _LAST:
            exits = [*exits, *self._met_around(symbol, tick)]
        self._rounds.on_tick(at)
        if exits:
            return self._end(exits, at)
        return self._rounds.run_quietly() if self._rounds.has_work else None

    def _met(self, symbol: str, price: Decimal, kind: PriceKind, tick: Tick) -> list[ExitIntent]:
        if not self.bad_ticks.believes(symbol, price, kind):
            return []
        seen_at = self._prices.seen_at(symbol, kind) if tick.repeats else tick.at
        met = self._tracked.tick(symbol, price, kind, seen_at or tick.at)
        return self._sweep.exits(met, price)

    def _met_around(self, symbol: str, tick: Tick) -> Iterator[ExitIntent]:
        """Yield the exits met by prices that are made from the last one: its bid and ask."""
        for kind in self._prices.made_from_last(symbol):
            book = self._book.of(kind)
            if not book.watched(symbol):
                continue  # to make a price costs more than to ask
            price = self._prices.price(symbol, kind)
            if price is not None and not book.quiet(symbol, price):
                yield from self._met(symbol, price, kind, tick)

    async def _end(self, exits: Sequence[ExitIntent], at: datetime) -> None:
        """End positions, unless the price is too old: then the sweep asks for a fresh one."""
        result = SweepResult()
        age = self._clock.now() - at
        if age > FRESH:
            for exit_ in exits:
                self._tracked.unlatch(exit_.position.id)
            log.warning("stale price ignored", age_s=age.total_seconds())
            return
        await self._market_exits.close_all(exits, result)
        await self._unfilled.store()
        if result.failed or "market closed" in result.waiting.values():
            log.warning("exits not made", failed=result.failed, waiting=result.waiting)

    async def _save_pauses(self) -> None:
        try:
            await self.symbol_pauses.save()
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("symbol pause not stored", error=str(error))

    # Resting exits

    async def run(self) -> None:
        """Place stops for ever, as soon as a fill is known, whether prices come or not."""
        await self.judge_guards()
        await self._rounds.run()

    async def run_once(self) -> None:
        """Wait until something is new, and handle it."""
        await self._rounds.run_once()

    # The sweep

    async def sweep(self, now: datetime) -> SweepResult:
        """Check every open position. Raises DatabaseUnavailableError."""
        await self._tracked.persist()
        result = SweepResult()
        self._out_of_reach = lost = await self._sweep.run(now, result)
        await self._tracked.persist()  # what prices of this sweep have moved
        await self.symbol_pauses.save()
        await self._unfilled.store()
        await self._rounds.after_sweep(result)
        await self.judge_guards()
        if not self._resting.is_attended:  # else a task does
            await self._times.store()
        await self._resting.missing.update_alerts()
        await self._unprotected.update(lost)
        await self._ban_alerts.tell(self._unguarded())
        self._market_exits.forget_others(self.held)
        await self._market_exits.update_alerts()
        return result

    async def store_seconds(self) -> None:
        """Store the seconds without guard, before the end: of what was closed last, too."""
        await self._times.store_all()

    async def judge_guards(self) -> None:
        """Judge each position as it is in its turn; everything else has its own between them."""
        for number, position_id in enumerate(list(self.held), 1):
            if (position := self.held.get(position_id)) is not None:
                self._judge_guard(position)
            if number % LOOKED_AT == 0:
                await anyio.lowlevel.checkpoint()

    def _judge_guard(self, position: Position) -> None:
        """Count the time of a position without guard, where what guards it may have changed.

        Of one whose stop is to rest, looks at what rests say so; but one that is larger than its
        stop is not guarded by it. One without a stop is to have no guard.
        """
        if not position.has_stop:
            self._times.guarded(position.id)
            return
        awaited, rests = self._resting.awaits(position), self._resting.live(position.id)
        if awaited is not None:
            if rests is not None and rests.quantity < awaited.quantity:
                self._times.lost(position.id)
        elif self.protected_by(position.id) != "none":
            self._times.guarded(position.id)
        else:
            self._times.lost(position.id)

    def unprotected_seconds(self, position_id: PositionId) -> float | None:
        """Return for how long it has been without guard; None: it has no stop, or is not held."""
        position = self.held.get(position_id)
        if position is None or not position.has_stop:
            return None
        return self._times.seconds(position_id)

    def _unguarded(self) -> Mapping[VenueName, int]:
        """Positions by venue that no stop guards there."""
        return Counter(
            position.venue for position in self.held.values() if not self._guards(position.id)
        )

    async def missed_exits(self, now: datetime) -> list[Position]:
        """Return open positions whose price has met an exit and that are still there.

        Positions whose market is closed wait for it to open, and are not among them; nor are those
        whose price is not believed. None is met by one from before the fill that made its levels.
        """
        beyond = []
        async for page in self._tracked.pages():
            for position in page:
                kind = position.trigger_kind
                price = self._prices.price(position.symbol, kind)
                seen_at = self._prices.seen_at(position.symbol, kind)
                if price is None or seen_at is None or not self._market_exits.is_open(position):
                    continue
                if position.symbol in self.symbol_pauses.paused:
                    continue
                if self._fresh.unusable_because(position.symbol, now, kind) is not None:
                    continue
                hit = None
                if seen_at >= self._fresh.levels_since(position):
                    hit = triggered(position.side, ExitLevels.of(position), price)
                if hit is not None or expired(position.exits, position.opened_at, now):
                    beyond.append(position)
        return beyond

    async def close_now(
        self, position: Position, reason: CloseReason, decision: DecisionRecord | None = None
    ) -> OrderId | None:
        """Close for a signal or an operator; None when it was dust and was closed without an order.

        Raises OrderDeniedError, VenueError, StorageError.
        """
        return await self._market_exits.close_now(position, reason, decision)

    def is_unfinished(self, position_id: PositionId) -> bool:
        """Return whether the position ends in parts, of which some are still to be sold."""
        return position_id in self._market_exits.unfinished

    async def clear_orphaned_exits(self) -> None:
        """Clear all exits behind closed positions, now. Raises DatabaseUnavailableError."""
        await self._orphaned.clear({}, patient=False)

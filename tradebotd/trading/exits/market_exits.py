"""Exits at the market, sent concurrently or in order, with growing pauses after a refusal."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import anyio
import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import (
    AccountTakenError,
    DatabaseUnavailableError,
    OrderDeniedError,
    OutcomeUnknownError,
    VenueError,
)
from tradebotd.domain.ids import OrderId, PositionId
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.order import OrderIntent
from tradebotd.domain.position import CloseReason, Position
from tradebotd.market.calendars import Calendar
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.clock import Clock
from tradebotd.risk.exit_levels import better, still_to_sell
from tradebotd.storage import positions
from tradebotd.storage.bots import DecisionRecord
from tradebotd.storage.exit_groups import GroupKind
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.condition_alerts import ConditionAlerts, subject
from tradebotd.trading.execution.filled_positions import climbed
from tradebotd.trading.execution.listeners import PositionListener
from tradebotd.trading.execution.placement import Prepared
from tradebotd.trading.exits.backoff import Backoff, RetryTimers
from tradebotd.trading.exits.exit_holds import ExitHolds
from tradebotd.trading.exits.exit_intents import (
    ExitIntent,
    judged_anew,
    market_exit,
    sellable_now,
)
from tradebotd.trading.exits.exit_placement import ExitPlacement
from tradebotd.trading.exits.tracked_positions import TrackedPositions

log = structlog.get_logger(__name__)

CLOSES_AT_ONCE: Final = 12
BY_HAND: Final = frozenset({CloseReason.MANUAL, CloseReason.FLATTEN})


@dataclass(slots=True)
class SweepResult:
    checked: int = 0
    closed: int = 0
    waiting: dict[str, str] = field(default_factory=dict)  # why an exit waits: market closed …
    failed: dict[str, str] = field(default_factory=dict)
    oldest_price: timedelta = timedelta()


class MarketExits:
    """Market exits. *listeners* learn of positions changed here; *timers*: when to retry which."""

    def __init__(
        self,
        *,
        groups: ExitPlacement,
        database: Database,
        clock: Clock,
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
        listeners: PositionListener,
        watched: TrackedPositions,
        prices: PriceCache,
        holds: ExitHolds,
        timers: RetryTimers,
        sequential: bool,
    ) -> None:
        self._groups = groups
        self._database = database
        self._clock = clock
        self._symbols = symbols
        self._calendars = calendars
        self._listeners = listeners
        self._watched = watched
        self._prices = prices
        self._holds = holds
        self._sequential = sequential
        self._ending: set[PositionId] = set()  # exits being made here
        self.pauses = timers
        self._backoff = Backoff()
        self._refusals = ConditionAlerts(database, clock, AlertCode.EXIT_REFUSED)

    def forget(self, position_id: PositionId) -> None:
        self.pauses.forget(position_id)
        self._backoff.forget(position_id)

    def not_met(self, position_id: PositionId, now: datetime) -> None:
        """Forget the refusals of a position whose price has turned from its exits.

        They say nothing of the next exit. While a pause lasts it is kept, so that a price that
        wavers is answered no sooner.
        """
        if position_id in self._backoff.reasons and self.pauses.holds(position_id, now) is None:
            self._backoff.forget(position_id)

    def forget_others(self, held: Container[PositionId]) -> None:
        """Forget closed positions: an exit refused because of the close is refused no more."""
        for position_id in [each for each in self._backoff.reasons if each not in held]:
            self.forget(position_id)

    def ends(self, position_id: PositionId) -> bool:
        """Return whether an exit of the position is being made at this moment."""
        return position_id in self._ending

    async def tell(self) -> None:
        """Update the alerts of refused exits. Raises DatabaseUnavailableError."""
        await self._refusals.tell(
            {subject(each): why for each, why in self._backoff.reasons.items()}
        )

    async def by_hand(
        self, position: Position, reason: CloseReason, decision: DecisionRecord | None = None
    ) -> OrderId | None:
        """Exit for a signal (whose *decision* is stored with the order) or an operator.

        Returns None when nothing of it can be sold: it is closed as dust, without an order and
        without the *decision*. On a signal only a remainder is: a whole position that wants a
        better price is denied. Raises OrderDeniedError, VenueError, StorageError.
        """
        if not self.is_open(position):
            raise OrderDeniedError(
                DenialRule.MARKET_CLOSED, f"{position.symbol} cannot be sold now"
            )
        each = ExitIntent(position=position, reason=reason)
        if reason not in BY_HAND and (why := self._holds.reason(each)) is not None:
            raise OrderDeniedError(DenialRule.EXIT_WAITS, why)
        made: list[Prepared] = []
        try:
            await self._place(each, made, decision)
        except OrderDeniedError as denied:
            if denied.rule != DenialRule.BELOW_VENUE_MINIMUM or self._may_be_sold_yet(each):
                raise
            await self._write_off(each)
            return None
        return made[0].order.id

    async def close_all(self, exits: Sequence[ExitIntent], result: SweepResult) -> None:
        """Close each independently of the others; failures are reported in *result*, not raised."""
        ready: list[ExitIntent] = []
        for each in exits:
            try:
                why = self._waits_for(each)
            except Exception as error:
                log.exception("exit failed", position=each.position.id)
                self._failed(each, error, (), result)
                continue
            if why is None:
                ready.append(each)
                self._ending.add(each.position.id)
            else:
                result.waiting[str(each.position.id)] = why
        try:
            await self._end(ready, result)
        finally:
            self._ending.difference_update(each.position.id for each in ready)
        if ready and self._backoff.reasons:
            await self._tell_quietly()

    def _waits_for(self, each: ExitIntent) -> str | None:
        position_id = each.position.id
        if self.ends(position_id):
            return DenialRule.EXIT_GROUP_ACTIVE
        if not self.is_open(each.position):
            self._watched.release(position_id)
            return "market closed"
        until = self.pauses.holds(position_id, self._clock.now())
        if until is not None:
            return f"tried again at {until:%H:%M:%S}"
        return self._holds.reason(each)

    async def _end(self, ready: Sequence[ExitIntent], result: SweepResult) -> None:
        if self._sequential:
            for each in sorted(ready, key=lambda e: e.position.id):
                await self._close(each, result)
        else:
            await self._close_side_by_side(ready, result)

    async def _close_side_by_side(self, ready: Sequence[ExitIntent], result: SweepResult) -> None:
        limiter = anyio.CapacityLimiter(CLOSES_AT_ONCE)

        async def close(each: ExitIntent) -> None:
            async with limiter:
                await self._close(each, result)

        async with anyio.create_task_group() as closing:
            for each in ready:
                closing.start_soon(close, each)

    async def _tell_quietly(self) -> None:
        try:
            await self.tell()
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("exit alert not stored", error=str(error))
        except Exception:
            log.exception("exit alert not stored")

    async def _close(self, each: ExitIntent, result: SweepResult) -> None:
        """Close one; an unforeseen error (an adapter's, or ours) fails this position alone."""
        made: list[Prepared] = []
        try:
            await self._attempt(each, made, result)
        except Exception as error:
            log.exception("exit failed", position=each.position.id, symbol=each.position.symbol)
            self._failed(each, error, made, result)
        finally:
            self._ending.discard(each.position.id)

    def _failed(
        self, each: ExitIntent, error: Exception, made: Sequence[Prepared], result: SweepResult
    ) -> None:
        """Latch the position for a while; if its exit may be at the venue, until it is settled."""
        position_id, why = each.position.id, f"{type(error).__name__}: {error}"
        result.failed[str(position_id)] = why
        pause = self._backoff.refused(position_id, why)
        if made:
            self._doubtful(each)
        else:
            self.pauses.until(position_id, self._clock.now() + pause)

    async def _attempt(self, each: ExitIntent, made: list[Prepared], result: SweepResult) -> None:
        position_id = each.position.id
        key = str(position_id)
        try:
            try:
                await self._place(each, made)
            except OrderDeniedError as denied:
                if denied.rule != DenialRule.BELOW_VENUE_MINIMUM:
                    raise
                await self._write_off(each)
        except OrderDeniedError as denied:
            await self._denied(each, denied, result)
        except VenueError as error:
            self._refused(each, error, made, result)
        except AccountTakenError as error:  # it stays latched: the exit is the other daemon's
            result.failed[key] = str(error)
            log.critical("exit not sent", position=key)
        except (DatabaseUnavailableError, TimeoutError) as error:
            result.failed[key] = f"{type(error).__name__}: {error}"
            if made:  # latched until reconciliation has settled what became of it
                self._doubtful(each)
                log.critical("exit answer not stored", position=key)
            else:
                self._watched.release(position_id)
                log.critical("exit not stored", position=key)
        else:
            self._backoff.forget(position_id)
            result.closed += 1

    async def _denied(
        self, each: ExitIntent, denied: OrderDeniedError, result: SweepResult
    ) -> None:
        """Handle a denial: an exit is under way, or the position has changed.

        The next check judges it as it is then.
        """
        position_id = each.position.id
        result.waiting[str(position_id)] = denied.rule
        if denied.rule is DenialRule.POSITION_CLOSED:
            self._listeners.forget(position_id)
        elif denied.rule == DenialRule.LADDER_STEP_TOO_SMALL:
            await self._skip_step(each.position)
        elif denied.rule in {
            DenialRule.POSITION_CHANGED,
            DenialRule.EXIT_GROUP_CHANGED,
            DenialRule.EXIT_RETIRING,
        }:
            self._watched.release(position_id)
        else:
            self._doubtful(each)

    def _doubtful(self, each: ExitIntent) -> None:
        """Leave the position latched; after an exit at the target ticks still meet its stops.

        How much a stop may sell beside an order in doubt is for the exit groups to know, as in the
        sweep.
        """
        if each.reason is CloseReason.TAKE_PROFIT:
            self._watched.release_stops(each.position.id)

    def _refused(
        self, each: ExitIntent, error: VenueError, made: Sequence[Prepared], result: SweepResult
    ) -> None:
        """Handle a refusal without a storm of orders: the next try comes after a pause.

        An exit of unknown outcome stays latched where a second one might sell what is not there, or
        a step's share twice; the sweep still sees the stop.
        """
        position_id, why = each.position.id, f"{type(error).__name__}: {error}"
        result.failed[str(position_id)] = why
        pause = self._backoff.refused(position_id, why)
        unknown = isinstance(error, OutcomeUnknownError)
        repeats = any(each.order.intent.ladder_step is not None for each in made)
        if unknown and (repeats or each.position.position_type is not PositionType.FUTURES):
            self._doubtful(each)
            return
        self.pauses.until(position_id, self._clock.now() + pause)

    async def _skip_step(self, judged: Position) -> None:
        """Join a ladder step that is less than the venue sells to the next one."""
        async with self._database.transaction(durable=True) as connection:
            locked = await positions.lock(connection, judged.id)
            if locked is None or not locked.is_open:
                return
            position = locked.position
            if position.ladder_done != judged.ladder_done:
                return  # it was taken meanwhile
            instrument = self._symbols[position.symbol].instrument
            step = position.ladder_done + 1
            position = climbed(
                position, step, instrument, still_to_sell(position, step, instrument)
            )
            position = replace(position, version=position.version + 1)
            await positions.update_plan(connection, position)
        self._listeners.watch(position)
        self._watched.release(position.id)

    async def _place(
        self, each: ExitIntent, made: list[Prepared], decision: DecisionRecord | None = None
    ) -> None:
        def build(read: Position) -> list[OrderIntent]:
            still = judged_anew(each, self._watched.as_moved(read), self._clock.now())
            instrument = self._symbols[read.symbol].instrument
            return [market_exit(still, read, instrument, self._worth(still))]

        await self._groups.place(each.position.id, GroupKind.MARKET, build, made, decision)

    def _worth(self, each: ExitIntent) -> Decimal | None:
        """Return the expected price of a unit: the one that met the exit, or else the last one.

        The level, if that is better, as long as no venue has refused it: the price may have gone
        through it just now.
        """
        position = each.position
        price = each.price if each.price is not None else self._prices.price(position.symbol)
        if price is None or each.level is None:
            return each.level if price is None else price
        refused = position.id in self._backoff.reasons
        return price if refused else better(position.side, price, each.level)

    def _may_be_sold_yet(self, each: ExitIntent) -> bool:
        """Return whether a signal can wait: only the price makes a whole position too small."""
        position = each.position
        whole = position.quantity == position.entry_quantity
        instrument = self._symbols[position.symbol].instrument
        by_price = bool(sellable_now(position, None, instrument))
        return each.reason is CloseReason.SIGNAL and whole and by_price

    async def _write_off(self, each: ExitIntent) -> None:
        """Close as dust; no further sale of it is tried. Raises as `_place`."""
        position = each.position
        instrument = self._symbols[position.symbol].instrument
        await self._groups.withdraw(position.id)

        def is_dust(now: Position) -> bool:
            return not sellable_now(now, self._worth(replace(each, position=now)), instrument)

        await self._groups.orders.recorder.write_off(position.id, instrument, is_dust)
        log.warning(
            "dust written off",
            bot=position.bot,
            symbol=position.symbol,
            venue=position.venue,
            quantity=position.quantity,
        )

    def is_open(self, position: Position) -> bool:
        symbol = self._symbols.get(position.symbol)
        if symbol is None:
            return False
        return self._calendars[symbol.calendar].is_open(self._clock.now())

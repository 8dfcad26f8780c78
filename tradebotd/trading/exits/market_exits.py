"""Exits at the market, sent concurrently or in order, with growing pauses after a refusal."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import anyio
import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import (
    AccountTakenError,
    DatabaseUnavailableError,
    OrderDeniedError,
    OrderRejectedError,
    OutcomeUnknownError,
    VenueError,
    describe_error,
)
from tradebotd.domain.ids import OrderId, PositionId, VenueName
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.position import CloseReason, Position
from tradebotd.market.calendars import Calendar
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Venue
from tradebotd.storage.bots import DecisionRecord
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.condition_alerts import ConditionAlerts
from tradebotd.trading.execution.listeners import PositionListener
from tradebotd.trading.execution.placement import Prepared
from tradebotd.trading.exits.backoff import Backoff, RetryTimers
from tradebotd.trading.exits.exit_holds import ExitHolds
from tradebotd.trading.exits.exit_intents import ExitIntent
from tradebotd.trading.exits.exit_parts import UnfinishedExits
from tradebotd.trading.exits.exit_placement import ExitPlacement
from tradebotd.trading.exits.exit_sales import ExitSales
from tradebotd.trading.exits.exit_worth import ExitWorth
from tradebotd.trading.exits.ladder_steps import LadderSteps
from tradebotd.trading.exits.overtaken_exits import OvertakenExits
from tradebotd.trading.exits.shortfalls import Shortfalls
from tradebotd.trading.exits.tracked_positions import TrackedPositions
from tradebotd.trading.exits.write_offs import WriteOffs

log = structlog.get_logger(__name__)

CLOSES_AT_ONCE: Final = 12
MANUAL_REASONS: Final = frozenset({CloseReason.MANUAL, CloseReason.FLATTEN})


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
        placement: ExitPlacement,
        database: Database,
        clock: Clock,
        venues: Mapping[VenueName, Venue],
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
        listeners: PositionListener,
        tracked: TrackedPositions,
        prices: PriceCache,
        holds: ExitHolds,
        timers: RetryTimers,
        shortfalls: Shortfalls,
        sequential: bool,
    ) -> None:
        self._clock = clock
        self._symbols = symbols
        self._calendars = calendars
        self._listeners = listeners
        self._tracked = tracked
        self._holds = holds
        self._ladder_steps = LadderSteps(database, symbols, listeners, tracked)
        self._sequential = sequential
        self._ending: set[PositionId] = set()  # exits being made here
        self.timers = timers
        self._backoff = Backoff()
        self._overtaken = OvertakenExits(
            clock=clock,
            venues=venues,
            backoff=self._backoff,
            current=tracked.current,
            listeners=listeners,
            rests=holds.has_stop,
        )
        self._worth = ExitWorth(prices, clock, self._backoff.reasons)
        self.unfinished = UnfinishedExits(symbols, self._worth)
        self._write_offs = WriteOffs(
            placement=placement,
            database=database,
            clock=clock,
            venues=venues,
            symbols=symbols,
            worth=self._worth,
        )
        self._shortfalls = shortfalls
        self._sales = ExitSales(
            placement=placement,
            clock=clock,
            symbols=symbols,
            tracked=tracked,
            holds=holds,
            worth=self._worth,
            unfinished=self.unfinished,
            write_offs=self._write_offs,
            shortfalls=shortfalls,
        )
        self._alerts = ConditionAlerts(database, clock, AlertCode.EXIT_REFUSED)

    def forget(self, position_id: PositionId) -> None:
        self.timers.forget(position_id)
        self._backoff.forget(position_id)
        self.unfinished.forget(position_id)
        self._worth.forget(position_id)
        self._overtaken.forget(position_id)
        self._shortfalls.forget(position_id)

    def on_price_turned(self, position_id: PositionId, now: datetime) -> None:
        """Forget the refusals of a position whose price has turned from its exits.

        They say nothing of the next exit. While a pause lasts it is kept, so that a price that
        wavers is answered no sooner.
        """
        self._holds.on_price_turned(position_id)
        refused = position_id in self._backoff.reasons
        if refused and self.timers.held_until(position_id, now) is None:
            self._backoff.forget(position_id)

    def forget_others(self, held: Container[PositionId]) -> None:
        """Forget closed positions: an exit refused because of the close is refused no more."""
        for position_id in [
            position_id for position_id in self._backoff.reasons if position_id not in held
        ]:
            self.forget(position_id)

    def is_ending(self, position_id: PositionId) -> bool:
        """Return whether an exit of the position is being made at this moment."""
        return position_id in self._ending

    async def update_alerts(self) -> None:
        """Update the alerts of refused exits. Raises DatabaseUnavailableError."""
        await self._alerts.update(self._overtaken.refusals())

    async def close_now(
        self, position: Position, reason: CloseReason, decision: DecisionRecord | None = None
    ) -> OrderId | None:
        """Exit for a signal (whose *decision* is stored with the order) or an operator.

        Returns None when nothing of it can be sold: it is closed as dust, without an order and
        without the *decision*. Only a remainder is: a whole position that the filters shut in, or
        on a signal one that wants a better price, is denied. Raises OrderDeniedError, VenueError,
        StorageError.
        """
        if not self.is_open(position):
            raise OrderDeniedError(
                DenialRule.MARKET_CLOSED, f"{position.symbol} cannot be sold now"
            )
        exit_ = ExitIntent(position=position, reason=reason)
        if reason not in MANUAL_REASONS:  # a hand may know better what the venue takes
            self._holds.check_trading(position)
            if (hold_reason := self._holds.reason(exit_)) is not None:
                raise OrderDeniedError(DenialRule.EXIT_WAITS, hold_reason)
        prepared: list[Prepared] = []
        try:
            if position.id in self.unfinished:
                decision = None  # it is stored with the first part
            await self._sales.place(exit_, prepared, decision)
        except OrderDeniedError as denied:
            may_wait = self._write_offs.may_be_sold_yet(exit_)
            if denied.rule != DenialRule.BELOW_VENUE_MINIMUM or may_wait:
                raise
            await self._write_offs.write_off(exit_)
            return None
        return prepared[0].order.id

    async def close_all(self, exits: Sequence[ExitIntent], result: SweepResult) -> None:
        """Close each independently of the others; failures are reported in *result*, not raised."""
        ready: list[ExitIntent] = []
        for exit_ in exits:
            try:
                reason = self._waits_for(exit_)
            except Exception as error:
                log.exception("exit failed", position=exit_.position.id)
                self._failed(exit_, error, (), result)
                continue
            if reason is None:
                ready.append(exit_)
                self._ending.add(exit_.position.id)
                self._overtaken.begin(exit_.position)
            else:
                result.waiting[str(exit_.position.id)] = reason
        try:
            await self._close_ready(ready, result)
        finally:
            self._ending.difference_update(exit_.position.id for exit_ in ready)
        if ready and self._backoff.reasons:
            await self._update_alerts_quietly()

    def _waits_for(self, exit_: ExitIntent) -> str | None:
        position_id = exit_.position.id
        if self.is_ending(position_id):
            return DenialRule.EXIT_GROUP_ACTIVE
        if not self.is_open(exit_.position):
            self._tracked.unlatch(position_id)
            return "market closed"
        until = self.timers.held_until(position_id, self._clock.now())
        if until is not None:
            return f"tried again at {until:%H:%M:%S}"
        return self._holds.reason(exit_)

    async def _close_ready(self, ready: Sequence[ExitIntent], result: SweepResult) -> None:
        if self._sequential:
            for exit_ in sorted(ready, key=lambda e: e.position.id):
                await self._close(exit_, result)
        else:
            await self._close_side_by_side(ready, result)

    async def _close_side_by_side(self, ready: Sequence[ExitIntent], result: SweepResult) -> None:
        limiter = anyio.CapacityLimiter(CLOSES_AT_ONCE)

        async def close(exit_: ExitIntent) -> None:
            async with limiter:
                await self._close(exit_, result)

        async with anyio.create_task_group() as closing:
            for exit_ in ready:
                closing.start_soon(close, exit_)

    async def _update_alerts_quietly(self) -> None:
        try:
            await self.update_alerts()
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("exit alert not stored", error=str(error))
        except Exception:
            log.exception("exit alert not stored")

    async def _close(self, exit_: ExitIntent, result: SweepResult) -> None:
        """Close one; an unforeseen error (an adapter's, or ours) fails this position alone."""
        prepared: list[Prepared] = []
        try:
            await self._attempt(exit_, prepared, result)
        except Exception as error:
            log.exception("exit failed", position=exit_.position.id, symbol=exit_.position.symbol)
            self._failed(exit_, error, prepared, result)
        finally:
            self._overtaken.take_back(exit_.position.id, result.failed, result.waiting)
            self._ending.discard(exit_.position.id)

    def _failed(
        self, exit_: ExitIntent, error: Exception, prepared: Sequence[Prepared], result: SweepResult
    ) -> None:
        """Latch the position for a while; if its exit may be at the venue, until it is settled."""
        position_id, reason = exit_.position.id, describe_error(error)
        result.failed[str(position_id)] = reason
        pause = self._overtaken.refused(position_id, reason, rejected=False)
        if prepared:
            self._doubtful(exit_)
        else:
            self.timers.hold_until(position_id, self._clock.now() + pause)

    async def _attempt(
        self, exit_: ExitIntent, prepared: list[Prepared], result: SweepResult
    ) -> None:
        position_id = exit_.position.id
        key = str(position_id)
        try:
            try:
                await self._sales.place(exit_, prepared)
            except OrderDeniedError as denied:
                if denied.rule != DenialRule.BELOW_VENUE_MINIMUM:
                    raise
                await self._write_offs.write_off(exit_)
        except OrderDeniedError as denied:
            await self._denied(exit_, denied, result)
        except VenueError as error:
            self._refused(exit_, error, prepared, result)
        except AccountTakenError as error:  # it stays latched: the exit is the other daemon's
            result.failed[key] = str(error)
            log.critical("exit not sent", position=key)
        except (DatabaseUnavailableError, TimeoutError) as error:
            result.failed[key] = describe_error(error)
            if prepared:  # latched until reconciliation has settled what became of it
                self._doubtful(exit_)
                log.critical("exit answer not stored", position=key)
            else:
                self._tracked.release(position_id)
                log.critical("exit not stored", position=key)
        else:
            self._backoff.forget(position_id)
            result.closed += 1

    async def _denied(
        self, exit_: ExitIntent, denied: OrderDeniedError, result: SweepResult
    ) -> None:
        """Handle a denial: an exit is under way, or the position has changed.

        The next check judges it as it is then.
        """
        position_id = exit_.position.id
        result.waiting[str(position_id)] = denied.rule
        if denied.rule is DenialRule.POSITION_CLOSED:
            self._listeners.forget(position_id)
        elif denied.rule == DenialRule.LADDER_STEP_TOO_SMALL:
            await self._ladder_steps.skip(exit_.position)
        elif denied.rule == DenialRule.BELOW_VENUE_MINIMUM:  # and no dust
            words = f"{denied.rule}: {denied.detail}"
            pause = self._overtaken.refused(position_id, words, rejected=False)
            self.timers.hold_until(position_id, self._clock.now() + pause)
        elif denied.rule in {
            DenialRule.POSITION_CHANGED,
            DenialRule.EXIT_GROUP_CHANGED,
            DenialRule.EXIT_RETIRING,
        }:
            self._tracked.release(position_id)
        else:
            self._doubtful(exit_)

    def _doubtful(self, exit_: ExitIntent) -> None:
        """Leave the position latched; after an exit at the target ticks still meet its stops.

        How much a stop may sell beside an order in doubt is for the exit groups to know, as in the
        sweep.
        """
        if exit_.reason is CloseReason.TAKE_PROFIT:
            self._tracked.release_stops(exit_.position.id)

    def _refused(
        self, exit_: ExitIntent, error: VenueError, sent: Sequence[Prepared], result: SweepResult
    ) -> None:
        """Handle a refusal without a storm of orders: the next try comes after a pause.

        An exit of unknown outcome stays latched where a second one might sell what is not there, or
        a step's share twice; the sweep still sees the stop.
        """
        position_id, reason = exit_.position.id, describe_error(error)
        result.failed[str(position_id)] = reason
        rejected = isinstance(error, OrderRejectedError)
        pause = self._overtaken.refused(position_id, reason, rejected=rejected)
        unknown = isinstance(error, OutcomeUnknownError)
        repeats = any(prepared.order.intent.ladder_step is not None for prepared in sent)
        if unknown and (repeats or exit_.position.position_type is not PositionType.FUTURES):
            self._doubtful(exit_)
            return
        self.timers.hold_until(position_id, self._clock.now() + pause)

    def is_open(self, position: Position) -> bool:
        symbol = self._symbols.get(position.symbol)
        if symbol is None:
            return False
        return self._calendars[symbol.calendar].is_open(self._clock.now())

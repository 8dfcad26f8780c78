"""One trading cycle of one bot: lease, limits, candles, signal, size, order, state.

The reason for doing nothing is recorded as carefully as an order.
"""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

import structlog

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.bot_status import CONFIGURATION_CHANGED, error
from tradebotd.domain.candle import Candle
from tradebotd.domain.errors import (
    StrategyError,
    TradebotError,
)
from tradebotd.domain.ids import BotName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.position import Position
from tradebotd.domain.side import PositionSide
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.calendars import Calendar
from tradebotd.market.candles import CandleReader
from tradebotd.storage import bots, decisions, positions
from tradebotd.storage.bots import CycleEnd, LeasedState
from tradebotd.storage.postgres.database import Database
from tradebotd.strategies.base import AnyStrategy, needs_levels
from tradebotd.strategies.evaluation import evaluate, storable_error
from tradebotd.trading.account.daily_limits import reached_limit
from tradebotd.trading.account.trading_day import local_day
from tradebotd.trading.bots.decision_executor import CycleOutcome, DecidedCycle, DecisionExecutor
from tradebotd.trading.bots.next_action import (
    CancelResting,
    Candles,
    CycleContext,
    Enter,
    Evaluate,
    Evaluated,
    Exit,
    ReadCandles,
    Record,
    Wait,
    Withdrawn,
    next_action,
)
from tradebotd.trading.bots.session_levels import SessionLevels
from tradebotd.trading.entries.atr import candles_needed, candles_wanted
from tradebotd.trading.entries.entries import Entries
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.entries.resting_entries import RestingEntries
from tradebotd.trading.exits.manager import ExitManager

log = structlog.get_logger(__name__)

STALE_AFTER_PERIODS: Final = 2
MOST_STEPS: Final = 5  # candles, signal, an entry cancelled, the end


class CycleResult(NamedTuple):
    """Result of a cycle. `acted`: an order was made. `skipped`: another cycle of the bot runs."""

    status: str
    acted: bool = False
    skipped: bool = False
    error: str | None = None


class BotCycle:
    """Cycles of the bots.

    *specs* and *strategies* (by bot name) are shared with the configuration reload.
    """

    def __init__(
        self,
        *,
        database: Database,
        specs: Mapping[BotName, BotSpec],
        strategies: Mapping[BotName, AnyStrategy],
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
        candles: CandleReader,
        exits: ExitManager,
        entries: Entries,
        resting_entries: RestingEntries,
        gate: EntryGate,
        token: int,
    ) -> None:
        self._database = database
        self._specs = specs
        self._strategies = strategies
        self._symbols = symbols
        self._calendars = calendars
        self._candles = candles
        self._exits = exits
        self._resting_entries = resting_entries
        self._entries = entries
        self._executor = DecisionExecutor(exits=exits, entries=entries, gate=gate)
        self._token = token
        self._levels = SessionLevels(database, calendars)
        self._decided: dict[BotName, datetime | None] = {}
        self._months: set[tuple[int, int]] = set()
        self._running: set[BotName] = set()

    async def run(self, name: BotName, now: datetime) -> CycleResult:
        """Run one cycle. Raises DatabaseUnavailableError; all else ends in the bot's state."""
        spec = self._specs.get(name)  # a reload may have taken it out a moment ago
        if spec is None or name in self._running:
            return CycleResult(status="skipped", skipped=True)
        self._running.add(name)
        try:
            return await self._run(spec, now)
        finally:
            self._running.discard(name)

    async def _run(self, spec: BotSpec, now: datetime) -> CycleResult:
        name = spec.name
        if name not in self._decided:
            await self._recall(name)
        async with self._database.connection() as connection:
            state = await bots.take_lease(connection, name, self._token)
        if state is None:
            return CycleResult(status="skipped", skipped=True)
        outcome = CycleOutcome(status=state.status, paused_by=state.paused_by)
        try:
            with structlog.contextvars.bound_contextvars(bot=name):
                outcome = await self._run_steps(spec, state, now)
            if outcome.decided is not None:
                self._decided[name] = outcome.decided
        except TradebotError as failure:
            outcome = replace(outcome, status=error("cycle"), error=str(failure))
            raise
        except Exception as failure:  # noqa: BLE001 - our mistake in one bot: the others go on
            trace = traceback.format_exc()  # not by exc_info: renderers read source files
            log.error("bot cycle failed", bot=name, traceback=trace)  # noqa: TRY400
            outcome = replace(outcome, status=error("cycle"), error=storable_error(failure))
        finally:
            await self._release(name, state, outcome, now)
        if outcome.decision is not None or outcome.acted:
            log.debug("bot cycle complete", bot=name, status=str(outcome.status))
        return CycleResult(status=str(outcome.status), acted=outcome.acted, error=outcome.error)

    async def _recall(self, name: BotName) -> None:
        async with self._database.connection() as connection:
            self._decided[name] = await decisions.select_latest(connection, name)

    async def _release(
        self, name: BotName, state: LeasedState, outcome: CycleOutcome, now: datetime
    ) -> None:
        decision = outcome.decision
        end = CycleEnd(
            status=outcome.status,
            paused_by=outcome.paused_by,
            was_paused_by=state.paused_by,
            at=now,
            error=outcome.error,
        )
        async with self._database.connection() as connection:
            await bots.release_lease(connection, name, self._token, end, decision)
        if decision is not None and not outcome.again:
            self._decided[name] = decision.candle_ts
        if end.paused_by == "limit" != state.paused_by:
            log.warning("bot paused", bot=name, status=str(end.status))
        elif state.paused_by == "limit" and end.paused_by is None:
            log.warning("bot resumed", bot=name, because="a new day of its limits")

    async def _run_steps(self, spec: BotSpec, state: LeasedState, now: datetime) -> CycleOutcome:
        """Perform one action after another until the cycle ends: see `next_action`."""
        symbol, strategy = self._symbols[spec.symbol], self._strategies.get(spec.name)
        if strategy is None:  # a reload has taken the bot out since
            return CycleOutcome(status=CONFIGURATION_CHANGED, paused_by=state.paused_by)
        currencies = self._entries.account.currencies
        context = CycleContext(
            spec=spec,
            strategy=strategy,
            state=state,
            limit=reached_limit(spec, state, local_day(now, spec.day_zone), currencies),
            is_open=self._calendars[symbol.calendar].is_open(now),
            decided=self._decided[spec.name],
        )
        for _ in range(MOST_STEPS):
            try:
                following = await self._perform(context, symbol, now)
            except StrategyError as failure:
                log.error("strategy failed", error=str(failure))  # noqa: TRY400
                following = CycleOutcome(status=error("strategy"), error=str(failure))
            if isinstance(following, CycleOutcome):
                status = context.status_of(following.status)
                return replace(following, status=status, paused_by=context.paused_by)
            context = following
        raise AssertionError("a cycle has no more steps")

    async def _perform(
        self, context: CycleContext, symbol: MarketSymbol, now: datetime
    ) -> CycleContext | CycleOutcome:
        """Perform the next action of the cycle. Raises StrategyError."""
        following: CycleContext | CycleOutcome
        match next_action(context):
            case Wait(status):
                following = CycleOutcome(status=status)
            case ReadCandles():
                following = replace(context, candles=await self._read(context, symbol, now))
            case Evaluate():
                following = replace(context, evaluated=await self._evaluate(context, symbol))
            case CancelResting(unless):
                withdrawn = await self._withdraw(context, unless)
                following = replace(self._refresh_current(context), withdrawn=withdrawn)
            case Enter(decision):
                following = await self._executor.enter(_decided(context, symbol, now), decision)
            case Exit(decision, position):
                cycle = _decided(context, symbol, now)
                following = await self._executor.exit(cycle, decision, position)
            case Record(decision):
                following = self._executor.note(_decided(context, symbol, now), decision)
        return following

    async def _read(self, context: CycleContext, symbol: MarketSymbol, now: datetime) -> Candles:
        spec, strategy = context.spec, context.strategy
        count = max(strategy.lookback, candles_wanted(spec))
        rows = await self._candles.closed(symbol, spec.timeframe, count, now)
        enough = len(rows) >= max(strategy.lookback, candles_needed(spec))
        calendar = self._calendars[symbol.calendar]
        stale = enough and _is_stale(rows[-1], spec.timeframe, calendar, now)
        return Candles(rows, enough=enough, stale=stale)

    async def _evaluate(self, context: CycleContext, symbol: MarketSymbol) -> Evaluated:
        spec, rows = context.spec, _rows(context)
        strategy, newest = context.strategy, rows[-1]
        await self._ensure_month(newest.ts)
        levels = await self._levels.of(symbol, newest.ts) if needs_levels(strategy) else None
        signal = evaluate(strategy, rows[-strategy.lookback :], levels)
        position = await self._held(context.state)
        return Evaluated(signal, position, is_current=self._is_current(spec))

    def _is_current(self, spec: BotSpec) -> bool:
        """Return whether no reload has changed the bot's configuration since the cycle began."""
        return self._specs.get(spec.name) == spec

    def _refresh_current(self, context: CycleContext) -> CycleContext:
        if context.evaluated is None:
            raise AssertionError("an entry is taken back on a signal")
        evaluated = replace(context.evaluated, is_current=self._is_current(context.spec))
        return replace(context, evaluated=evaluated)

    async def _withdraw(self, context: CycleContext, unless: PositionSide | None) -> Withdrawn:
        """Cancel the resting entry; what it has filled by then is held, and is decided on."""
        name, symbol = context.spec.name, context.spec.symbol
        result = await self._resting_entries.withdraw(name, "the signal turned", unless=unless)
        if result.failed:
            return Withdrawn(failed=True, rests=True, position=None)
        async with self._database.connection() as connection:
            held = await positions.select_open_id(connection, name, symbol)
            position = None if held is None else await positions.select_one(connection, held)
        rests = bool(result.resting) and not result.cancelled
        return Withdrawn(failed=False, rests=rests, position=position)

    async def _held(self, state: LeasedState) -> Position | None:
        """Return the position that is open in the table, from memory where it is known there."""
        if state.position_id is None:
            return None
        tracked = self._exits.held.get(state.position_id)
        if tracked is not None:
            return tracked
        async with self._database.connection() as connection:
            return await positions.select_one(connection, state.position_id)

    async def _ensure_month(self, candle_ts: datetime) -> None:
        """Create the partition for a decision on this candle, before an order depends on it."""
        month = (candle_ts.year, candle_ts.month)
        if month in self._months:
            return
        async with self._database.connection() as connection:
            await decisions.ensure_month(connection, candle_ts)
        self._months.add(month)


def _rows(context: CycleContext) -> Sequence[Candle]:
    if context.candles is None:
        raise AssertionError("the candles have been read")
    return context.candles.rows


def _decided(context: CycleContext, symbol: MarketSymbol, now: datetime) -> DecidedCycle:
    if context.evaluated is None:
        raise AssertionError("a strategy was asked")
    signal = context.evaluated.signal
    return DecidedCycle(
        spec=context.spec, symbol=symbol, signal=signal, candles=_rows(context), now=now
    )


def _is_stale(newest: Candle, timeframe: Timeframe, calendar: Calendar, now: datetime) -> bool:
    """Return whether a signal is too old: the next candle has been due for a period or more.

    The candles after a daily one belong to the next sessions, possibly after a weekend.
    """
    if timeframe is Timeframe.D1:
        last = calendar.last_completed(now)
        if last is None or last.date <= newest.ts.date():
            return False
        return calendar.next_session_after(newest.ts.date()).date < last.date
    return now - newest.ts > (1 + STALE_AFTER_PERIODS) * timeframe.duration

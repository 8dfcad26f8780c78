"""One trading cycle of one bot: lease, limits, candles, signal, size, order, state.

The reason for doing nothing is recorded as carefully as an order.
"""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.candle import Candle
from tradebotd.domain.errors import (
    StrategyError,
    TradebotError,
)
from tradebotd.domain.ids import BotName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.position import Position
from tradebotd.domain.signal import Signal, SignalKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.calendars import Calendar
from tradebotd.market.candles import CandleReader
from tradebotd.storage import bots, decisions, positions
from tradebotd.storage.bots import CycleEnd, LeasedState, PausedBy
from tradebotd.storage.postgres.database import Database
from tradebotd.strategies.base import AnyStrategy, needs_levels
from tradebotd.strategies.evaluation import evaluate, in_words
from tradebotd.trading.account.daily_limits import reached_limit
from tradebotd.trading.account.trading_day import local_day
from tradebotd.trading.bots.decision import (
    ENTRY_RESTING,
    Decision,
    decide,
    rests_already,
    wanted_side,
)
from tradebotd.trading.bots.decision_executor import CycleOutcome, DecisionExecutor
from tradebotd.trading.bots.session_levels import SessionLevels
from tradebotd.trading.entries.atr import candles_needed, candles_wanted
from tradebotd.trading.entries.entries import Entries
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.entries.resting_entries import RestingEntries
from tradebotd.trading.exits.manager import ExitManager

log = structlog.get_logger(__name__)

STALE_AFTER_PERIODS: Final = 2
ORDER_PENDING: Final = "waiting (order pending)"
RELOADED: Final = "waiting (configuration changed)"


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleResult:
    """`acted`: an order was made. `skipped`: another cycle of the bot is under way."""

    status: str
    acted: bool = False
    skipped: bool = False
    error: str | None = None


class BotCycle:
    """*specs* and *strategies* by bot name are shared with whoever reloads the configuration."""

    def __init__(
        self,
        *,
        database: Database,
        specs: Mapping[BotName, BotSpec],
        strategies: Mapping[BotName, AnyStrategy],
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
        candles: CandleReader,
        protection: ExitManager,
        entries: Entries,
        entry_orders: RestingEntries,
        gate: EntryGate,
        token: int,
    ) -> None:
        self._database = database
        self._specs = specs
        self._strategies = strategies
        self._symbols = symbols
        self._calendars = calendars
        self._candles = candles
        self._protection = protection
        self._entry_orders = entry_orders
        self._entries = entries
        self._actor = DecisionExecutor(protection=protection, entries=entries, gate=gate)
        self._token = token
        self._levels = SessionLevels(database, calendars)
        self._decided: dict[BotName, datetime | None] = {}
        self._months: set[tuple[int, int]] = set()
        self._running: set[BotName] = set()

    async def run(self, name: BotName, now: datetime) -> CycleResult:
        """Raises DatabaseUnavailableError; everything else ends in the bot's state."""
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
        verdict = CycleOutcome(status=state.status, paused_by=state.paused_by)
        try:
            with structlog.contextvars.bound_contextvars(bot=name):
                verdict = await self._judge(spec, state, now)
            if verdict.decided is not None:
                self._decided[name] = verdict.decided
        except TradebotError as error:
            verdict = replace(verdict, status="error (cycle)", error=str(error))
            raise
        except Exception as error:  # noqa: BLE001 - our mistake in one bot: the others go on
            trace = traceback.format_exc()  # not by exc_info: renderers read source files
            log.error("bot cycle failed", bot=name, traceback=trace)  # noqa: TRY400
            verdict = replace(verdict, status="error (cycle)", error=in_words(error))
        finally:
            await self._release(name, state, verdict, now)
        if verdict.decision is not None or verdict.acted:
            log.debug("bot cycle complete", bot=name, status=verdict.status)
        return CycleResult(status=verdict.status, acted=verdict.acted, error=verdict.error)

    async def _recall(self, name: BotName) -> None:
        async with self._database.connection() as connection:
            self._decided[name] = await decisions.select_latest(connection, name)

    async def _release(
        self, name: BotName, state: LeasedState, verdict: CycleOutcome, now: datetime
    ) -> None:
        decision = verdict.decision
        end = CycleEnd(
            status=verdict.status,
            paused_by=verdict.paused_by,
            was_paused_by=state.paused_by,
            at=now,
            error=verdict.error,
        )
        async with self._database.connection() as connection:
            await bots.release_lease(connection, name, self._token, end, decision)
        if decision is not None and not verdict.again:
            self._decided[name] = decision.candle_ts
        if end.paused_by == "limit" != state.paused_by:
            log.warning("bot paused", bot=name, status=end.status)
        elif state.paused_by == "limit" and end.paused_by is None:
            log.warning("bot goes on", bot=name, because="a new day of its limits")

    async def _judge(self, spec: BotSpec, state: LeasedState, now: datetime) -> CycleOutcome:
        if not spec.active:
            return CycleOutcome(status="stopped", paused_by=state.paused_by)
        if state.paused_by == "user" and state.position_id is None:
            return CycleOutcome(status="paused (by user)", paused_by="user")
        today, currencies = local_day(now, spec.day_zone), self._entries.account.currencies
        limit = reached_limit(spec, state, today, currencies)
        paused_by: PausedBy | None = state.paused_by if state.paused_by == "user" else None
        if limit is not None and paused_by is None:
            paused_by = "limit"
            if state.position_id is None:
                return CycleOutcome(status=f"paused ({limit})", paused_by="limit")
        verdict = await self._trade(spec, state, paused_by, now)
        if paused_by is not None and not verdict.status.startswith("waiting (market closed"):
            word = "by user" if paused_by == "user" else str(limit)
            return replace(verdict, status=f"paused ({word})", paused_by=paused_by)
        return replace(verdict, paused_by=paused_by)

    async def _trade(
        self, spec: BotSpec, state: LeasedState, paused_by: PausedBy | None, now: datetime
    ) -> CycleOutcome:
        symbol = self._symbols[spec.symbol]
        if state.position_symbol not in (None, spec.symbol):
            # It traded something else when it entered: that position has its exits, and no signals.
            return CycleOutcome(status=f"waiting (position of {state.position_symbol} open)")
        if not self._calendars[symbol.calendar].is_open(now):
            return CycleOutcome(status="waiting (market closed)")
        return await self._look(spec, symbol, state, paused_by, now)

    async def _look(
        self,
        spec: BotSpec,
        symbol: MarketSymbol,
        state: LeasedState,
        paused_by: PausedBy | None,
        now: datetime,
    ) -> CycleOutcome:
        strategy = self._strategies[spec.name]
        count = max(strategy.lookback, candles_wanted(spec))
        candles = await self._candles.closed(symbol, spec.timeframe, count, now)
        if len(candles) < max(strategy.lookback, candles_needed(spec)):
            return CycleOutcome(status="waiting (warming up)")
        newest = candles[-1]
        if _is_stale(newest, spec.timeframe, self._calendars[symbol.calendar], now):
            return CycleOutcome(status="waiting (no fresh candle)")
        decided = self._decided[spec.name]
        if decided is not None and newest.ts <= decided:
            return CycleOutcome(status=_standing(state))
        await self._ensure_month(newest.ts)
        try:
            levels = await self._levels.of(symbol, newest.ts) if needs_levels(strategy) else None
            signal = evaluate(strategy, candles[-strategy.lookback :], levels)
        except StrategyError as error:
            log.error("strategy failed", error=str(error))  # noqa: TRY400
            return CycleOutcome(status="error (strategy)", error=str(error))
        return await self._decide(spec, symbol, state, paused_by, signal, candles, now)

    async def _decide(
        self,
        spec: BotSpec,
        symbol: MarketSymbol,
        state: LeasedState,
        paused_by: PausedBy | None,
        signal: Signal,
        candles: Sequence[Candle],
        now: datetime,
    ) -> CycleOutcome:
        position = await self._held(state)
        decision = decide(spec, signal, None if position is None else position.side)
        if state.entry_resting and signal.kind is not SignalKind.NONE:
            found = await self._among_resting(spec, signal)
            if found is None:
                return CycleOutcome(status=ORDER_PENDING)
            position, decision = found
        if paused_by is not None and decision.action == "enter":
            decision = replace(decision, action="nothing", reason=f"paused; {decision.reason}")
        if state.order_pending and decision.action != "nothing":
            return CycleOutcome(status=ORDER_PENDING)
        if decision.action == "enter" and self._specs.get(spec.name) != spec:
            return CycleOutcome(status=RELOADED)  # what it is by now decides in the next cycle
        return await self._actor.act(spec, symbol, position, signal, decision, candles, now)

    async def _among_resting(
        self, spec: BotSpec, signal: Signal
    ) -> tuple[Position | None, Decision] | None:
        """What *signal* means where an entry rests: one against it takes it back first.

        None: that could not be done yet. What had filled by then is held, and decided about.
        """
        wanted = wanted_side(signal)
        taken = await self._entry_orders.withdraw(spec.name, "the signal turned", unless=wanted)
        if taken.failed:
            return None
        async with self._database.connection() as connection:
            held = await positions.select_open_id(connection, spec.name, spec.symbol)
            position = None if held is None else await positions.select_one(connection, held)
        if taken.resting and not taken.cancelled:
            return position, rests_already(signal)
        decision = decide(spec, signal, None if position is None else position.side)
        return position, replace(decision, reason=f"its entry was taken back; {decision.reason}")

    async def _held(self, state: LeasedState) -> Position | None:
        """What the table says is open, from memory where it is known there."""
        if state.position_id is None:
            return None
        known = self._protection.held.get(state.position_id)
        if known is not None:
            return known
        async with self._database.connection() as connection:
            return await positions.select_one(connection, state.position_id)

    async def _ensure_month(self, candle_ts: datetime) -> None:
        """The partition that a decision on this candle will need, before an order hangs on it."""
        month = (candle_ts.year, candle_ts.month)
        if month in self._months:
            return
        async with self._database.connection() as connection:
            await decisions.ensure_month(connection, candle_ts)
        self._months.add(month)


def _standing(state: LeasedState) -> str:
    """The status of a candle decided before: without what kept an earlier cycle from looking."""
    if state.entry_resting and state.position_id is None:
        return ENTRY_RESTING
    over = (
        *("paused", "pending", "stopped", "orphaned", "waiting (market", "waiting (no fresh"),
        *(ENTRY_RESTING, "waiting (position of", ORDER_PENDING),
    )
    if not state.status.startswith(over):
        return state.status
    return "waiting (no signal)" if state.position_id is None else "running"


def _is_stale(newest: Candle, timeframe: Timeframe, calendar: Calendar, now: datetime) -> bool:
    """A signal of long ago is none: the next candle has been due for a period or more.

    A daily candle's next ones are of the next sessions, which weekends may lie before.
    """
    if timeframe is Timeframe.D1:
        last = calendar.last_completed(now)
        if last is None or last.date <= newest.ts.date():
            return False
        return calendar.next_session_after(newest.ts.date()).date < last.date
    return now - newest.ts > (1 + STALE_AFTER_PERIODS) * timeframe.duration

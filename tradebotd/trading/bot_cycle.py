"""One trading cycle of one bot: lease, limits, candles, signal, size, order, state.

The reason for doing nothing is recorded as carefully as an order.
"""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import structlog

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.candle import Candle
from tradebotd.domain.errors import (
    FeedError,
    OrderDeniedError,
    StrategyError,
    TradebotError,
    VenueError,
)
from tradebotd.domain.ids import BotName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.position import CloseReason, Position
from tradebotd.domain.signal import Signal, SignalKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.calendars import Calendar
from tradebotd.market.candles import CandleReader
from tradebotd.storage import bots, decisions, positions
from tradebotd.storage.bots import CycleEnd, DecisionRecord, LeasedState, PausedBy
from tradebotd.storage.database import Database
from tradebotd.strategies.base import Strategy
from tradebotd.trading.days import local_day
from tradebotd.trading.decide import Decision, decide, reached_limit
from tradebotd.trading.entries import Entries
from tradebotd.trading.entry_gate import EntryGate
from tradebotd.trading.protection import Protection

log = structlog.get_logger(__name__)

STALE_AFTER_PERIODS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleResult:
    """`acted`: an order was made. `skipped`: another cycle of the bot is under way."""

    status: str
    acted: bool = False
    skipped: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """How a cycle ends: the bot's status, and the decision to record with it (if it is new)."""

    status: str
    decision: DecisionRecord | None = None
    acted: bool = False
    error: str | None = None
    paused_by: PausedBy | None = None


class BotCycle:
    """*specs* and *strategies* by bot name are shared with whoever reloads the configuration."""

    def __init__(
        self,
        *,
        database: Database,
        specs: Mapping[BotName, BotSpec],
        strategies: Mapping[BotName, Strategy],
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
        candles: CandleReader,
        protection: Protection,
        entries: Entries,
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
        self._entries = entries
        self._gate = gate
        self._token = token
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
        verdict = _Verdict(status=state.status, paused_by=state.paused_by)
        try:
            with structlog.contextvars.bound_contextvars(bot=name):
                verdict = await self._judge(spec, state, now)
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
        self, name: BotName, state: LeasedState, verdict: _Verdict, now: datetime
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
        if decision is not None:
            self._decided[name] = decision.candle_ts

    async def _judge(self, spec: BotSpec, state: LeasedState, now: datetime) -> _Verdict:
        if not spec.active:
            return _Verdict(status="stopped", paused_by=state.paused_by)
        if state.paused_by == "user" and state.position_id is None:
            return _Verdict(status="paused (by user)", paused_by="user")
        limit = reached_limit(spec, state, local_day(now, spec.day_zone))
        paused_by: PausedBy | None = state.paused_by if state.paused_by == "user" else None
        if limit is not None and paused_by is None:
            paused_by = "limit"
            if state.position_id is None:
                return _Verdict(status=f"paused ({limit})", paused_by="limit")
        symbol = self._symbols[spec.symbol]
        if not self._calendars[symbol.calendar].is_open(now):
            return _Verdict(status="waiting (market closed)", paused_by=paused_by)
        verdict = await self._look(spec, symbol, state, paused_by, now)
        if paused_by is not None:
            word = "by user" if paused_by == "user" else str(limit)
            return replace(verdict, status=f"paused ({word})", paused_by=paused_by)
        return verdict

    async def _look(
        self,
        spec: BotSpec,
        symbol: MarketSymbol,
        state: LeasedState,
        paused_by: PausedBy | None,
        now: datetime,
    ) -> _Verdict:
        strategy = self._strategies[spec.name]
        candles = await self._candles.closed(symbol, spec.timeframe, strategy.lookback, now)
        if len(candles) < strategy.lookback:
            return _Verdict(status="waiting (warming up)")
        newest = candles[-1]
        if _is_stale(newest, spec.timeframe, now):
            return _Verdict(status="waiting (no fresh candle)")
        decided = self._decided[spec.name]
        if decided is not None and newest.ts <= decided:
            return _Verdict(status=_standing(state))
        await self._ensure_month(newest.ts)
        try:
            signal = ask(strategy, candles)
        except StrategyError as error:
            log.error("strategy failed", error=str(error))  # noqa: TRY400
            return _Verdict(status="error (strategy)", error=str(error))
        position = await self._held(state)
        decision = decide(spec, signal, None if position is None else position.side)
        if paused_by is not None and decision.action == "enter":
            decision = replace(decision, action="nothing", reason=f"paused; {decision.reason}")
        if state.order_pending and decision.action != "nothing":
            return _Verdict(status="waiting (order pending)")
        return await self._act(spec, symbol, position, signal, decision, newest, now)

    async def _act(
        self,
        spec: BotSpec,
        symbol: MarketSymbol,
        position: Position | None,
        signal: Signal,
        decision: Decision,
        newest: Candle,
        now: datetime,
    ) -> _Verdict:
        record = DecisionRecord(
            bot=spec.name,
            candle_ts=newest.ts,
            intent="none",
            signal=signal.kind,
            reason=decision.reason,
            path=signal.path,
            indicators=signal.indicators,
            execution_meta={"close": newest.close, "status": decision.status},
            decided_at=now,
        )
        if decision.action == "enter":
            return await self._enter(spec, symbol, decision, record, now)
        if decision.action == "exit" and position is not None:
            return await self._exit(position, decision, replace(record, intent="exit"))
        return _Verdict(status=decision.status, decision=record)

    async def _enter(
        self,
        spec: BotSpec,
        symbol: MarketSymbol,
        decision: Decision,
        record: DecisionRecord,
        now: datetime,
    ) -> _Verdict:
        closed = self._gate.closed_because()
        if closed is not None:
            meta = {**record.execution_meta, "denied": closed}
            denied = replace(record, reason=f"denied ({closed})", execution_meta=meta)
            return _Verdict(status=f"waiting ({closed})", decision=denied)
        if decision.side is None:
            raise AssertionError("an entry has a side")
        wish = replace(record, intent="entry")
        try:
            await self._entries.enter(spec, symbol, decision.side, wish, now)
        except OrderDeniedError as error:
            meta = {**record.execution_meta, "rule": error.rule, "detail": error.detail}
            denied = replace(record, reason=f"denied ({error.rule})", execution_meta=meta)
            if error.rule == "decided_already":
                return _Verdict(status="waiting (no signal)")
            return _Verdict(status=f"waiting ({error.rule})", decision=denied)
        except FeedError as error:
            return _Verdict(status="error (price fetch)", decision=record, error=str(error))
        except VenueError as error:
            self._decided[spec.name] = record.candle_ts
            return _Verdict(status="error (order)", error=str(error))
        self._decided[spec.name] = record.candle_ts
        return _Verdict(status="running", acted=True)

    async def _held(self, state: LeasedState) -> Position | None:
        """What the table says is open, from memory where it is known there."""
        if state.position_id is None:
            return None
        known = self._protection.held.get(state.position_id)
        if known is not None:
            return known
        async with self._database.connection() as connection:
            return await positions.select_one(connection, state.position_id)

    async def _exit(
        self, position: Position, decision: Decision, record: DecisionRecord
    ) -> _Verdict:
        try:
            order_id = await self._protection.close_by_hand(position, CloseReason.SIGNAL)
        except OrderDeniedError as error:
            return _Verdict(status=f"waiting ({error.rule})")
        except VenueError as error:
            return _Verdict(status="error (order)", error=str(error))
        record = replace(record, order_id=order_id)
        return _Verdict(status=decision.status, decision=record, acted=True)

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
    over = ("paused", "pending", "stopped", "orphaned", "waiting (market", "waiting (no fresh")
    if not state.status.startswith(over):
        return state.status
    return "waiting (no signal)" if state.position_id is None else "running"


def ask(strategy: Strategy, candles: Sequence[Candle]) -> Signal:
    """A strategy is somebody else's code: whatever it does wrong is a StrategyError."""
    try:
        said: Any = strategy.decide(candles)
    except Exception as error:  # user code at an edge of its own: one bot's failure
        raise StrategyError(in_words(error)) from error
    if not isinstance(said, Signal):
        raise StrategyError(f"returned a {type(said).__name__} instead of a Signal")
    if not isinstance(said.kind, SignalKind):
        raise StrategyError("returned a Signal whose kind is no SignalKind")
    words: tuple[Any, ...] = (said.reason, said.path)
    if not all(isinstance(word, str) for word in words):
        raise StrategyError("returned a Signal whose reason or path is no text")
    return replace(said, reason=storable(said.reason), path=storable(said.path))


def in_words(error: BaseException) -> str:
    return storable(f"{type(error).__name__}: {error}")


def storable(text: str) -> str:
    """PostgreSQL has no NUL in text, and no half of a surrogate pair."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _is_stale(newest: Candle, timeframe: Timeframe, now: datetime) -> bool:
    """A signal of long ago is none: the next candle has been due for a period or more."""
    if timeframe is Timeframe.D1:
        return False  # sessions and weekends lie between; the decision is made once for each
    return now - newest.ts > (1 + STALE_AFTER_PERIODS) * timeframe.duration

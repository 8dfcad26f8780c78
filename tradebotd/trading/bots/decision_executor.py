"""Execution of a decision: an entry, an exit or nothing, and its record."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from tradebotd.domain.bot import BotSpec, EntryKind
from tradebotd.domain.bot_status import ENTRY_RESTING, NO_SIGNAL, RUNNING, BotStatus, error, waiting
from tradebotd.domain.candle import Candle
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import (
    EntryPostponedError,
    FeedError,
    OrderDeniedError,
    OrderRejectedError,
    VenueError,
    VenueUnavailableError,
)
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import FINAL
from tradebotd.domain.position import CloseReason, Position
from tradebotd.domain.self_trade import SELF_TRADE
from tradebotd.domain.signal import Signal
from tradebotd.storage.bots import DecisionRecord, PausedBy
from tradebotd.trading.bots.decision import Decision
from tradebotd.trading.entries.entries import Entries
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.execution.self_trades import is_self_trade
from tradebotd.trading.exits.manager import ExitManager


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleOutcome:
    """End of a cycle: the bot's status, and the decision to record with it (if it is new).

    `decided`: the candle of a decision that was already recorded with its order. `again`: the
    decision was not carried out, and is made anew in the next cycle.
    """

    status: BotStatus
    decision: DecisionRecord | None = None
    decided: datetime | None = None
    again: bool = False
    acted: bool = False
    error: str | None = None
    paused_by: PausedBy | None = None


class DecidedCycle(NamedTuple):
    """Facts that a decision is based on. *candles*: closed ones, oldest first."""

    spec: BotSpec
    symbol: MarketSymbol
    signal: Signal
    candles: Sequence[Candle]
    now: datetime


class DecisionExecutor:
    """Executor of decisions; every way an order may fail ends in a `CycleOutcome`.

    A temporary obstacle to an entry is no decision on the candle: the entry is tried again as long
    as the candle is the newest. An operator's halt and a limit are decisions.
    """

    def __init__(self, *, exits: ExitManager, entries: Entries, gate: EntryGate) -> None:
        self._exits = exits
        self._entries = entries
        self._gate = gate

    def record(self, cycle: DecidedCycle, decision: Decision) -> DecisionRecord:
        signal, newest = cycle.signal, cycle.candles[-1]
        return DecisionRecord(
            bot=cycle.spec.name,
            candle_ts=newest.ts,
            intent="none",
            signal=signal.kind,
            reason=decision.reason,
            path=signal.path,
            indicators=signal.indicators,
            execution_meta={"close": newest.close, "status": str(decision.status)},
            decided_at=cycle.now,
        )

    def note(self, cycle: DecidedCycle, decision: Decision) -> CycleOutcome:
        """Record a decision to do nothing."""
        return CycleOutcome(status=decision.status, decision=self.record(cycle, decision))

    async def enter(self, cycle: DecidedCycle, decision: Decision) -> CycleOutcome:
        record, venue = self.record(cycle, decision), cycle.symbol.instrument.venue
        closed = self._gate.closed_because(venue)
        if closed is not None and self._gate.is_closed_for_now():
            return CycleOutcome(status=waiting(closed))
        if closed is not None:
            meta = {**record.execution_meta, "denied": closed}
            denied = replace(record, reason=f"denied ({closed})", execution_meta=meta)
            return CycleOutcome(status=waiting(closed), decision=denied)
        if decision.side is None:
            raise AssertionError("an entry has a side")
        request = replace(record, intent="entry")
        try:
            report = await self._entries.enter(
                cycle.spec, cycle.symbol, decision.side, request, cycle.candles, cycle.now
            )
        except OrderDeniedError as denial:
            return _denied(record, denial)
        except FeedError as failure:
            return CycleOutcome(status=error("price fetch"), error=str(failure))
        except VenueError as failure:
            return self._not_entered(record, failure, venue)
        rests = cycle.spec.entry.kind is EntryKind.LIMIT and report.status not in FINAL
        status = ENTRY_RESTING if rests else RUNNING
        if report.status in FINAL and not report.filled_quantity and is_self_trade(report.reason):
            status = waiting(SELF_TRADE)
        return CycleOutcome(status=status, decided=record.candle_ts, acted=True)

    def _not_entered(
        self, record: DecisionRecord, failure: VenueError, venue: VenueName
    ) -> CycleOutcome:
        closed = self._gate.closed_because(venue)
        if closed is not None and isinstance(failure, VenueUnavailableError):
            # It was held back after its row had been written.
            return CycleOutcome(status=waiting(closed), decided=record.candle_ts)
        if isinstance(failure, OrderRejectedError) and is_self_trade(failure.reason):
            status = waiting(SELF_TRADE)
            return CycleOutcome(status=status, decided=record.candle_ts, error=str(failure))
        return CycleOutcome(status=error("order"), decided=record.candle_ts, error=str(failure))

    async def exit(
        self, cycle: DecidedCycle, decision: Decision, position: Position
    ) -> CycleOutcome:
        """Exit the position; the decision is stored with the order.

        A decision whose order came to nothing is made again: the position is still open, and the
        strategy wants it closed. Whatever becomes of it, and even if another exit closes the
        position meanwhile, nothing is entered on this candle any more.
        """
        record = replace(self.record(cycle, decision), intent="exit")
        try:
            order_id = await self._exits.close_now(position, CloseReason.SIGNAL, record)
        except OrderDeniedError as denial:
            status = waiting(denial.shown)
            if denial.rule is DenialRule.DECIDED_ALREADY:
                return CycleOutcome(status=status, decided=record.candle_ts)
            return CycleOutcome(status=status, decision=record, again=True)
        except VenueError as failure:
            return CycleOutcome(
                status=error("order"), decision=record, again=True, error=str(failure)
            )
        if order_id is None:  # closed as dust, without an order
            return CycleOutcome(status=decision.status, decision=record, acted=True)
        if self._exits.is_unfinished(position.id):  # above what one order may sell
            return CycleOutcome(status=decision.status, again=True, acted=True)
        return CycleOutcome(status=decision.status, decided=record.candle_ts, acted=True)


def _denied(record: DecisionRecord, denial: OrderDeniedError) -> CycleOutcome:
    if denial.rule is DenialRule.DECIDED_ALREADY:
        return CycleOutcome(status=NO_SIGNAL, decided=record.candle_ts)
    of_account = denial.rule in {DenialRule.MAX_DAILY_LOSS, DenialRule.MAX_DRAWDOWN}
    status = waiting(f"account {denial.shown}" if of_account else denial.shown)
    if isinstance(denial, EntryPostponedError):
        return CycleOutcome(status=status)
    meta = {**record.execution_meta, "rule": denial.shown, "detail": denial.detail}
    reason = f"denied ({denial.shown})"
    decision, failed = replace(record, reason=reason, execution_meta=meta), None
    if denial.rule is DenialRule.SETUP_REFUSED:  # it will not pass by itself
        status, failed = error("symbol set-up"), denial.detail
    return CycleOutcome(status=status, decision=decision, error=failed)

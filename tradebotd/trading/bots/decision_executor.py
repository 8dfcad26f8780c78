"""What follows from a decision: an entry, an exit or nothing, and the record of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tradebotd.domain.bot import BotSpec, EntryKind
from tradebotd.domain.candle import Candle
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import (
    EntryPostponedError,
    FeedError,
    OrderDeniedError,
    VenueError,
    VenueUnavailableError,
)
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import FINAL
from tradebotd.domain.position import CloseReason, Position
from tradebotd.domain.signal import Signal
from tradebotd.storage.bots import DecisionRecord, PausedBy
from tradebotd.trading.bots.decision import ENTRY_RESTING, Decision
from tradebotd.trading.entries.entries import Entries
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.exits.manager import ExitManager


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleOutcome:
    """How a cycle ends: the bot's status, and the decision to record with it (if it is new).

    `decided`: the candle of a decision that was recorded with its order already. `again`: what was
    decided has not come about, and is asked for anew in the next cycle.
    """

    status: str
    decision: DecisionRecord | None = None
    decided: datetime | None = None
    again: bool = False
    acted: bool = False
    error: str | None = None
    paused_by: PausedBy | None = None


class DecisionExecutor:
    """Every way an order may fail to come about ends in a verdict.

    What stands in the way of an entry only for now is no decision on the candle: it is asked about
    again as long as it is the newest. An operator's halt and a limit are one.
    """

    def __init__(self, *, protection: ExitManager, entries: Entries, gate: EntryGate) -> None:
        self._protection = protection
        self._entries = entries
        self._gate = gate

    async def act(
        self,
        spec: BotSpec,
        symbol: MarketSymbol,
        position: Position | None,
        signal: Signal,
        decision: Decision,
        candles: Sequence[Candle],
        now: datetime,
    ) -> CycleOutcome:
        record = DecisionRecord(
            bot=spec.name,
            candle_ts=candles[-1].ts,
            intent="none",
            signal=signal.kind,
            reason=decision.reason,
            path=signal.path,
            indicators=signal.indicators,
            execution_meta={"close": candles[-1].close, "status": decision.status},
            decided_at=now,
        )
        if decision.action == "enter":
            return await self._enter(spec, symbol, decision, record, candles, now)
        if decision.action == "exit" and position is not None:
            return await self._exit(position, decision, replace(record, intent="exit"))
        return CycleOutcome(status=decision.status, decision=record)

    async def _enter(
        self,
        spec: BotSpec,
        symbol: MarketSymbol,
        decision: Decision,
        record: DecisionRecord,
        candles: Sequence[Candle],
        now: datetime,
    ) -> CycleOutcome:
        venue = symbol.instrument.venue
        closed = self._gate.closed_because(venue)
        if closed is not None and self._gate.is_closed_for_now():
            return CycleOutcome(status=f"waiting ({closed})")
        if closed is not None:
            meta = {**record.execution_meta, "denied": closed}
            denied = replace(record, reason=f"denied ({closed})", execution_meta=meta)
            return CycleOutcome(status=f"waiting ({closed})", decision=denied)
        if decision.side is None:
            raise AssertionError("an entry has a side")
        wish = replace(record, intent="entry")
        try:
            report = await self._entries.enter(spec, symbol, decision.side, wish, candles, now)
        except OrderDeniedError as error:
            return _denied(record, error)
        except FeedError as error:
            return CycleOutcome(status="error (price fetch)", error=str(error))
        except VenueError as error:
            return self._not_entered(record, error, venue)
        rests = spec.entry.kind is EntryKind.LIMIT and report.status not in FINAL
        status = ENTRY_RESTING if rests else "running"
        return CycleOutcome(status=status, decided=record.candle_ts, acted=True)

    def _not_entered(
        self, record: DecisionRecord, error: VenueError, venue: VenueName
    ) -> CycleOutcome:
        closed = self._gate.closed_because(venue)
        if closed is not None and isinstance(error, VenueUnavailableError):
            # It was kept back after its row had been written.
            return CycleOutcome(status=f"waiting ({closed})", decided=record.candle_ts)
        return CycleOutcome(status="error (order)", decided=record.candle_ts, error=str(error))

    async def _exit(
        self, position: Position, decision: Decision, record: DecisionRecord
    ) -> CycleOutcome:
        """The decision is stored with the order. One whose order came to nothing is made again:

        the position is there still, and the strategy wants it closed. Whatever becomes of it, and
        whoever closes the position meanwhile: nothing is entered on this candle any more.
        """
        try:
            made = await self._protection.close_by_hand(position, CloseReason.SIGNAL, record)
        except OrderDeniedError as error:
            status = f"waiting ({error.shown})"
            if error.rule == DenialRule.DECIDED_ALREADY:
                return CycleOutcome(status=status, decided=record.candle_ts)
            return CycleOutcome(status=status, decision=record, again=True)
        except VenueError as error:
            return CycleOutcome(
                status="error (order)", decision=record, again=True, error=str(error)
            )
        if made is None:  # closed as dust, without an order
            return CycleOutcome(status=decision.status, decision=record, acted=True)
        return CycleOutcome(status=decision.status, decided=record.candle_ts, acted=True)


def _denied(record: DecisionRecord, error: OrderDeniedError) -> CycleOutcome:
    if error.rule == DenialRule.DECIDED_ALREADY:
        return CycleOutcome(status="waiting (no signal)", decided=record.candle_ts)
    whose = "account " if error.rule in {DenialRule.MAX_DAILY_LOSS, DenialRule.MAX_DRAWDOWN} else ""
    if isinstance(error, EntryPostponedError):
        return CycleOutcome(status=f"waiting ({whose}{error.shown})")
    meta = {**record.execution_meta, "rule": error.shown, "detail": error.detail}
    denied = replace(record, reason=f"denied ({error.shown})", execution_meta=meta)
    return CycleOutcome(status=f"waiting ({whose}{error.shown})", decision=denied)

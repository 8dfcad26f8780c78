"""Choice of a cycle's next action, from the facts known so far. Pure.

A cycle gathers facts, asks, performs the action, and asks again with its result:

1. Conditions that end a cycle before any candle is read: not active, paused without a position, a
   position in another symbol, a closed market.
2. The candles: too few, too old, decided on already.
3. The signal, and the decision that follows from it and the position (`decision`).
4. A resting entry: one to the other side is cancelled first.
5. Obstacles to carrying the decision out: a pause, an order whose outcome is awaited, a
   configuration that has changed meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.bot_status import (
    CONFIGURATION_CHANGED,
    ENTRY_RESTING,
    MARKET_CLOSED,
    NO_FRESH_CANDLE,
    NO_SIGNAL,
    ORDER_PENDING,
    PAUSED_BY_USER,
    RUNNING,
    STOPPED,
    WARMING_UP,
    BotStatus,
    BotStatusKind,
    paused,
    waiting,
)
from tradebotd.domain.candle import Candle
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.position import Position
from tradebotd.domain.side import PositionSide
from tradebotd.domain.signal import Signal, SignalKind
from tradebotd.storage.bots import LeasedState, PausedBy
from tradebotd.strategies.base import AnyStrategy
from tradebotd.trading.bots.decision import Decision, decide, rests_already, wanted_side

_KEPT_FROM_LOOKING: Final = frozenset(
    {
        BotStatusKind.PAUSED,
        BotStatusKind.PENDING,
        BotStatusKind.STOPPED,
        BotStatusKind.ORPHANED,
    }
)
_WAITED_FOR: Final = frozenset(
    {
        MARKET_CLOSED,
        NO_FRESH_CANDLE,
        ENTRY_RESTING,
        ORDER_PENDING,
        waiting(DenialRule.MARKET_CLOSED),
        waiting(DenialRule.NO_PRICE),
    }
)
_POSITION_OF: Final = "position of "


@dataclass(frozen=True, slots=True)
class Candles:
    """Closed candles, oldest first.

    `enough`: as many as strategy and sizing need. `stale`: the next one is long overdue.
    """

    rows: Sequence[Candle]
    enough: bool
    stale: bool


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Signal of the strategy, and the position held then.

    `is_current`: the bot's configuration has not changed.
    """

    signal: Signal
    position: Position | None
    is_current: bool = True


class Withdrawn(NamedTuple):
    """Result of cancelling an entry that rested.

    `failed`: its outcome is not known yet. `rests`: it is on the side that is wanted. `position`:
    held by then, including what had filled.
    """

    failed: bool
    rests: bool
    position: Position | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleContext:
    """Facts of a cycle so far.

    `limit`: the reached limit of the bot's day. `decided`: the newest candle decided on.
    `strategy`: the one in force when the cycle begins.
    """

    spec: BotSpec
    strategy: AnyStrategy
    state: LeasedState
    limit: str | None
    is_open: bool
    decided: datetime | None
    candles: Candles | None = None
    evaluated: Evaluated | None = None
    withdrawn: Withdrawn | None = None

    @property
    def paused_by(self) -> PausedBy | None:
        if not self.spec.active or self.state.paused_by == "user":
            return self.state.paused_by
        return None if self.limit is None else "limit"

    @property
    def pause(self) -> BotStatus | None:
        """Status while the bot makes no entries; None when it is not paused."""
        if self.paused_by is None:
            return None
        return PAUSED_BY_USER if self.paused_by == "user" else paused(str(self.limit))

    def status_of(self, ended: BotStatus) -> BotStatus:
        """Return the status to show: a pause, whatever else the cycle came to.

        A closed market is the exception.
        """
        shown = self.pause if self.spec.active and ended != MARKET_CLOSED else None
        return ended if shown is None else shown


@dataclass(frozen=True, slots=True)
class Wait:
    """End the cycle."""

    status: BotStatus


@dataclass(frozen=True, slots=True)
class ReadCandles:
    pass


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Ask the strategy, and read the position held."""


@dataclass(frozen=True, slots=True)
class CancelResting:
    """Cancel an entry that rests, except one to the side *unless*."""

    unless: PositionSide | None


@dataclass(frozen=True, slots=True)
class Enter:
    decision: Decision


@dataclass(frozen=True, slots=True)
class Exit:
    decision: Decision
    position: Position


@dataclass(frozen=True, slots=True)
class Record:
    """Do nothing, and record the decision with its reason."""

    decision: Decision


Action = Wait | ReadCandles | Evaluate | CancelResting | Enter | Exit | Record


def next_action(context: CycleContext) -> Action:
    early = _before_candles(context)
    if early is not None:
        return early
    if context.candles is None:
        return ReadCandles()
    return _on_candles(context, context.candles)


def _on_candles(context: CycleContext, candles: Candles) -> Action:
    if not candles.enough:
        return Wait(WARMING_UP)
    if candles.stale:
        return Wait(NO_FRESH_CANDLE)
    if context.decided is not None and candles.rows[-1].ts <= context.decided:
        return Wait(decided_before(context.state))
    if context.evaluated is None:
        return Evaluate()
    return _on_signal(context, context.evaluated)


def _before_candles(context: CycleContext) -> Wait | None:
    spec, state = context.spec, context.state
    if not spec.active:
        return Wait(STOPPED)
    if state.position_id is None and context.pause is not None:
        return Wait(context.pause)
    if state.position_symbol not in (None, spec.symbol):
        # It traded something else when it entered: that position has its exits, and no signals.
        return Wait(waiting(f"{_POSITION_OF}{state.position_symbol} open"))
    return None if context.is_open else Wait(MARKET_CLOSED)


def _on_signal(context: CycleContext, evaluated: Evaluated) -> Action:
    signal, position = evaluated.signal, evaluated.position
    decision = decide(context.spec, signal, _side_of(position))
    if context.state.entry_resting and signal.kind is not SignalKind.NONE:
        withdrawn = context.withdrawn
        if withdrawn is None:
            return CancelResting(unless=wanted_side(signal))
        if withdrawn.failed:
            return Wait(ORDER_PENDING)
        position = withdrawn.position
        decision = (
            rests_already(signal) if withdrawn.rests else _taken_back(context, signal, position)
        )
    if context.paused_by is not None and decision.action == "enter":
        decision = replace(decision, action="nothing", reason=f"paused; {decision.reason}")
    if context.state.order_pending and decision.action != "nothing":
        return Wait(ORDER_PENDING)
    if decision.action == "enter":
        # A configuration that has changed decides in the next cycle.
        return Enter(decision) if evaluated.is_current else Wait(CONFIGURATION_CHANGED)
    if decision.action == "exit" and position is not None:
        return Exit(decision, position)
    return Record(decision)


def _taken_back(context: CycleContext, signal: Signal, position: Position | None) -> Decision:
    decision = decide(context.spec, signal, _side_of(position))
    return replace(decision, reason=f"its entry was taken back; {decision.reason}")


def _side_of(position: Position | None) -> PositionSide | None:
    return None if position is None else position.side


def decided_before(state: LeasedState) -> BotStatus:
    """Return the status of a candle decided before, without earlier cycles' temporary obstacles."""
    if state.entry_resting and state.position_id is None:
        return ENTRY_RESTING
    status = state.status
    other = status.kind is BotStatusKind.WAITING and str(status.detail).startswith(_POSITION_OF)
    if status.kind not in _KEPT_FROM_LOOKING and status not in _WAITED_FOR and not other:
        return status
    return NO_SIGNAL if state.position_id is None else RUNNING

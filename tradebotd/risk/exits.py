"""When a position ends: levels on the tick, and which of them a price has met. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from tradebotd.domain.decimals import ONE, round_down_to_tick, round_up_to_tick
from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.position import CloseReason, Position
from tradebotd.domain.side import PositionSide


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitLevels:
    """Prices on the tick."""

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_stop: Decimal | None = None

    @classmethod
    def of(cls, position: Position) -> "ExitLevels":
        return cls(
            stop_loss=position.stop_loss,
            take_profit=position.take_profit,
            trailing_stop=position.trailing_stop,
        )


def levels_for(
    plan: ExitPlan, side: PositionSide, entry_price: Decimal, instrument: Instrument
) -> ExitLevels:
    """Levels of a position just entered; the trailing stop starts at the entry price.

    A stop is rounded toward the entry: closer than asked by less than a tick, never wider. A target
    is rounded away from it.
    """
    sign, tick_size = side.sign, instrument.tick_size
    stop, profit, trailing = plan.stop_loss, plan.take_profit, plan.trailing_stop
    return ExitLevels(
        stop_loss=None if stop is None else _level(side, entry_price, -sign * stop, tick_size),
        take_profit=None if profit is None else _level(side, entry_price, sign * profit, tick_size),
        trailing_stop=None
        if trailing is None
        else trailing_level(side, entry_price, trailing, tick_size),
    )


def trailing_level(
    side: PositionSide, best_price: Decimal, fraction: Decimal, tick_size: Decimal
) -> Decimal:
    """*fraction* behind *best_price*, rounded toward it."""
    return _level(side, best_price, -side.sign * fraction, tick_size)


def better(side: PositionSide, one: Decimal, other: Decimal) -> Decimal:
    """The more favourable price: the higher for a long. Of two stops: the tighter."""
    return max(one, other) if side is PositionSide.LONG else min(one, other)


def trail(
    side: PositionSide,
    plan: ExitPlan,
    levels: ExitLevels,
    best_price: Decimal,
    instrument: Instrument,
) -> ExitLevels:
    """*levels* with the trailing stop where *best_price* puts it; it only ever tightens."""
    if plan.trailing_stop is None:
        return levels
    level = trailing_level(side, best_price, plan.trailing_stop, instrument.tick_size)
    if levels.trailing_stop is not None:
        level = better(side, level, levels.trailing_stop)
    return replace(levels, trailing_stop=level)


def triggered(
    side: PositionSide, levels: ExitLevels, price: Decimal
) -> tuple[CloseReason, Decimal] | None:
    """The level that *price* has met, and its name; the one the path met first if several.

    That is the stop nearest to where the price came from. The stop-loss names a tie.
    """
    is_long = side is PositionSide.LONG
    met: tuple[CloseReason, Decimal] | None = None
    for reason, level in (
        (CloseReason.STOP_LOSS, levels.stop_loss),
        (CloseReason.TRAILING_STOP, levels.trailing_stop),
    ):
        if level is None or (price > level if is_long else price < level):
            continue
        if met is None or (level > met[1] if is_long else level < met[1]):
            met = (reason, level)
    if met is not None:
        return met
    target = levels.take_profit
    if target is not None and (price >= target if is_long else price <= target):
        return CloseReason.TAKE_PROFIT, target
    return None


def expired(plan: ExitPlan, opened_at: datetime, now: datetime) -> bool:
    """Whether the holding time is over; both instants in market time."""
    return plan.max_holding is not None and now - opened_at >= plan.max_holding


def _level(side: PositionSide, price: Decimal, change: Decimal, tick_size: Decimal) -> Decimal:
    """*price* moved by the fraction *change*; up to the tick for longs, down for shorts."""
    raw = price * (ONE + change)
    if side is PositionSide.LONG:
        return round_up_to_tick(raw, tick_size)
    return round_down_to_tick(raw, tick_size)
